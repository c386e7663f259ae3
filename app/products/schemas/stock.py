"""What the inventory's API takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from webargs.fields import DelimitedList

from app.core.api import ProblemSchema
from app.core.fields import Asin, Instant, PageArguments, StrictSchema, Text, page_of
from app.products.models.products import MAX_BRAND
from app.products.models.stock import MAX_QUANTITY, MovementKind
from app.products.services.stock import Shortfall

MAX_REASON: Final = 500
MAX_IDS: Final = 100
_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_ASIN = {"examples": ["B0CW1A0001"]}
_NAME = {"examples": ["Copper kettle, 1.7 l"]}
_ID = {"examples": [42]}
_ON_HAND = {"description": "What lies on the shelves, promised or not", "examples": [12]}
_ALLOCATED = {"description": "What of it is promised to orders", "examples": [3]}
_AVAILABLE = {"description": "on_hand less allocated", "examples": [9]}
_THRESHOLD = {"description": "At how much available the product is low; null: never", "examples": [10]}
_BY_HAND: Final = (MovementKind.RECEIVED, MovementKind.RETURNED, MovementKind.ADJUSTED)


def _quantity(**options: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(0, MAX_QUANTITY), **options)


class StockSchema(Schema):
    """The stock of a product."""

    product_id = fields.Integer(metadata=_ID)
    asin = fields.String(metadata=_ASIN)
    name = fields.String(metadata=_NAME)
    on_hand = fields.Integer(metadata=_ON_HAND)
    allocated = fields.Integer(metadata=_ALLOCATED)
    available = fields.Integer(metadata=_AVAILABLE)
    threshold = fields.Integer(data_key="low_stock_threshold", allow_none=True, metadata=_THRESHOLD)
    is_low = fields.Boolean(metadata={"description": "Whether available is at the threshold or below"})
    updated_at = Instant(metadata=_WHEN)


class StockChangeIn(StrictSchema):
    """A change of what is on hand: either ``delta``, or ``set_to`` with ``based_on``."""

    kind = fields.String(
        load_default=None,
        validate=validate.OneOf([kind.value for kind in _BY_HAND]),
        metadata={"description": "Needed with delta; with set_to it is adjusted"},
    )
    delta = fields.Integer(
        strict=True,
        validate=validate.Range(-MAX_QUANTITY, MAX_QUANTITY),
        metadata={
            "description": "By how much it changes; above 0 for received and returned, not 0 for adjusted. Not safe to "
            "repeat by itself: send an Idempotency-Key",
            "examples": [24],
        },
    )
    set_to = _quantity(metadata={"description": "What was counted", "examples": [10]})
    based_on = _quantity(
        metadata={"description": "on_hand as the person who counted saw it; 409 STOCK_CHANGED when it has changed"}
        | {"examples": [12]}
    )
    reason = Text(
        longest=MAX_REASON,
        load_default=None,
        allow_none=True,
        metadata={"description": "Needed for what is adjusted", "examples": ["Two were broken"]},
    )
    shortfall = fields.String(
        load_default=Shortfall.REFUSE,
        validate=validate.OneOf([each.value for each in Shortfall]),
        metadata={
            "description": "When less would be on hand than is promised: refuse (409 STOCK_ALLOCATED), or release what "
            "would be missing, taken away from those who were promised it last"
        },
    )

    @validates_schema
    def check_one(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what is neither a delta nor a count, or both."""
        is_delta, is_count = "delta" in data, "set_to" in data or "based_on" in data
        problems: dict[str, list[str]] = {}
        if is_delta and is_count:
            problems["delta"] = ["does not go together with set_to and based_on."]
        elif is_delta and data.get("kind") is None:
            problems["kind"] = ["is needed with delta."]
        elif not is_delta:
            for name in {"set_to", "based_on"} - set(data):
                problems[name] = ["Missing data for required field."]
            if data.get("kind") not in {None, MovementKind.ADJUSTED}:
                problems["kind"] = ["must be adjusted for a count."]
        if is_delta and data["delta"] == 0:
            problems["delta"] = ["must not be 0."]
        if (is_count or data.get("kind") == MovementKind.ADJUSTED) and not data.get("reason"):
            problems["reason"] = ["is needed for what is adjusted."]
        if problems:
            raise ValidationError(problems)


