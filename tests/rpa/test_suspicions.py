"""What is looked at twice and what comes of it, decided with plain values."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import Money
from app.rpa.rules.changes import Change, canonical, decide_changes, observed_values
from app.rpa.rules.readings import ProductReading, Read
from app.rpa.rules.suspicions import FirstLook, Judged, Reason, Verdict, are_many, is_flapping, judge, suspicions

PRICES = st.integers(0, 10**12)
CURRENCIES = st.sampled_from(["USD", "EUR", "JPY", "KWD"])


def price_change(before: str, after: str) -> dict[str, Reason]:
    return suspicions([Change("price", before, after)], {"price": before}, many=False)


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ("5.00 USD", None),
        ("4.99 USD", Reason.PRICE_JUMP),
        ("20.00 USD", None),
        ("20.01 USD", Reason.PRICE_JUMP),
        ("10.00 EUR", Reason.CURRENCY),
        ("0.00 USD", Reason.PRICE_JUMP),
    ],
)
def test_a_price_is_suspicious_below_half_above_twice_and_in_another_currency(
    after: str, reason: Reason | None
) -> None:
    assert price_change("10.00 USD", after) == ({} if reason is None else {"price": reason})


def test_what_was_for_nothing_and_costs_something_is_suspicious() -> None:
    assert price_change("0.00 USD", "0.01 USD") == {"price": Reason.PRICE_JUMP}


def test_what_a_storefront_shows_for_the_first_time_is_never_suspicious() -> None:
    changes = [Change("price", "10.00 USD", "900.00 EUR"), Change("name", "Kettle", "Pot")]
    assert suspicions(changes, {}, many=True) == {}


def test_of_many_changes_each_attribute_is_suspicious_but_a_jump_stays_a_jump() -> None:
    changes = [Change("price", "10.00 USD", "90.00 USD"), Change("name", "Kettle", "Pot"), Change("brand", None, "Ox")]
    known = {"price": "10.00 USD", "name": "Kettle"}
    assert suspicions(changes, known, many=True) == {"price": Reason.PRICE_JUMP, "name": Reason.MANY_AT_ONCE}


@pytest.mark.parametrize(
    ("changed", "read", "many"), [(9, 9, False), (10, 10, True), (10, 49, True), (10, 50, False), (11, 50, True)]
)
def test_many_are_ten_or_more_and_over_a_fifth_of_those_that_were_read(changed: int, read: int, many: bool) -> None:
    assert are_many(changed, read) is many


@given(PRICES, PRICES, CURRENCIES)
def test_a_jump_is_one_in_both_directions(one: int, other: int, currency: str) -> None:
    a, b = str(Money(one, currency)), str(Money(other, currency))
    assert price_change(a, b) == price_change(b, a)
    assert bool(price_change(a, b)) == (max(one, other) > 2 * min(one, other))


@given(PRICES, CURRENCIES, st.integers(0, 4), st.sampled_from(["", " ", "\u00a0\u2003"]))
def test_the_same_amount_is_no_change_however_it_is_spelled(minor: int, currency: str, zeros: int, space: str) -> None:
    money = Money(minor, currency)
    amount = Decimal(money.decimal_string())
    for spelled in (f"{amount:E}", f"{amount:f}", str(amount * Decimal(10) ** zeros) + f"E-{zeros}"):
        before = f"{space}{spelled} {space}{currency.lower()}"
        assert canonical("price", before) == str(money)
        assert decide_changes({"price": str(money)}, {"price": before}, {}) == []


@given(st.text(max_size=50))
def test_a_text_that_was_kept_is_no_change_of_itself(text: str) -> None:
    values = observed_values(ProductReading(name=Read(text, "css:h1", text)))
    assert decide_changes(values, {"name": text}, {}) == []
    assert ("name" in values) == bool(text.strip())


@given(st.dictionaries(st.sampled_from(["name", "brand", "price"]), st.just("x")))
def test_what_was_not_read_never_changes(observed: dict[str, str]) -> None:
    known = {"name": "Kettle", "brand": "Hearth", "price": "10.00 USD"}
    assert {change.attribute for change in decide_changes(observed, known, {})} == observed.keys()


def judged(second: str | None, first: str | None = "30.00 USD", known: str = "10.00 USD") -> list[Judged]:
    """What becomes of a price after two visits, the first of which may have found nothing suspicious."""
    look = None if first is None else FirstLook({"price": first}, {"price": Reason.PRICE_JUMP})
    observed = {} if second is None else {"price": second}
    before = {"price": known}
    changes = decide_changes(observed, before, {})
    return judge(changes, suspicions(changes, before, many=False), look, observed=observed, known=before)


@pytest.mark.parametrize(
    ("second", "verdict", "recorded"),
    [
        ("30.00 USD", Verdict.CONFIRMED, True),
        ("31.00 USD", Verdict.UNSTEADY, False),
        ("11.00 USD", Verdict.UNSTEADY, False),
        ("10.00 USD", Verdict.FLICKER, False),
        (None, Verdict.UNCONFIRMED, False),
    ],
)
def test_a_second_visit_decides(second: str | None, verdict: Verdict, recorded: bool) -> None:
    (one,) = judged(second)
    assert (one.verdict, one.is_recorded, one.reason) == (verdict, recorded, Reason.PRICE_JUMP)
    is_last = verdict in {Verdict.CONFIRMED, Verdict.UNSTEADY}
    assert one.change == Change("price", "10.00 USD", second if second and is_last else "30.00 USD")


def test_what_is_suspicious_and_was_seen_once_only_is_held_back() -> None:
    (one,) = judged("30.00 USD", first=None)
    assert (one.verdict, one.is_recorded) == (Verdict.UNCONFIRMED, False)


def test_what_another_task_recorded_between_two_visits_is_nothing_new() -> None:
    assert judged("30.00 USD", known="30.00 USD") == []


def test_a_first_look_is_kept_and_read_again_as_it_was() -> None:
    look = FirstLook({"price": "3.00 EUR"}, {"price": Reason.CURRENCY})
    assert FirstLook.from_json(look.as_json()) == look


@pytest.mark.parametrize(
    ("values", "flaps"),
    [
        ("AB", False),
        ("ABA", False),
        ("ABAB", False),
        ("ABABA", True),
        ("ABABAC", False),
        ("ABCABC", True),
        ("ABCDE", False),
        ("", False),
    ],
)
def test_a_value_flaps_from_its_third_return_on(values: str, flaps: bool) -> None:
    assert is_flapping(values) is flaps
