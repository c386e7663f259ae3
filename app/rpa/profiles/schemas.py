"""The storefront profile as a document: what it may hold, with the descriptions that its JSON Schema publishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import fields, validates_schema
from marshmallow.validate import Length, OneOf, Regexp

from app.rpa.profiles import rules
from app.rpa.profiles.cart_schemas import CartPageSchema
from app.rpa.profiles.fields import Flag, bounded, checked, reading_selector, seconds, selector, short_text, whole
from app.rpa.profiles.parts import SourceSchema, StrictPart, markers
from app.rpa.rules.readings import Availability


class AvailabilityRuleSchema(StrictPart):
    """What words or an element mean; the rules are tried in their order and the first that holds decides."""

    contains = short_text("Words in what the availability sources read; upper and lower case are the same.", "sold out")
    css = reading_selector("An element that is there and visible; >>> leads into shadow roots and frames.")
    means = fields.String(
        required=True,
        validate=OneOf([kind.value for kind in Availability]),
        metadata={"description": "What it means."},
    )

    @validates_schema(skip_on_field_errors=True)
    def _looks_at_one_thing(self, data: Mapping[str, Any], **_: Any) -> None:
        checked(rules.check_availability_rule)(data)


def _sources(description: str, *, low: int = 0) -> fields.List[Any]:
    return bounded(fields.Nested(SourceSchema), description, low=low, high=10)


class ProductPageSchema(StrictPart):
    """Where a product's page is and how to read it."""

    url = short_text(
        "The page's address, absolute or relative to base_url, with {asin} once.",
        "/dp/{asin}",
        checked(rules.check_product_address),
        longest=1000,
        required=True,
    )
    ready = markers("The page is ready to read when any of these holds; without any, when it has loaded.")
    dismiss = bounded(
        selector("What to click.", "#cookie-banner button.accept"),
        "Clicks that remove banners; what is not there is skipped.",
        high=10,
    )
    identity = _sources(
        "Where the page names the product: the first source that has a value must hold the ASIN. Without sources, the "
        "page's final address must hold it."
    )
    name = _sources("The product's name; the first source with a value counts.", low=1)
    brand = _sources("The product's brand; the first source with a value counts.")
    price = _sources("The price; the first source with a value counts and must be exactly one amount.", low=1)
    currency = _sources("The ISO 4217 code the page states; without a value it is the profile's currency.")
    availability = _sources("Whether it can be bought; what a person sees wins over structured data.")
    availability_rules = bounded(
        fields.Nested(AvailabilityRuleSchema), "What the availability's words or elements mean, in order.", high=50
    )
    not_found = markers("The shop does not have this product when any of these holds.")
    blocked = markers("The shop shows a robot check when any of these holds; then nothing is read.")


class TimeoutsSchema(StrictPart):
    """Limits in seconds."""

    start_s = seconds("Starting the browser. Default 30.", 1, 120, 30)
    page_load_s = seconds("Loading a page. Default 30.", 1, 120, 30)
    ready_s = seconds("Waiting for a ready marker after loading. Default 10.", 0, 120, 10)
    script_s = seconds("Reading the page. Default 10.", 1, 60, 10)
    confirm_s = seconds("Waiting for a confirm or refuse marker after the click. Default 20.", 0, 120, 20)
    view_task_s = seconds("A whole view-product task. Default 90.", 5, 600, 90)
    cart_task_s = seconds("A whole add-to-cart task. Default 120.", 5, 600, 120)

    @validates_schema(skip_on_field_errors=True)
    def _page_fits(self, data: Mapping[str, Any], **_: Any) -> None:
        checked(rules.check_time_limits)(data)


class PaceSchema(StrictPart):
    """How often the shop is visited."""

    gap_ms = whole("Milliseconds between the starts of two visits. Default 5000.", 0, 3_600_000, 5000)
    concurrency = whole("Visits at once over all workers. Default 1.", 1, 64, 1)


class RetrySchema(StrictPart):
    """How often a task is tried."""

    attempts = whole("Tries of a task whose page failed. Default 3.", 1, 10, 3)
    losses = whole("Tries lost to a dead browser or worker. Default 2.", 0, 10, 2)
    rate_limited = whole("Times the shop may ask to slow down. Default 10.", 0, 50, 10)
    backoff_s = fields.List(
        seconds("Seconds.", 0, 3600, 10),
        validate=Length(min=1, max=10),
        metadata={
            "description": "Seconds to wait before each further try; the last counts on. Default 10, 30, 90.",
            "examples": [[10, 30, 90]],
        },
    )


class ProfileSchema(StrictPart):
    """A storefront profile: how to visit a shop that nobody programmed for."""

    base_url = short_text(
        "The shop's address, http or https; product.url and cart.url may be relative to it.",
        "https://www.kettles.example/",
        checked(rules.check_base_url),
        required=True,
    )
    allowed_hosts = bounded(
        short_text(
            "host or host:port; without a port, that of base_url's scheme.",
            "www.kettles.example",
            checked(rules.check_host),
            longest=300,
        ),
        "Every host the browser may reach, base_url's own included: pages, scripts, pictures.",
        low=1,
        high=50,
    )
    locale = short_text(
        "The locale prices are written in, such as en_US.",
        "en_US",
        checked(rules.check_locale),
        longest=35,
        required=True,
    )
    currency = fields.String(
        required=True,
        validate=[Regexp(r"^[A-Z]{3}$"), Length(equal=3), checked(rules.check_currency)],
        metadata={"description": "The ISO 4217 code of the shop's prices.", "examples": ["USD"]},
    )
    engine = fields.String(
        validate=OneOf(["shell", "chrome"]),
        metadata={"description": "shell (chrome-headless-shell, the default) or chrome (full Chrome, slower)."},
    )
    frames = fields.String(
        validate=OneOf(["on_demand", "always"]),
        metadata={
            "description": "Whether the shell draws product pages all the time (always) or for pictures only "
            "(on_demand, the default); scripts, lazy content and animations run either way."
        },
    )
    load_images = Flag(metadata={"description": "Whether pictures are loaded. Default false."})
    page_bytes = whole("The most bytes one page may load. Default 20000000.", 100_000, 200_000_000, 20_000_000)
    product = fields.Nested(ProductPageSchema, required=True, metadata={"description": "The product page."})
    cart = fields.Nested(CartPageSchema, metadata={"description": "The cart; without it add-to-cart is refused."})
    timeouts = fields.Nested(TimeoutsSchema, metadata={"description": "Limits in seconds."})
    pace = fields.Nested(PaceSchema, metadata={"description": "How often the shop is visited."})
    retry = fields.Nested(RetrySchema, metadata={"description": "How often a task is tried."})

    @validates_schema(skip_on_field_errors=True)
    def _on_allowed_hosts(self, data: Mapping[str, Any], **_: Any) -> None:
        checked(rules.check_addresses)(data)
