"""Which attributes changed, decided from plain values."""

from __future__ import annotations

from app.core.money import Money
from app.rpa.rules.changes import Change, decide_changes, observed_values
from app.rpa.rules.readings import Availability, ProductReading, Read

MASTER = {"name": "Kettle", "brand": "Hearth", "price": "19.90 EUR", "availability": "IN_STOCK"}


def test_at_a_first_visit_the_master_is_what_a_change_is_measured_against() -> None:
    seen = {"name": "Kettle", "brand": "Hearth", "price": "17.90 EUR", "availability": "OUT_OF_STOCK"}
    assert decide_changes(seen, {}, MASTER) == [
        Change("price", "19.90 EUR", "17.90 EUR"),
        Change("availability", "IN_STOCK", "OUT_OF_STOCK"),
    ]


def test_later_the_storefronts_own_last_value_counts_so_a_difference_is_told_once() -> None:
    assert decide_changes({"price": "17.90 EUR"}, {"price": "17.90 EUR"}, MASTER) == []
    assert decide_changes({"price": "19.90 EUR"}, {"price": "17.90 EUR"}, MASTER) == [
        Change("price", "17.90 EUR", "19.90 EUR")
    ]


def test_spelling_alone_is_no_change() -> None:
    assert decide_changes({"name": "Kettle 1,7 l"}, {}, {"name": " Kettle  １,７ l"}) == []


def test_what_was_not_read_is_no_change() -> None:
    assert decide_changes({}, {"price": "1.00 EUR"}, MASTER) == []


def test_the_same_amount_in_another_currency_is_a_change() -> None:
    assert decide_changes({"price": "19.90 USD"}, {}, MASTER) == [Change("price", "19.90 EUR", "19.90 USD")]


def test_an_attribute_that_the_master_does_not_know_has_no_previous_value() -> None:
    assert decide_changes({"brand": "Hearth"}, {}, {"brand": None}) == [Change("brand", None, "Hearth")]


def test_unknown_availability_and_unread_fields_are_left_out_of_what_was_observed() -> None:
    reading = ProductReading(
        name=Read("A\u00a0 b", "css:h1", "A\u00a0 b"),
        price=Read(Money.parse("2879.20", "EUR"), "css:.price", "2.879,2 €"),
        availability=Read(Availability.UNKNOWN, "css:.stock", "?"),
    )
    assert observed_values(reading) == {"name": "A b", "price": "2879.20 EUR"}
