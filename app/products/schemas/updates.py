"""What the API of the update history takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.core.fields import Asin, Instant, PageArguments, StrictSchema, page_of
from app.products.changes import ATTRIBUTES, DELETED, THRESHOLD
from app.products.models.products import Source

_SEEN_BY_THE_FARM: Final = ("availability",)
_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_ACTORS: Final = ("user", "key", "system", "job")
MAX_ID: Final = 2**63 - 1


def _number(example: int, **metadata: Any) -> fields.Integer:
    return fields.Integer(validate=validate.Range(1, MAX_ID), metadata={"examples": [example], **metadata})


class ProductUpdateSchema(Schema):
    """One attribute that changed in the product master, or that the farm saw changed on a storefront."""

    id = fields.Integer(metadata={"examples": [1001]})
    product_id = fields.Integer(metadata={"examples": [42]})
    asin = fields.String(metadata={"description": "What it was then", "examples": ["B0CW1A0001"]})
    attribute = fields.String(metadata={"examples": ["price"]})
    previous_attribute = fields.String(
        allow_none=True,
        metadata={
            "description": "As text: a price as `1299.90 USD`, `true`, `false`, lists and objects as JSON; or null",
            "examples": ["1299.90 USD"],
        },
    )
    current_attribute = fields.String(allow_none=True, metadata={"examples": ["1199.00 USD"]})
    source = fields.String(validate=validate.OneOf([source.value for source in Source]))
    storefront_id = fields.Integer(allow_none=True, metadata={"examples": [1]})
    job_id = fields.Integer(allow_none=True, metadata={"examples": [5]})
    task_id = fields.Integer(allow_none=True, metadata={"examples": [73]})
    operation_id = fields.Integer(
        allow_none=True, metadata={"description": "The import, bulk action or undo it was part of", "examples": [12]}
    )
    reverts_id = fields.Integer(
        allow_none=True, metadata={"description": "The row of the history that it took back", "examples": [998]}
    )
    observed_id = fields.Integer(
        allow_none=True,
        metadata={
            "description": "Of a change of the product by the farm: the row that says where it was seen",
            "examples": [None, 1000],
        },
    )
    is_flapping = fields.Boolean(metadata={"description": "Seen by the farm: a value that goes back and forth"})
    actor_kind = fields.String(metadata={"examples": ["user"]})
    actor_id = fields.Integer(allow_none=True, metadata={"examples": [7]})
    request_id = fields.String(allow_none=True, metadata={"examples": ["4f0c2a9be15d7c31"]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class _Which(StrictSchema):
    """Which changes, wherever they are listed."""

    product_id = _number(42)
    asin = Asin()
    attribute = fields.String(validate=validate.OneOf([*ATTRIBUTES, THRESHOLD, DELETED, *_SEEN_BY_THE_FARM]))
    source = fields.String(validate=validate.OneOf([source.value for source in Source]))
    storefront_id = _number(1)
    job_id = _number(5)
    operation_id = _number(12)
    actor_kind = fields.String(validate=validate.OneOf(_ACTORS))
    actor_id = _number(7, description="Goes with actor_kind")
    since = Instant(metadata={"description": "Made at this instant or later", **_WHEN})
    until = Instant(metadata={"description": "Made before this instant", **_WHEN})

    @validates_schema
    def check_actor(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a number of somebody without saying what kind of somebody it is."""
        if "actor_id" in data and "actor_kind" not in data:
            raise ValidationError("needs actor_kind as well.", "actor_id")


class UpdateArguments(_Which, PageArguments):
    """Which changes, newest first."""


class FeedArguments(_Which):
    """Which changes, from where on."""

    after_id = fields.Integer(
        load_default=0,
        validate=validate.Range(0, MAX_ID),
        metadata={"description": "next_after_id of the answer before; 0 begins at the beginning", "examples": [1001]},
    )
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 100), metadata={"description": "Rows at most"})


ProductUpdatePage = page_of(ProductUpdateSchema)


class ProductUpdateFeed(Schema):
    """The changes that follow, in their order."""

    items = fields.List(fields.Nested(ProductUpdateSchema))
    next_after_id = fields.Integer(
        metadata={"description": "Send it as after_id to go on, also when there were no items", "examples": [1001]}
    )
    is_end = fields.Boolean(metadata={"description": "Whether nothing more has happened yet; ask again later"})
