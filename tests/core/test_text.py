"""Text is checked before it is normalised, and what cannot be seen is no text."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest

from app.core.text import MAX_MARKS, TextRefused, cleaned, composed, has_long_runs, is_invisible, normalised

HOSTILE = "a" + "\u0301" * 30_000 + "\u0316" * 30_000


def test_a_row_of_marks_is_refused_before_it_is_put_in_order() -> None:
    began = time.process_time()
    for longest in (100, 100_000):
        with pytest.raises(TextRefused):
            composed(HOSTILE, longest=longest)
    normalised(HOSTILE, "NFKC")
    assert time.process_time() - began < 1


def test_the_longest_row_of_marks_that_is_taken_stays_and_one_more_is_refused_or_left_out() -> None:
    most = "a" + "\u0316" * MAX_MARKS
    assert cleaned(most, shortest=1, longest=100) == most
    with pytest.raises(TextRefused, match="combining marks"):
        cleaned(f"{most}\u0316", shortest=1, longest=100)
    assert normalised(f"{most}\u0316b", "NFC") == f"{most}b"


def test_no_character_of_unicode_becomes_marks_without_being_counted() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        if unicodedata.combining(unicodedata.normalize("NFKD", character)[0]):
            assert has_long_runs(f"a{character * (MAX_MARKS + 1)}"), hex(number)


def test_a_text_taken_apart_may_be_as_long_as_it_is_together() -> None:
    assert cleaned(unicodedata.normalize("NFD", "\u1f82" * 9), shortest=1, longest=9) == "\u1f82" * 9
    with pytest.raises(TextRefused, match="between 1 and 9"):
        cleaned("\u00e9" * 10, shortest=1, longest=9)


@pytest.mark.parametrize(
    "text",
    ["\u200b", "\u00ad", "\u061c", "\u3164", "\U000e0041\U000e007f", "\u200b \u2060", "\u2800", "\ufeff", "\ufe0f"],
)
def test_a_text_of_nothing_that_can_be_seen_is_refused(text: str) -> None:
    for shortest in (0, 1):
        with pytest.raises(TextRefused, match="can be seen"):
            cleaned(text, shortest=shortest, longest=50)


@pytest.mark.parametrize("text", ["a\u0080b", "a\u0085b", "a\u009fb", "a\u2028b", "a\u2029b"])
def test_a_text_with_line_breaks_that_look_like_none_is_refused(text: str) -> None:
    with pytest.raises(TextRefused, match="control"):
        cleaned(text, shortest=1, longest=50)


@pytest.mark.parametrize(
    "text", ["Tee\u00ad", "\U0001f3f4\U000e0067\U000e0062\U000e007f", "\u2764\ufe0f", "\u0646\u200c\u0645", "x"]
)
def test_what_cannot_be_seen_may_stand_beside_what_can(text: str) -> None:
    assert not is_invisible(text)
    assert cleaned(text, shortest=1, longest=50) == text
