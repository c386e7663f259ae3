"""Every way that a shop may lead into its cart: quantities, variants, questions, and carts that are not pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.core.money import Money
from app.rpa.rules.cart_findings import findings
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import CartReading, ChoicesReading, TaskOutcome
from tests.workers.cart_shop import CartShop
from workers.actions.add_to_cart import Wish, add_to_cart
from workers.chrome.browser import Browser
from workers.chrome.settings import BrowserSettings

INPUT = {"input": "#n"}
SIZE = [{"name": "size", "css": "#size"}]
MINI = {"open": "#cart-icon", "ready": [{"css": "#drawer h2"}]}
TOTAL: dict[str, Any] = {"price": [{"css": ".total"}], "price_is": "line"}


@pytest.fixture(scope="module")
def server() -> Iterator[CartShop]:
    shop = CartShop()
    yield shop
    shop.close()


@pytest.fixture
def shop(server: CartShop) -> CartShop:
    """The shop, with nothing in any cart."""
    server.forget()
    return server


@pytest.fixture(scope="module")
def chrome(settings_for: Callable[..., BrowserSettings], server: CartShop) -> Iterator[list[Browser]]:
    """The browser, which is started again when a test ended it."""
    living: list[Browser] = []
    yield living
    for browser in living:
        browser.close()


@pytest.fixture
def buy(
    chrome: list[Browser], settings_for: Callable[..., BrowserSettings], shop: CartShop
) -> Callable[..., TaskOutcome]:
    """Do the errand once; keyword arguments are parts of the profile's cart."""

    def run(asin: str, quantity: int = 1, wish: dict[str, str] | None = None, **cart: Any) -> TaskOutcome:
        if not chrome or not chrome[-1].is_alive:
            settings = dataclasses.replace(settings_for(), private_targets=frozenset({("127.0.0.1", shop.port)}))
            chrome.append(Browser(settings, shop.profile()))
        wanted = Wish(quantity=quantity, options=wish or {})
        return add_to_cart(chrome[-1], shop.profile(**cart), asin, cancelled=lambda: False, wish=wanted)

    return run


Buy = Callable[..., TaskOutcome]


def read(outcome: TaskOutcome) -> CartReading:
    assert outcome.code is None, outcome
    assert isinstance(outcome.reading, CartReading)
    return outcome.reading


def refused(outcome: TaskOutcome, code: Code) -> TaskOutcome:
    assert outcome.code is code, outcome
    return outcome


def bought(shop: CartShop) -> list[int]:
    """The quantities in all carts."""
    return [count for cart in shop.carts.values() for count in cart.values()]


@pytest.mark.parametrize(
    ("asin", "field", "quantity"),
    [
        ("TYPED00001", INPUT, 12),
        ("SELECTN001", {"select": "#n"}, 4),
        ("PLUS000001", {"plus": "#plus"}, 3),
        ("ADDRESS001", {"parameter": "quantity"}, 7),
        ("PIECES0001", None, 3),
    ],
)
def test_the_quantity_is_said_as_the_profile_says_and_read_back(
    buy: Buy, shop: CartShop, asin: str, field: dict[str, str] | None, quantity: int
) -> None:
    how = {} if field is None else {"quantity_field": field}
    assert read(buy(asin, quantity, **how)).quantity == quantity
    assert len(shop.clicks) == (1 if field else quantity)


@pytest.mark.parametrize(
    ("asin", "field", "quantity"),
    [
        ("TYPED00001", INPUT, 51),
        ("RESETS0001", INPUT, 2),
        ("SELECTN001", {"select": "#n"}, 6),
        ("PLUS000001", {"plus": "#plus"}, 5),
    ],
)
def test_a_quantity_that_the_page_does_not_take_is_refused_before_the_click(
    buy: Buy, shop: CartShop, asin: str, field: dict[str, str], quantity: int
) -> None:
    outcome = refused(buy(asin, quantity, quantity_field=field), Code.QUANTITY_LIMITED)
    assert isinstance(outcome.reading, CartReading)
    assert (outcome.reading.quantity, shop.clicks) == (0, [])


@pytest.mark.parametrize("asin", ["CLAMPS0001", "TELLS00001"])
def test_a_cart_that_takes_fewer_pieces_says_how_many(buy: Buy, shop: CartShop, asin: str) -> None:
    outcome = refused(buy(asin, 5, quantity_field=INPUT), Code.QUANTITY_LIMITED)
    assert isinstance(outcome.reading, CartReading)
    assert outcome.reading.quantity == 3
    assert outcome.reading.unit_price is not None
    assert len(shop.clicks) == 1


def test_pieces_added_one_by_one_stop_where_the_cart_stops(buy: Buy) -> None:
    outcome = refused(buy("CLAMPS0001", 5), Code.QUANTITY_LIMITED)
    assert isinstance(outcome.reading, CartReading)
    assert outcome.reading.quantity == 3


