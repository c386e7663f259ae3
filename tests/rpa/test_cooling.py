"""The cool-down of a storefront, walked through by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.rpa.rules.codes import Code
from app.rpa.rules.cooling import BLOCKS, FIRST_S, LONGEST_S, Cooling

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


def _after(cooling: Cooling, *codes: Code | None, at: datetime = NOW) -> Cooling:
    for code in codes:
        cooling = cooling.after(code, started_at=at, now=at)
    return cooling


COLD = _after(Cooling(), *[Code.BLOCKED] * BLOCKS)
PROBED_AT = NOW + timedelta(seconds=FIRST_S)


def test_the_fifth_block_in_a_row_begins_a_cool_down_of_a_minute() -> None:
    assert _after(Cooling(), *[Code.BLOCKED] * 4) == Cooling(4)
    assert Cooling(5, 60, NOW + timedelta(minutes=1)) == COLD


@pytest.mark.parametrize("code", [None, Code.NOT_FOUND, Code.OUT_OF_STOCK, Code.PRICE_MISSING, Code.WRONG_PRODUCT])
def test_a_page_of_the_shop_in_between_begins_the_count_anew(code: Code | None) -> None:
    assert _after(Cooling(4), code) == Cooling()
    assert _after(Cooling(), *[Code.BLOCKED] * 4, code, *[Code.BLOCKED] * 4) == Cooling(4)


@pytest.mark.parametrize(
    "code", [Code.NAV_TIMEOUT, Code.CHROME_CRASH, Code.CANCELLED, Code.HTTP_5XX, Code.SELECTOR_MISSING, Code.INTERNAL]
)
def test_what_says_nothing_of_the_shop_neither_counts_nor_forgives(code: Code) -> None:
    assert _after(Cooling(4), code) == Cooling(4)
    assert _after(Cooling(4), code, Code.BLOCKED).until is not None


def test_a_good_probe_ends_the_cool_down() -> None:
    assert _after(COLD, None, at=PROBED_AT) == Cooling()


def test_a_blocked_probe_doubles_it_up_to_an_hour() -> None:
    cooling, lengths = COLD, []
    for _ in range(8):
        at = cooling.until or NOW
        cooling = _after(cooling, Code.BLOCKED, at=at)
        assert cooling.until == at + timedelta(seconds=cooling.seconds)
        lengths.append(cooling.seconds)
    assert lengths == [120, 240, 480, 960, 1920, LONGEST_S, LONGEST_S, LONGEST_S]


def test_a_probe_that_says_nothing_is_repeated_after_as_long_again() -> None:
    assert _after(COLD, Code.NAV_TIMEOUT, at=PROBED_AT) == Cooling(5, 60, PROBED_AT + timedelta(minutes=1))


@pytest.mark.parametrize("code", [None, Code.BLOCKED, Code.NAV_TIMEOUT])
def test_what_was_under_way_when_it_began_is_no_probe(code: Code | None) -> None:
    assert COLD.after(code, started_at=NOW - timedelta(seconds=1), now=PROBED_AT + timedelta(hours=1)) == COLD


def test_a_cool_down_that_is_cut_short_is_followed_by_a_probe_that_decides() -> None:
    at = NOW + timedelta(seconds=1)
    cut = COLD.cut_short(at)
    assert cut == Cooling(5, FIRST_S, at)
    assert cut.after(Code.BLOCKED, started_at=NOW, now=at) == cut
    assert _after(cut, None, at=at) == Cooling()
    assert _after(cut, Code.BLOCKED, at=at) == Cooling(6, 2 * FIRST_S, at + timedelta(seconds=2 * FIRST_S))


@pytest.mark.parametrize("cooling", [Cooling(), Cooling(4), COLD])
def test_nothing_is_cut_short_that_is_over_or_has_not_begun(cooling: Cooling) -> None:
    assert cooling.cut_short(PROBED_AT + timedelta(seconds=1)) == cooling
