"""The storefront profile as a document: what it may hold, with the descriptions that its JSON Schema publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from marshmallow import RAISE, Schema, ValidationError, fields, validates_schema
from marshmallow.validate import Length, OneOf, Range, Regexp

from app.rpa import profile_rules as rules
from app.rpa.readings import Availability

T = TypeVar("T")
STRUCTURED: Final = ("name", "brand", "price", "currency", "availability", "sku")
REFUSE_CODES: Final = ("OUT_OF_STOCK", "VARIANT_REQUIRED", "NOT_FOUND", "LOGIN_REQUIRED", "BLOCKED")


def _checked(rule: Callable[[T], None]) -> Callable[[T], None]:
    def validate(value: T) -> None:
        try:
            rule(value)
        except rules.ProfileRuleError as error:
            raise ValidationError(_at(error)) from error

    return validate


def _at(error: rules.ProfileRuleError) -> Any:
    """The message under its path, as marshmallow nests messages."""
    message: Any = [str(error)]
    for name in reversed(error.path):
        message = {name: message}
    return message


class _Number(fields.Float):
    """A JSON number: marshmallow's own Float also takes strings and booleans."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid")
        return super()._deserialize(value, *args, **kwargs)


class _Whole(fields.Integer):
    """A JSON integer: marshmallow's own Integer also takes strings and booleans."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return super()._deserialize(value, *args, **kwargs)


class _Flag(fields.Boolean):
    """A JSON boolean: marshmallow's own Boolean also takes words and numbers."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def _text(description: str, *validators: Callable[[str], Any], longest: int = 500, required: bool = False) -> fields.String:
    return fields.String(
        required=required,
        validate=[Length(min=1, max=longest), _checked(rules.check_text), *validators],
        metadata={"description": description},
    )


def _selector(description: str, *, required: bool = False) -> fields.String:
    return _text(description, _checked(rules.check_selector), required=required)


def _regex(description: str) -> fields.String:
    return _text(description, _checked(rules.check_regex))


def _seconds(description: str, low: float, high: float) -> _Number:
    return _Number(validate=Range(min=low, max=high), metadata={"description": description})


def _whole(description: str, low: int, high: int) -> _Whole:
    return _Whole(validate=Range(min=low, max=high), metadata={"description": description})


def _list(of: fields.Field[Any], description: str, *, low: int = 0, high: int = 20) -> fields.List[Any]:
    return fields.List(
        of, required=low > 0, validate=Length(min=low or None, max=high), metadata={"description": description}
    )


class _Strict(Schema):
    class Meta:
        unknown = RAISE


class SourceSchema(_Strict):
    """One place to read a value from: exactly one of structured, css or a bare regex."""

    structured = fields.String(
        validate=OneOf(STRUCTURED),
        metadata={
            "description": "A field of the page's JSON-LD, microdata or OpenGraph data, used only where that data names "
            "this product or is the only product on the page."
        },
    )
    css = _selector("A CSS selector; its visible text is read, without struck-through parts.")
    attribute = fields.String(
        validate=[Length(min=1, max=100), Regexp(r"^[A-Za-z_][A-Za-z0-9_.:-]*$")],
        metadata={"description": "Read this attribute of the css matches instead of their text; value reads a form field's value."},
    )
    regex = _regex(
        "An RE2 regular expression over what was read, or alone over the page's (in a cart: the line's) visible text; "
        "the first group, or else the whole match, becomes the value."
    )

    @validates_schema(skip_on_field_errors=True)
    def _one_place(self, data: Mapping[str, Any], **_: Any) -> None:
        _checked(rules.check_source)(data)


class LineSourceSchema(SourceSchema):
    """A source within one line of the cart; css selectors start at the line and may match the line itself."""

    @validates_schema(skip_on_field_errors=True)
    def _not_structured(self, data: Mapping[str, Any], **_: Any) -> None:
        _checked(rules.check_line_source)(data)


class MarkerSchema(_Strict):
    """Something that tells what a page is; every part that is set must hold. A list holds when any of its markers does."""

    css = _selector("An element that is there and visible.")
    text = _text("Words in the css match, or anywhere in the visible text; upper and lower case are the same.")
    url = _regex("An RE2 regular expression searched in the page's final address.")
    status = _whole("The HTTP status of the page.", 100, 599)

    @validates_schema(skip_on_field_errors=True)
    def _says_something(self, data: Mapping[str, Any], **_: Any) -> None:
        _checked(rules.check_marker)(data)


class RefusalSchema(MarkerSchema):
    """A marker after the click that says why the shop does not sell."""

    code = fields.String(
        required=True, validate=OneOf(REFUSE_CODES), metadata={"description": "The task's end when this marker holds."}
    )


class AvailabilityRuleSchema(_Strict):
    """What words or an element mean; the rules are tried in their order and the first that holds decides."""

    contains = _text("Words in what the availability sources read; upper and lower case are the same.")
    css = _selector("An element that is there and visible.")
    means = fields.String(
        required=True,
        validate=OneOf([kind.value for kind in Availability]),
        metadata={"description": "What it means."},
    )

    @validates_schema(skip_on_field_errors=True)
    def _looks_at_one_thing(self, data: Mapping[str, Any], **_: Any) -> None:
        _checked(rules.check_availability_rule)(data)


def _sources(description: str, *, low: int = 0) -> fields.List[Any]:
    return _list(fields.Nested(SourceSchema), description, low=low, high=10)


def _line_sources(description: str) -> fields.List[Any]:
    return _list(fields.Nested(LineSourceSchema), description, low=1, high=10)


def _markers(description: str) -> fields.List[Any]:
    return _list(fields.Nested(MarkerSchema), description)