def test_a_cart_that_holds_more_than_was_asked_for_is_no_success(buy: Buy) -> None:
    assert refused(buy("DOUBLES001"), Code.CART_NOT_CONFIRMED).detail == "The cart holds 2 of the product, not 1."


@pytest.mark.parametrize(
    ("asin", "css", "wish"),
    [
        ("SELECT0001", "#size", " m "),
        ("SELECT0001", "#size", "m-1"),
        ("RADIOS0001", "input[type=radio]", "M"),
        ("RADIOS0001", "input[type=radio]", "m-1"),
        ("LINKS00001", "a.size", "m"),
        ("ONCECHOSEN", "#size", "M"),
    ],
)
def test_a_variant_is_chosen_by_its_words_or_its_value(
    buy: Buy, shop: CartShop, asin: str, css: str, wish: str
) -> None:
    reading = read(buy(asin, wish={"size": wish}, options=[{"name": "size", "css": css}]))
    assert reading.options["size"] in ("M", "m-1")
    assert [click["size"] for click in shop.clicks] == ["m-1"]


TWO = [*SIZE, {"name": "colour", "css": ".swatch", "unavailable": ".gone"}]


def test_several_options_are_chosen_and_stand_in_the_cart(buy: Buy, shop: CartShop) -> None:
    wish = {"colour": "blue", "size": "L"}
    reading = read(buy("SWATCHES01", 2, wish, options=TWO, quantity_field=INPUT, variant=[{"css": ".variant"}]))
    assert (reading.quantity, reading.options) == (2, {"size": "L", "colour": "Blue"})
    lines = [line for cart in shop.carts.values() for line in cart]
    assert lines == [("SWATCHES01", "Size: l-1, colour: Blue")]


def test_the_price_that_counts_is_that_of_the_variant(buy: Buy) -> None:
    links = [{"name": "size", "css": "a.size"}]
    reading = read(buy("LINKS00001", wish={"size": "L"}, options=links))
    assert reading.page_price is not None
    assert reading.page_price.value == Money(2999, "USD")


def test_a_required_choice_that_nobody_made_is_told_with_the_choices(buy: Buy, shop: CartShop) -> None:
    outcome = refused(buy("SELECT0001", options=SIZE), Code.VARIANT_REQUIRED)
    assert isinstance(outcome.reading, ChoicesReading)
    assert [(choice.value, choice.is_available) for choice in outcome.reading.choices] == [
        ("S", True),
        ("M", True),
        ("L", True),
        ("XL", False),
    ]
    assert outcome.detail == "Choose a size: S, M, L, XL (not available)."
    assert shop.clicks == []


@pytest.mark.parametrize(
    ("asin", "option", "wish", "detail"),
    [
        ("SELECT0001", SIZE[0], "XXL", "There is no size 'XXL', only S, M, L, XL (not available)."),
        ("SELECT0001", SIZE[0], "xl", "The size 'xl' is there but cannot be chosen."),
        ("RADIOS0001", {"name": "size", "css": "input[type=radio]"}, "XL", "The size 'XL' is there but cannot be"),
        ("SWATCHES01", TWO[1], "gone", "The colour 'gone' is there but cannot be chosen."),
        ("LINKS00001", {"name": "size", "css": "a.size"}, "XS", "There is no size 'XS', only S, M, L."),
        ("TYPED00001", SIZE[0], "M", "The page offers no size to choose."),
    ],
)
def test_a_variant_that_is_not_sold_is_refused_with_what_there_is(
    buy: Buy, shop: CartShop, asin: str, option: dict[str, str], wish: str, detail: str
) -> None:
    outcome = refused(buy(asin, wish={option["name"]: wish}, options=[option]), Code.VARIANT_UNAVAILABLE)
    assert detail in outcome.detail
    assert isinstance(outcome.reading, ChoicesReading)
    assert shop.clicks == []


def test_a_choice_that_need_not_be_made_is_left_alone(buy: Buy, shop: CartShop) -> None:
    assert read(buy("SELECT0001", options=[SIZE[0] | {"required": False}])).options == {}
    assert [click["size"] for click in shop.clicks] == [""]


def test_a_cart_with_another_variant_is_no_success(buy: Buy) -> None:
    about: dict[str, Any] = {"options": SIZE, "variant": [{"css": ".variant"}]}
    refused(buy("OTHERSIZE1", wish={"size": "S"}, **about), Code.CART_NOT_CONFIRMED)


def test_an_option_that_the_profile_does_not_know_is_not_guessed(buy: Buy, shop: CartShop) -> None:
    refused(buy("SELECT0001", wish={"colour": "red"}, options=SIZE), Code.SELECTOR_MISSING)
    assert shop.clicks == []


