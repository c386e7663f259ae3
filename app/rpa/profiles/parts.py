"""The parts that every page of a storefront profile is described with: sources and markers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import RAISE, Schema, fields, validates_schema
from marshmallow.validate import Length, OneOf, Regexp

from app.rpa.profiles import rules
from app.rpa.profiles.fields import bounded, checked, pattern, reading_selector, short_text, whole

STRUCTURED: Final = ("name", "brand", "price", "currency", "availability", "sku")


class StrictPart(Schema):
    """A part that knows all its fields."""

    class Meta:
        unknown = RAISE


class LineSourceSchema(StrictPart):
    """A source within one line of the cart; css selectors start at the line and may match the line itself."""

    css = reading_selector(
        "A CSS selector; its visible text is read, without struck-through parts. With >>> it leads into an open shadow "
        "root or a frame of the page's own origin."
    )
    attribute = fields.String(
        validate=[Length(min=1, max=100), Regexp(r"^[A-Za-z_][A-Za-z0-9_.:-]*$")],
        metadata={
            "description": "Read this attribute of the css matches, not their text; value: a form field's value.",
            "examples": ["data-price"],
        },
    )
    regex = pattern(
        "An RE2 regular expression over what was read, or alone over the page's (in a cart: the line's) visible text; "
        "the first group, or else the whole match, becomes the value."
    )

    @validates_schema(skip_on_field_errors=True)
    def _one_place(self, data: Mapping[str, Any], **_: Any) -> None:
        checked(rules.check_source)(data)


class SourceSchema(LineSourceSchema):
    """One place to read a value from: structured or css, either with a regex, or a regex alone."""

    structured = fields.String(
        validate=OneOf(STRUCTURED),
        metadata={
            "description": "A field of the page's JSON-LD, microdata or OpenGraph data, used only where it names this "
            "product or this is the only product on the page."
        },
    )


class MarkerSchema(StrictPart):
    """Something that tells what a page is: every part that is set must hold; of a list of markers, any one."""

    css = reading_selector("An element that is there and visible; >>> leads into shadow roots and frames.")
    text = short_text(
        "Words in the css match, or anywhere in the visible text; upper and lower case are the same.", "sold out"
    )
    url = pattern("An RE2 regular expression searched in the page's final address.", "/sorry\\?")
    status = whole("The HTTP status of the page.", 100, 599, 404)

    @validates_schema(skip_on_field_errors=True)
    def _says_something(self, data: Mapping[str, Any], **_: Any) -> None:
        checked(rules.check_marker)(data)


def markers(description: str, *, low: int = 0) -> fields.List[Any]:
    """A list of markers, any one of which has to hold."""
    return bounded(fields.Nested(MarkerSchema), description, low=low)
