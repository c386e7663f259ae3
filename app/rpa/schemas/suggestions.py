"""What the API of suggested profiles takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields, validate

from app.core.fields import StrictSchema
from app.core.outgoing import MAX_URL
from app.rpa.schemas.storefronts import PROFILE
from app.rpa.schemas.trials import TrialSchema
from app.rpa.services.suggestions import MOST_URLS

_URLS: Final = ["https://www.kettles.example/dp/B0CW1A0001", "https://www.kettles.example/dp/B0CW1A0002"]
_PART: Final = {
    "pointer": "/product/price",
    "value": [{"structured": "price"}, {"css": "#price .now"}],
    "sure": 0.95,
    "reason": "the page's own data and what is drawn say the same",
    "works_on": [True, True],
}
_BUTTON: Final = {
    "pointer": "/cart/add",
    "value": "#add-to-cart",
    "sure": 0.9,
    "reason": "the button reads 'add to cart'",
    "works_on": [True, True],
}
_SUGGESTED: Final[dict[str, Any]] = {
    "storefront": {"code": "www-kettles-example", "name": "Kettles and more", "profile": PROFILE},
    "parts": [_PART],
    "cart": [_BUTTON],
    "read": [{"url": _URLS[0], "fields": {"price": {"value": "1199.00 USD", "source": "css #price .now"}}}],
}


class SuggestionIn(StrictSchema):
    """Product pages of one shop."""

    urls = fields.List(
        fields.String(validate=validate.Length(1, MAX_URL)),
        required=True,
        validate=validate.Length(1, MOST_URLS),
        metadata={
            "description": "One page, or better two of different products: what both have is what the shop does",
            "examples": [_URLS],
        },
    )


class SuggestionSchema(TrialSchema):
    """A profile that a worker proposes."""

    urls = fields.Function(
        lambda row: row.asks["urls"],
        metadata={
            "type": "array",
            "items": {"type": "string"},
            "description": "The pages",
            "examples": [_URLS],
        },
    )
    result = fields.Raw(
        allow_none=True,
        metadata={
            "type": "object",
            "description": "storefront: what POST /storefronts takes as it is. parts: each with how sure it is (0 to "
            "1), why, and on which of the pages it works. cart: the button and the cart's address, for which a profile "
            "needs more. read: what the profile reads on each page",
            "examples": [_SUGGESTED],
        },
    )