class ProductPageSchema(_Strict):
    """Where a product's page is and how to read it."""

    url = _text(
        "The page's address, absolute or relative to base_url, with {asin} once.",
        _checked(rules.check_product_address),
        longest=1000,
        required=True,
    )
    ready = _markers("The page is ready to read when any of these holds; without any, when it has loaded.")
    dismiss = _list(_selector("What to click."), "Clicks that remove banners; what is not there is passed over.", high=10)
    identity = _sources(
        "Where the page names the product: the first source that has a value must hold the ASIN. Without sources, the "
        "page's final address must hold it."
    )
    name = _sources("The product's name; the first source with a value counts.", low=1)
    brand = _sources("The product's brand; the first source with a value counts.")
    price = _sources("The price; the first source with a value counts and must be exactly one amount.", low=1)
    currency = _sources("The ISO 4217 code the page states; without a value it is the profile's currency.")
    availability = _sources("Whether it can be bought; what a person sees wins over structured data.")
    availability_rules = _list(
        fields.Nested(AvailabilityRuleSchema), "What the availability's words or elements mean, in order.", high=50
    )
    not_found = _markers("The shop does not have this product when any of these holds.")
    blocked = _markers("The shop shows a robot check when any of these holds; then nothing is read.")


class CartPageSchema(_Strict):
    """How to put a product into the cart and how to find it there."""

    add = _selector("The button on the product page.", required=True)
    confirm = _markers("The click has worked when any of these holds.")
    refuse = _list(fields.Nested(RefusalSchema), "Markers after the click that say why the shop does not sell.")
    url = _text(
        "The cart's address, absolute or relative to base_url.",
        _checked(rules.check_page_address),
        longest=1000,
        required=True,
    )
    line = _selector("One line of the cart; hidden matches are passed over.", required=True)
    identity = _line_sources("Where a line names its product: the first source that has a value must hold the ASIN.")
    quantity = _line_sources("The line's quantity: one whole number.")
    price = _line_sources("The line's price.")
    price_is = fields.String(
        validate=OneOf(["each", "line"]),
        metadata={"description": "Whether price is of one piece (each, the default) or of the whole line (line)."},
    )


class TimeoutsSchema(_Strict):
    """Limits in seconds."""

    start_s = _seconds("Starting the browser. Default 30.", 1, 120)
    page_load_s = _seconds("Loading a page. Default 30.", 1, 120)
    ready_s = _seconds("Waiting for a ready marker after loading. Default 10.", 0, 120)
    script_s = _seconds("Reading the page. Default 10.", 1, 60)
    confirm_s = _seconds("Waiting for a confirm or refuse marker after the click. Default 20.", 0, 120)
    view_task_s = _seconds("A whole view-product task. Default 90.", 5, 600)
    cart_task_s = _seconds("A whole add-to-cart task. Default 120.", 5, 600)

    @validates_schema(skip_on_field_errors=True)
    def _page_fits(self, data: Mapping[str, Any], **_: Any) -> None:
        _checked(rules.check_time_limits)(data)


class PaceSchema(_Strict):
    """How often the shop is visited."""

    gap_ms = _whole("Milliseconds between the starts of two visits. Default 5000.", 0, 3_600_000)
    concurrency = _whole("Visits at once over all workers. Default 1.", 1, 64)


class RetrySchema(_Strict):
    """How often a task is tried."""

    attempts = _whole("Tries of a task whose page failed. Default 3.", 1, 10)
    losses = _whole("Tries lost to a dead browser or worker. Default 2.", 0, 10)
    rate_limited = _whole("Times the shop may ask to slow down. Default 10.", 0, 50)
    backoff_s = fields.List(
        _seconds("Seconds.", 0, 3600),
        validate=Length(min=1, max=10),
        metadata={"description": "Seconds to wait before each further try; the last counts on. Default 10, 30, 90."},
    )


class ProfileSchema(_Strict):
    """A storefront profile: how to visit a shop that nobody programmed for."""

    base_url = _text(
        "The shop's address, http or https; product.url and cart.url may be relative to it.",
        _checked(rules.check_base_url),
        required=True,
    )
    allowed_hosts = _list(
        _text("host or host:port; without a port, that of base_url's scheme.", _checked(rules.check_host), longest=300),
        "Every host the browser may reach, base_url's own included: pages, scripts, pictures.",
        low=1,
        high=50,
    )
    locale = _text("The locale prices are written in, such as en_US.", _checked(rules.check_locale), longest=35, required=True)
    currency = fields.String(
        required=True,
        validate=[Regexp(r"^[A-Z]{3}$"), Length(equal=3), _checked(rules.check_currency)],
        metadata={"description": "The ISO 4217 code of the shop's prices."},
    )
    engine = fields.String(
        validate=OneOf(["shell", "chrome"]),
        metadata={"description": "shell (chrome-headless-shell, the default) or chrome (full Chrome, slower)."},
    )
    load_images = _Flag(metadata={"description": "Whether pictures are loaded. Default false."})
    page_bytes = _whole("The most bytes one page may load. Default 20000000.", 100_000, 200_000_000)
    product = fields.Nested(ProductPageSchema, required=True, metadata={"description": "The product page."})
    cart = fields.Nested(CartPageSchema, metadata={"description": "The cart; without it add-to-cart is refused."})
    timeouts = fields.Nested(TimeoutsSchema, metadata={"description": "Limits in seconds."})
    pace = fields.Nested(PaceSchema, metadata={"description": "How often the shop is visited."})
    retry = fields.Nested(RetrySchema, metadata={"description": "How often a task is tried."})

    @validates_schema(skip_on_field_errors=True)
    def _on_allowed_hosts(self, data: Mapping[str, Any], **_: Any) -> None:
        _checked(rules.check_addresses)(data)