class ThresholdIn(StrictSchema):
    """When a product is low."""

    threshold = _quantity(data_key="low_stock_threshold", required=True, allow_none=True, metadata=_THRESHOLD)


class StockArguments(PageArguments):
    """Of which products."""

    product_id = DelimitedList(
        fields.Integer(validate=validate.Range(1, 2**63 - 1), metadata=_ID),
        validate=validate.Length(1, MAX_IDS),
        data_key="product_id",
        attribute="product_ids",
        metadata={"description": f"Ids with commas between, at most {MAX_IDS}", "examples": [[41, 42]]},
    )
    asin = Asin()
    brand = Text(longest=MAX_BRAND, metadata={"examples": ["Kettles & Co."]})
    category = fields.Integer(
        validate=validate.Range(1, 2**63 - 1),
        metadata={"description": "Id of a category; what is in those below it counts", "examples": [7]},
    )
    is_low = fields.Boolean()
    is_available = fields.Boolean()


class MovementSchema(Schema):
    """A row of a product's ledger."""

    id = fields.Integer(attribute="movement.id", metadata={"examples": [9001]})
    created_at = Instant(attribute="movement.created_at", metadata=_WHEN)
    kind = fields.String(attribute="movement.kind", validate=validate.OneOf([kind.value for kind in MovementKind]))
    on_hand_delta = fields.Integer(attribute="movement.on_hand_delta", metadata={"examples": [-2]})
    allocated_delta = fields.Integer(attribute="movement.allocated_delta", metadata={"examples": [0]})
    on_hand = fields.Integer(metadata={"description": "What was on hand after it", "examples": [10]})
    allocated = fields.Integer(metadata={"description": "What was allocated after it", "examples": [3]})
    reason = fields.String(attribute="movement.reason", allow_none=True, metadata={"examples": ["Two were broken"]})
    reference_kind = fields.String(
        attribute="movement.reference_kind", allow_none=True, metadata={"examples": ["order"]}
    )
    reference_id = fields.Integer(attribute="movement.reference_id", allow_none=True, metadata={"examples": [5]})
    operation_id = fields.Integer(attribute="movement.operation_id", allow_none=True, metadata={"examples": [3]})
    actor_kind = fields.String(attribute="movement.actor_kind", metadata={"examples": ["user"]})
    actor_id = fields.Integer(attribute="movement.actor_id", allow_none=True, metadata={"examples": [7]})
    request_id = fields.String(
        attribute="movement.request_id", allow_none=True, metadata={"examples": ["4f0c2a9be15d7c31"]}
    )


class StockNumbersSchema(Schema):
    """The present numbers of a product."""

    product_id = fields.Integer(metadata=_ID)
    on_hand = fields.Integer(metadata=_ON_HAND)
    allocated = fields.Integer(metadata=_ALLOCATED)
    available = fields.Integer(metadata=_AVAILABLE)


class AllocationSchema(Schema):
    """Who holds some of the product."""

    reference_kind = fields.String(metadata={"examples": ["order"]})
    reference_id = fields.Integer(metadata={"examples": [5]})
    label = fields.String(metadata={"description": "What people call it", "examples": ["Order 1005"]})
    quantity = fields.Integer(metadata={"examples": [2]})


class StockProblemSchema(ProblemSchema):
    """A refusal with the numbers that it is because of."""

    stock = fields.Nested(StockNumbersSchema)
    shortfall = fields.Integer(
        metadata={"description": "With STOCK_ALLOCATED: how much would be missing", "examples": [2]}
    )
    allocations = fields.List(
        fields.Nested(AllocationSchema),
        metadata={"description": "With STOCK_ALLOCATED: who holds it, the newest first, at most 20"},
    )


StockPage = page_of(StockSchema)
MovementPage = page_of(MovementSchema)
