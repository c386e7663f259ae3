"""What the jobs' API takes and gives, single errands included."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.core.fields import Asin, Instant, PageArguments, StrictSchema, Text, page_of
from app.products.schemas.bulk import BulkFilterIn
from app.products.schemas.kinds import Flag
from app.rpa.models.jobs import BATCH, INTERACTIVE, Action, JobState, Priority
from app.rpa.queries.jobs import outcomes
from app.rpa.rules.planning import LONGEST
from app.rpa.rules.readings import MAX_QUANTITY
from app.rpa.schemas.estimates import ESTIMATED, REPORT_SHOWN, WAITS, EstimateSchema, WaitSchema
from app.rpa.schemas.options import Options, require_cart_for_options
from app.rpa.services.choosing import MAX_TASKS

MAX_TEXT: Final = 1000
MAX_CONCURRENCY: Final = 1000
MIN_DEADLINE_S: Final = 60
MAX_DEADLINE_S: Final = int(LONGEST.total_seconds())
_ACTIONS = [action.value for action in Action]
_PRIORITIES = [priority.value for priority in Priority]
_CONCURRENCY = {
    "description": "At most so many of its tasks at once; null: as many as the storefront takes", "examples": [4]
}  # fmt: skip
PIECES = {
    "description": "Pieces to put into the cart; more than 10 need a storefront whose profile names a quantity_field",
    "examples": [1],
}
_FITTING = {"category": 7, "in_stock": True}
SHOP_CODE = {"description": "Its code", "examples": ["my-shop"]}
JOB_NAME = {"examples": ["Prices of this morning"]}
_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_LATER = {"examples": ["2026-11-21T10:04:30.000000Z"]}
_LIMIT = {"examples": ["2026-11-22T10:00:00.000000Z"]}
_SCHEDULE = {"description": "The schedule that submitted it", "examples": [3]}
JOB_IN = {
    "action": "view-product",
    "storefront": "my-shop",
    "name": "Prices of this morning",
    "asins": ["B0CW1A0001", "B0CW1A0002"],
}


class Asins(fields.List[Any]):
    """A list of ASINs as people have them; which of them are none is said in the answer."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(fields.String(), validate=validate.Length(1, MAX_TASKS), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, list) and all(type(each) is str and len(each) <= MAX_TEXT for each in value):
            return value  # one field after the other would take a second for 100,000
        if isinstance(value, list) and any(isinstance(each, str) and len(each) > MAX_TEXT for each in value):
            raise ValidationError(f"must have no text longer than {MAX_TEXT} characters.")
        return super()._deserialize(value, attr, data, **kwargs)


def require_cart_for_quantity(data: dict[str, Any]) -> None:
    """Raise ValidationError for a number of pieces where nothing is put into a cart."""
    if data.get("action") == Action.VIEW_PRODUCT and data.get("quantity", 1) != 1:
        raise ValidationError("belongs to add-to-cart.", "quantity")
    require_cart_for_options(data)


def _quantity() -> fields.Integer:
    return fields.Integer(strict=True, load_default=1, validate=validate.Range(1, MAX_QUANTITY), metadata=PIECES)


def deadline_field() -> fields.Integer:
    return fields.Integer(
        strict=True,
        validate=validate.Range(MIN_DEADLINE_S, MAX_DEADLINE_S),
        metadata={
            "description": "Seconds from now; what has not started by then is skipped. By itself a day, or half as "
            "long again as the job takes at the storefront's pace",
            "examples": [21600],
        },
    )


class ProductFilter(BulkFilterIn):
    """Which products of the master a job is over; only active ones unless it says otherwise."""

    is_active = Flag(load_default=True)


class HowIn(StrictSchema):
    """How a job is to run."""

    priority = fields.String(
        validate=validate.OneOf(_PRIORITIES),
        metadata={"description": "Its share beside other jobs: low 1, normal 3, high 9", "examples": ["normal"]},
    )
    concurrency = fields.Integer(
        strict=True, allow_none=True, validate=validate.Range(1, MAX_CONCURRENCY), metadata=_CONCURRENCY
    )


