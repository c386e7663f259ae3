"""Input that breaks a rule is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.core.fields import ASIN, Asin, PageArguments, StrictSchema, Text


class Label(StrictSchema):
    """A schema to try fields with."""

    asin = Asin()
    line = Text(longest=5)
    remark = Text(longest=5, blank=True)


def refused(**sent: object) -> list[str]:
    with pytest.raises(ValidationError) as refusal:
        Label().load(sent)
    messages: Any = refusal.value.messages
    return sorted(messages)


@pytest.mark.parametrize("sent", ["b0cw1a0001", " B0CW1A0001\n", "B0CW1A0001"])
def test_an_asin_is_read_in_any_case(sent: str) -> None:
    assert Label().load({"asin": sent}) == {"asin": "B0CW1A0001"}


@pytest.mark.parametrize(
    "sent", ["", "B0CW1A000", "B0CW1A00011", "B0CW1A000!", "B0CW1A000Ä", "ſ0CW1A0001", "B0CW1 A000", 1234567890, None]
)
def test_what_is_no_asin_is_refused(sent: object) -> None:
    assert refused(asin=sent) == ["asin"]


@given(st.text(max_size=14))
def test_an_accepted_asin_is_always_well_formed(text: str) -> None:
    try:
        asin = Label().load({"asin": text})["asin"]
    except ValidationError:
        return
    assert ASIN.fullmatch(asin)


def test_a_line_is_trimmed_and_composed() -> None:
    assert Label().load({"line": "  cafe\u0301 "}) == {"line": "caf\u00e9"}


@pytest.mark.parametrize(
    "sent", ["", "   ", "sixsix", "a\x00b", "a\x1bb", "a\x7fb", "a\u202eb", "\u2066a", "\ud800", 5, None, ["a"]]
)
def test_a_line_that_is_empty_too_long_or_unprintable_is_refused(sent: object) -> None:
    assert refused(line=sent) == ["line"]


def test_a_remark_may_be_empty() -> None:
    assert Label().load({"remark": "  "}) == {"remark": ""}


def test_unknown_fields_are_refused_by_name() -> None:
    assert refused(colour="red", size=1) == ["colour", "size"]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "1.5", ""])
def test_a_page_has_one_to_a_hundred_rows(limit: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        PageArguments().load({"limit": limit})
    messages: Any = refusal.value.messages
    assert list(messages) == ["limit"]
