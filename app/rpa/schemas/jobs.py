"""What the jobs' API takes and gives, single errands included."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.core.fields import Asin, Instant, PageArguments, StrictSchema, Text, page_of
from app.rpa.models.jobs import BATCH, INTERACTIVE, Action, JobState
from app.rpa.queries.jobs import outcomes
from app.rpa.readings import MAX_QUANTITY
from app.rpa.services.jobs import MAX_TASKS

_ACTIONS = [action.value for action in Action]
_SHOP_CODE = {"description": "Its code", "examples": ["my-shop"]}
_JOB_NAME = {"examples": ["Prices of this morning"]}
_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_LATER = {"examples": ["2026-11-21T10:04:30.000000Z"]}
_LIMIT = {"examples": ["2026-11-22T10:00:00.000000Z"]}
_SCHEDULE = {"description": "The schedule that submitted it", "examples": [3]}
_NONE: dict[str, Any] = {"count": 0, "asins": []}
_REPORT = {"duplicates": {"count": 1, "asins": ["B0CW1A0001"]}, "malformed": _NONE, "unknown": _NONE}
JOB_IN = {
    "action": "view-product",
    "storefront": "my-shop",
    "name": "Prices of this morning",
    "asins": ["B0CW1A0001", "B0CW1A0002"],
}


def _quantity() -> fields.Integer:
    metadata = {"description": "Pieces to put into the cart", "examples": [1]}
    return fields.Integer(strict=True, load_default=1, validate=validate.Range(1, MAX_QUANTITY), metadata=metadata)


class ProductFilter(StrictSchema):
    """Which products of the master a job is over."""

    brand = fields.String(validate=validate.Length(1, 255), metadata={"examples": ["Kettles & Co."]})
    is_active = fields.Boolean(truthy={True}, falsy={False}, load_default=True)


class JobIn(StrictSchema):
    """A job: one errand for many products on one storefront; name ``asins`` or a filter of ``products``."""

    action = fields.String(required=True, validate=validate.OneOf(_ACTIONS))
    storefront = fields.String(required=True, validate=validate.Length(1, 64), metadata=_SHOP_CODE)
    name = Text(longest=255, required=True, metadata=_JOB_NAME)
    asins = fields.List(
        fields.String(validate=validate.Length(max=1000)),
        validate=validate.Length(1, MAX_TASKS),
        metadata={"examples": [JOB_IN["asins"]]},
    )
    products = fields.Nested(ProductFilter)
    quantity = _quantity()

    @validates_schema
    def one_selection(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a job over both or neither."""
        if ("asins" in data) == ("products" in data):
            raise ValidationError("name either asins or products.", "asins")

    @validates_schema
    def quantity_of_a_cart(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a number of pieces where nothing is put into a cart."""
        if data.get("action") == Action.VIEW_PRODUCT and data.get("quantity", 1) != 1:
            raise ValidationError("belongs to add-to-cart.", "quantity")


class ErrandIn(StrictSchema):
    """One errand for one product."""

    asin = Asin(required=True)
    storefront = fields.String(required=True, validate=validate.Length(1, 64), metadata=_SHOP_CODE)


class CartErrandIn(ErrandIn):
    """One product to put into a cart."""

    quantity = _quantity()


class WaitArguments(StrictSchema):
    """How long to wait for the result."""

    wait = fields.Float(
        load_default=0,
        validate=validate.Range(0, 30),
        metadata={
            "description": "Seconds to wait for the result; 202 with a Location when it is not there by then. "
            "A repeat with the same Idempotency-Key gets the 202 of the task that was started."
        },
    )


class JobArguments(PageArguments):
    """Which jobs to list."""

    state = fields.String(load_default=None, validate=validate.OneOf([state.value for state in JobState]))
    storefront = fields.String(load_default=None, validate=validate.Length(max=64))
    lane = fields.String(load_default=None, validate=validate.OneOf([BATCH, INTERACTIVE]))
    schedule_id = fields.Integer(load_default=None, validate=validate.Range(1, 2**63 - 1), metadata=_SCHEDULE)


class JobSchema(Schema):
    """A job and how far it is."""

    id = fields.Integer(metadata={"examples": [5]})
    name = fields.String(metadata=_JOB_NAME)
    action = fields.String(metadata={"examples": ["view-product"]})
    storefront = fields.String(attribute="storefront.code", metadata={"examples": ["my-shop"]})
    lane = fields.String(metadata={"examples": ["batch"]})
    state = fields.String(
        validate=validate.OneOf([state.value for state in JobState]), metadata={"examples": ["RUNNING"]}
    )
    schedule_id = fields.Integer(allow_none=True, metadata=_SCHEDULE)
    total_count = fields.Integer(metadata={"examples": [2]})
    current_count = fields.Integer(metadata={"description": "Tasks that have ended", "examples": [1]})
    outcomes = fields.Function(
        outcomes,
        metadata={
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "Ended tasks by how they ended",
            "examples": [{"SUCCEEDED": 1, "REFUSED": 0, "FAILED": 0, "SKIPPED": 0, "CANCELLED": 0}],
        },
    )
    report = fields.Raw(
        metadata={
            "type": "object",
            "description": "Duplicated, malformed and unknown ASINs that were merged or left out",
            "examples": [_REPORT],
        },
    )
    rate_per_minute = fields.Float(allow_none=True, metadata={"examples": [12.0]})
    seconds_left = fields.Integer(allow_none=True, metadata={"examples": [5]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_LATER)
    started_at = Instant(allow_none=True, metadata=_WHEN)
    finished_at = Instant(allow_none=True, metadata={"examples": [None, *_LATER["examples"]]})
    deadline_at = Instant(metadata=_LIMIT)


JobPage = page_of(JobSchema)
