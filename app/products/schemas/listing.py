"""What a list of products may be asked for."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from app.core.fields import Asin, PageArguments, Text
from app.core.money import MAX_MINOR, Money, MoneyError
from app.core.running import settings
from app.products.models.products import MAX_BRAND
from app.products.queries.walks import LOOK_AT, SORTS
from app.products.schemas.kinds import Gtin

_CURSOR: Final = (
    f"next_cursor of the page before. Where few products fit, a page ends after looking at {sum(LOOK_AT):,}: it may "
    "have fewer products than the limit, even none, and still a next_cursor to go on with"
)
MAX_QUERY: Final = 200
_MAX_CURSOR: Final = 4000
"""One of the order by name holds a name."""
_SORTS: Final = [*SORTS, *(f"-{name}" for name in SORTS)]


class Amount(fields.Field[int]):
    """An amount of the shop's money; loaded, it is whole minor units."""

    def __init__(self, said: str, example: str) -> None:
        super().__init__(metadata={"type": "string", "description": said, "examples": [example]})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        try:
            return Money.parse(str(value), settings().currency).minor
        except MoneyError as error:
            raise ValidationError(str(error)) from error


class ProductArguments(PageArguments):
    """Which products, in which order."""

    cursor = fields.String(
        load_default=None,
        validate=validate.Length(max=_MAX_CURSOR),
        metadata={"description": _CURSOR, "examples": ["WzI4NTM4NzE2MDQsNDJd"]},
    )
    q = Text(
        longest=MAX_QUERY,
        metadata={
            "description": "What people type: an ASIN or GTIN or the beginning of one, or words of name and brand, the "
            "last one also unfinished; the best hits come first",
            "examples": ["copper kettle"],
        },
    )
    sort = fields.String(
        validate=validate.OneOf(_SORTS),
        metadata={
            "description": "`-` before it turns it round; `created` by itself, with q the best first",
            "examples": ["-price"],
        },
    )
    brand = Text(longest=MAX_BRAND, metadata={"examples": ["Kettles & Co."]})
    category = fields.Integer(
        validate=validate.Range(1, 2**63 - 1),
        metadata={"description": "The id of a category: products in it or in one below it", "examples": [7]},
    )
    price_min = Amount("Not cheaper than this", "10.00")
    price_max = Amount("Not dearer than this", "99.90")
    in_stock = fields.Boolean(metadata={"description": "Whether there is stock that nobody was promised"})
    is_active = fields.Boolean()
    asin = Asin()
    gtin = Gtin()

    @validates_schema
    def check_range(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a range of prices that nothing can be in."""
        if data.get("price_min", 0) > data.get("price_max", MAX_MINOR):
            raise ValidationError({"price_min": ["must not be above price_max."]})