def test_a_sold_out_page_without_choices_is_sold_out(buy: Buy) -> None:
    refused(buy("SOLDOUTNOW", wish={"size": "XXL"}, options=SIZE), Code.OUT_OF_STOCK)


def test_a_variant_that_turns_out_to_be_sold_out_is_sold_out(buy: Buy, shop: CartShop) -> None:
    refused(buy("GONESIZE01", wish={"size": "S"}, options=SIZE), Code.OUT_OF_STOCK)
    assert shop.clicks == []


@pytest.mark.parametrize(
    ("asin", "how"),
    [
        ("XHR0000001", {}),
        ("FORM000001", {}),
        ("DRAWER0001", {"mini": MINI}),
        ("XHR0000001", {"mini": MINI}),
        ("ASKING0001", {"proceed": ["#really .yes"]}),
        ("SLOWTOADD1", {}),
        ("XHR0000001", {"confirm": []}),
        ("ASKING0001", {"proceed": ["#really .yes"], "confirm": []}),
    ],
)
def test_every_way_into_the_cart_is_clicked_once_and_read_back(
    buy: Buy, shop: CartShop, asin: str, how: dict[str, Any]
) -> None:
    reading = read(buy(asin, 2, quantity_field=INPUT, **how))
    assert (reading.quantity, findings(reading)) == (2, [])
    assert len(shop.clicks) == 1


def test_a_button_that_comes_with_scrolling_is_found(buy: Buy) -> None:
    assert read(buy("SCROLL0001")).quantity == 1


@pytest.mark.parametrize(
    ("asin", "how"), [("FORMSLOW01", {}), ("FORMHALF01", {}), ("FORMLATER1", {}), ("FORMLATER1", {"confirm": []})]
)
def test_a_click_whose_answer_does_not_come_in_time_is_read_back_and_never_sent_again(
    buy: Buy, shop: CartShop, asin: str, how: dict[str, Any]
) -> None:
    assert read(buy(asin, **how)).quantity == 1
    assert len(shop.clicks) == 1


@pytest.mark.parametrize("asin", ["FORMSLOW01", "FORMHALF01", "FORMLATER1"])
def test_a_click_of_which_nobody_knows_ends_the_clicking_of_pieces(buy: Buy, shop: CartShop, asin: str) -> None:
    refused(buy(asin, 3), Code.CART_NOT_CONFIRMED)
    assert len(shop.clicks) == 1


def test_a_second_attempt_begins_with_an_empty_cart(buy: Buy, shop: CartShop) -> None:
    assert [read(buy("XHR0000001", 2, quantity_field=INPUT)).quantity for _ in range(2)] == [2, 2]
    assert bought(shop) == [2, 2]


@pytest.mark.parametrize("how", [{}, {"mini": MINI}])
def test_a_cart_that_is_not_empty_at_the_start_is_not_added_to(buy: Buy, shop: CartShop, how: dict[str, Any]) -> None:
    shop.is_one_cart_for_all = True
    assert read(buy("XHR0000001", **how)).quantity == 1
    refused(buy("XHR0000001", **how), Code.CART_NOT_EMPTY)
    assert (bought(shop), len(shop.clicks)) == ([1], 1)


def test_a_lost_click_is_no_success_and_what_was_not_asked_is_not_confirmed(buy: Buy, shop: CartShop) -> None:
    refused(buy("DEAF000001"), Code.CART_NOT_CONFIRMED)
    refused(buy("ASKING0001"), Code.CART_NOT_CONFIRMED)
    assert shop.clicks == []


def test_the_price_of_a_line_is_no_other_price(buy: Buy) -> None:
    reading = read(buy("XHR0000001", 3, quantity_field=INPUT, **TOTAL))
    assert reading.unit_price is not None
    assert reading.line_price is not None
    assert (reading.unit_price.value.minor, reading.line_price.value.minor) == (2499, 7497)
    assert findings(reading) == []


def test_another_price_is_a_finding_on_a_success(buy: Buy) -> None:
    found = findings(read(buy("DIFFERS001", 2, quantity_field=INPUT)))
    assert found == [{"code": "PRICE_DIFFERS", "detail": "The product's page shows 24.99 USD, the cart 26.50 USD."}]


def test_a_line_that_does_not_divide_is_a_finding_on_a_success(buy: Buy) -> None:
    reading = read(buy("UNEVEN0001", 3, quantity_field=INPUT, **TOTAL))
    assert reading.unit_price is None
    assert findings(reading)[0]["detail"] == "The product's page shows 24.99 USD, the cart 74.96 USD for 3."


def test_a_line_price_taken_for_that_of_a_piece_is_told_as_what_it_is(buy: Buy) -> None:
    reading = read(buy("XHR0000001", 3, quantity_field=INPUT, price=[{"css": ".total"}]))
    assert [finding["code"] for finding in findings(reading)] == ["PRICE_DIFFERS", "PRICE_OF_LINE"]
