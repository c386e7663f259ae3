"""What the API of saved filters takes and gives."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields

from app.core.fields import Instant, Json, StrictSchema, Text, page_of
from app.products.schemas.bulk import BulkFilterIn

_NAME: Final = {"examples": ["Kettles in stock"]}
_SHOWN: Final = {"category": 7, "in_stock": True}
_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}


class SavedFilterIn(StrictSchema):
    """A filter of products and the name that it is kept under."""

    name = Text(longest=120, required=True, metadata=_NAME)
    filter = fields.Nested(
        BulkFilterIn,
        data_key="filter",
        attribute="which",
        required=True,
        metadata={"description": "As in the list of products; {} is all products", "examples": [_SHOWN]},
    )


class SavedFilterSchema(Schema):
    """A filter of products that is kept under a name."""

    id = fields.Integer(metadata={"examples": [3]})
    name = fields.String(metadata=_NAME)
    filter = Json(attribute="which", metadata={"type": "object", "examples": [_SHOWN]})
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


SavedFilterPage = page_of(SavedFilterSchema)
