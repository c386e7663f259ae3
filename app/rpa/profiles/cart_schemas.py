"""How a storefront profile describes the way into the cart and what stands there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import fields, validates_schema
from marshmallow.validate import Length, OneOf, Regexp

from app.rpa.profiles import rules
from app.rpa.profiles.fields import Flag, bounded, checked, reading_selector, selector, short_text
from app.rpa.profiles.parts import LineSourceSchema, MarkerSchema, StrictPart, markers

REFUSE_CODES: Final = (
    "OUT_OF_STOCK",
    "VARIANT_REQUIRED",
    "VARIANT_UNAVAILABLE",
    "QUANTITY_LIMITED",
    "NOT_FOUND",
    "LOGIN_REQUIRED",
    "BLOCKED",
)


class RefusalSchema(MarkerSchema):
    """A marker after the click that says why the shop does not sell."""

    code = fields.String(
        required=True, validate=OneOf(REFUSE_CODES), metadata={"description": "The task's end when this marker holds."}
    )


class OptionSchema(StrictPart):
    """A choice that the shop wants made before it sells: a size, a colour."""

    name = fields.String(
        required=True,
        validate=[Length(min=1, max=50), Regexp(r"^[a-z0-9_-]+$")],
        metadata={"description": "What jobs call it in options: small letters, digits, - and _.", "examples": ["size"]},
    )
    css = selector(
        "The select element, or every choice: radio buttons, buttons, links. One is chosen by its words (text, label, "
        "aria-label, title, a picture's alt), or else by its value or data-value.",
        "select#size",
        required=True,
    )
    required = Flag(
        metadata={"description": "Whether a job must say it where the shop has chosen nothing itself. Default true."}
    )
    unavailable = selector("What those of the choices match that cannot be bought; disabled ones are known.", ".gone")
    chosen = selector(
        "What the choice matches that is made; checked, selected, aria-checked, aria-pressed and aria-selected are "
        "known.",
        ".is-active",
    )


class QuantityFieldSchema(StrictPart):
    """Where the product's page is told how many pieces: exactly one of these."""

    input = selector("A field to type the number into.", "input[name=quantity]")
    select = selector("A select element with the numbers.", "select[name=quantity]")
    plus = selector("A button that adds one to the 1 that stands there.", "button.plus")
    parameter = fields.String(
        validate=[Length(min=1, max=50), Regexp(r"^[A-Za-z0-9_.~-]+$")],
        metadata={"description": "A parameter of the product page's address.", "examples": ["quantity"]},
    )

    @validates_schema(skip_on_field_errors=True)
    def _one_way(self, data: Mapping[str, Any], **_: Any) -> None:
        checked(rules.check_quantity_field)(data)


class MiniCartSchema(StrictPart):
    """The cart as a part of the shop's other pages: a drawer or a menu."""

    open = selector("What opens it by a click. Without it, it opens by itself or is always there.", "#cart-icon")
    ready = markers("It is open and filled, also when it is empty, when any of these holds.", low=1)


def _line_sources(description: str, *, low: int = 1) -> fields.List[Any]:
    return bounded(fields.Nested(LineSourceSchema), description, low=low, high=10)


class CartPageSchema(StrictPart):
    """How to put a product into the cart and how to find it there."""

    add = selector("The button on the product page.", "button#add-to-cart", required=True)
    options = bounded(
        fields.Nested(OptionSchema), "What has to be chosen before, in this order; names differ.", high=10
    )
    quantity_field = fields.Nested(
        QuantityFieldSchema,
        metadata={
            "description": "Where the number of pieces is said. Without it each piece is a visit and a click of its "
            "own, at most 10."
        },
    )
    proceed = bounded(
        selector("What to click.", "#really .yes"),
        "Clicks that the shop may ask for after the first one (Really? Continue?); each is made once if it is there.",
        high=5,
    )
    confirm = markers("The click has worked when any of these holds.")
    refuse = bounded(fields.Nested(RefusalSchema), "Markers after the click that say why the shop does not sell.")
    url = short_text(
        "The cart's address, absolute or relative to base_url.",
        "/cart",
        checked(rules.check_page_address),
        longest=1000,
        required=True,
    )
    mini = fields.Nested(
        MiniCartSchema, metadata={"description": "Read the cart here, on the product's page; url is not visited then."}
    )
    line = reading_selector(
        "One line of the cart; hidden matches are passed over. >>> leads into shadow roots and frames.",
        "tr.cart-line",
        required=True,
    )
    identity = _line_sources("Where a line names its product: the first source that has a value must hold the ASIN.")
    quantity = _line_sources("The line's quantity: one whole number.")
    price = _line_sources("The line's price.")
    variant = _line_sources(
        "Where the line says which variant it is: every option of the job must stand there. Without it, that is not "
        "looked at.",
        low=0,
    )
    price_is = fields.String(
        validate=OneOf(["each", "line"]),
        metadata={"description": "Whether price is of one piece (each, the default) or of the whole line (line)."},
    )

    @validates_schema(skip_on_field_errors=True)
    def _options_differ(self, data: Mapping[str, Any], **_: Any) -> None:
        checked(rules.check_option_names)(data)