class JobIn(HowIn):
    """A job: one errand for many products on one storefront.

    Which products is said by exactly one of ``asins``, ``products`` (a filter) and ``product_filter_id`` (a saved one).
    """

    action = fields.String(required=True, validate=validate.OneOf(_ACTIONS))
    storefront = fields.String(required=True, validate=validate.Length(1, 64), metadata=SHOP_CODE)
    name = Text(longest=255, required=True, metadata=JOB_NAME)
    asins = Asins(metadata={"examples": [JOB_IN["asins"]]})
    products = fields.Nested(
        ProductFilter,
        metadata={"description": "All that fit now; category takes those below it as well", "examples": [_FITTING]},
    )
    product_filter_id = fields.Integer(
        strict=True,
        validate=validate.Range(1, 2**63 - 1),
        metadata={"description": "A saved filter; all that fit now", "examples": [3]},
    )
    quantity = _quantity()
    options = Options()
    deadline_s = deadline_field()

    @validates_schema
    def one_selection(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a job over several selections or none."""
        if sum(name in data for name in ("asins", "products", "product_filter_id")) != 1:
            raise ValidationError("name one of asins, products and product_filter_id.", "asins")

    @validates_schema
    def quantity_of_a_cart(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a number of pieces where nothing is put into a cart."""
        require_cart_for_quantity(data)


class ErrandIn(StrictSchema):
    """One errand for one product."""

    asin = Asin(required=True)
    storefront = fields.String(required=True, validate=validate.Length(1, 64), metadata=SHOP_CODE)


class CartErrandIn(ErrandIn):
    """One product to put into a cart."""

    quantity = _quantity()
    options = Options()


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
    name = fields.String(metadata=JOB_NAME)
    action = fields.String(metadata={"examples": ["view-product"]})
    storefront = fields.String(attribute="storefront.code", metadata={"examples": ["my-shop"]})
    lane = fields.String(metadata={"examples": ["batch"]})
    state = fields.String(
        validate=validate.OneOf([state.value for state in JobState]), metadata={"examples": ["RUNNING"]}
    )
    schedule_id = fields.Integer(allow_none=True, metadata=_SCHEDULE)
    quantity = fields.Integer(metadata=PIECES)
    options = Options(allow_none=True)
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
    changed_count = fields.Integer(
        metadata={"description": "Products that showed something else than the storefront did before", "examples": [1]}
    )
    report = fields.Raw(metadata=REPORT_SHOWN)
    over = fields.Raw(
        allow_none=True,
        metadata={
            "type": "object",
            "description": "What it is over: products, product_filter_id, how many asins, a file, or what it retries",
            "examples": [{"products": _FITTING}],
        },
    )
    parent_id = fields.Integer(
        allow_none=True, metadata={"description": "The job that it retries or clones", "examples": [4]}
    )
    priority = fields.String(validate=validate.OneOf(_PRIORITIES), metadata={"examples": ["normal"]})
    concurrency = fields.Integer(allow_none=True, metadata=_CONCURRENCY)
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    prepared_count = fields.Integer(metadata={"description": "Tasks that have been made", "examples": [2]})
    paused_at = Instant(allow_none=True, metadata={"examples": [None, *_WHEN["examples"]]})
    paused_by = fields.String(allow_none=True, metadata={"examples": [None, "user:7"]})
    waits = fields.Nested(
        WaitSchema,
        allow_none=True,
        metadata={"description": "Why nothing of it runs; null: something does", "examples": [None, WAITS]},
    )
    estimate = fields.Nested(
        EstimateSchema,
        allow_none=True,
        metadata={
            "description": "Of what is left of an open job; null in lists and after its end",
            "examples": [None, ESTIMATED],
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
