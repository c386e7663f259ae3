"""What the farm's API takes and gives."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.core.fields import Asin, Instant, PageArguments, StrictSchema, Text, page_of, utc_text
from app.rpa.codes import RULES, Code
from app.rpa.models import BATCH, ENDS, INTERACTIVE, Action, JobState, TaskState
from app.rpa.profile_schemas import ProfileSchema
from app.rpa.queries import outcomes
from app.rpa.readings import MAX_QUANTITY
from app.rpa.services.jobs import MAX_TASKS

_ACTIONS = [action.value for action in Action]
_SHOP_CODE = {"description": "Its code", "examples": ["my-shop"]}
_SHOP_NAME = {"examples": ["Kettles and more"]}
_JOB_NAME = {"examples": ["Prices of this morning"]}
_ASIN = {"examples": ["B0CW1A0001"]}
_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_LATER = {"examples": ["2026-11-21T10:04:30.000000Z"]}
_LIMIT = {"examples": ["2026-11-22T10:00:00.000000Z"]}
_ENDED = {"examples": ["SUCCEEDED"]}
_WHY = {"examples": [None, "OUT_OF_STOCK"]}
_DETAIL = {"examples": [None, "The shop says: sold out"]}
_PROFILE: dict[str, Any] = {
    "base_url": "https://www.kettles.example/",
    "allowed_hosts": ["www.kettles.example"],
    "locale": "en_US",
    "currency": "USD",
    "product": {
        "url": "/dp/{asin}",
        "name": [{"structured": "name"}, {"css": "h1"}],
        "price": [{"structured": "price"}, {"css": "#price .now"}],
    },
}
_NONE: dict[str, Any] = {"count": 0, "asins": []}
_REPORT = {"duplicates": {"count": 1, "asins": ["B0CW1A0001"]}, "malformed": _NONE, "unknown": _NONE}
_RESULT: dict[str, Any] = {
    "name": {"value": "Copper kettle, 1.7 l", "source": "structured:name", "raw": "Copper kettle, 1.7 l"},
    "brand": None,
    "price": {"value": "1199.00 USD", "source": "css:#price .now", "raw": "$1,199.00"},
    "availability": {"value": "IN_STOCK", "source": "css:#stock", "raw": "In stock"},
    "conflicts": [],
}
_FACTS = {
    "final_url": "https://www.kettles.example/dp/B0CW1A0001",
    "http_status": 200,
    "timings_ms": {"navigate": 412, "extract": 35},
    "browser": "150.0.7100.0",
    "raw": {"price": "$1,199.00"},
}
JOB_IN = {
    "action": "view-product",
    "storefront": "my-shop",
    "name": "Prices of this morning",
    "asins": ["B0CW1A0001", "B0CW1A0002"],
}

_CODE = validate.Regexp(
    r"^[a-z0-9][a-z0-9-]{0,63}$", error="must be lower-case letters, digits and hyphens, at most 64."
)


def _quantity() -> fields.Integer:
    metadata = {"description": "Pieces to put into the cart", "examples": [1]}
    return fields.Integer(strict=True, load_default=1, validate=validate.Range(1, MAX_QUANTITY), metadata=metadata)


class StorefrontChange(StrictSchema):
    """A storefront's name and profile."""

    name = Text(longest=255, required=True, metadata=_SHOP_NAME)
    profile = fields.Nested(ProfileSchema, required=True, metadata={"examples": [_PROFILE]})
    is_active = fields.Boolean(load_default=True, truthy={True}, falsy={False})


class StorefrontIn(StorefrontChange):
    """A new storefront."""

    code = fields.String(
        required=True, validate=_CODE, metadata={"description": "Short name that jobs use", "examples": ["my-shop"]}
    )


class StorefrontSchema(Schema):
    """A shop that the farm visits."""

    id = fields.Integer(metadata={"examples": [1]})
    code = fields.String(metadata={"examples": ["my-shop"]})
    name = fields.String(metadata=_SHOP_NAME)
    is_active = fields.Boolean()
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    profile = fields.Raw(
        metadata={
            "type": "object",
            "description": "The profile as it was sent; see the schema Profile",
            "examples": [_PROFILE],
        }
    )
    paused_until = Instant(allow_none=True, metadata=_LATER | {"description": "The shop asked us to wait until then"})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


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


class TaskArguments(PageArguments):
    """Which tasks of a job to list."""

    state = fields.String(load_default=None, validate=validate.OneOf([state.value for state in TaskState]))
    code = fields.String(load_default=None, validate=validate.OneOf([code.value for code in Code]))


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


class TaskSchema(Schema):
    """One errand for one product."""

    id = fields.Integer(metadata={"examples": [73]})
    job_id = fields.Integer(metadata={"examples": [5]})
    asin = fields.String(metadata=_ASIN)
    product_id = fields.Integer(metadata={"examples": [42]})
    state = fields.String(validate=validate.OneOf([state.value for state in TaskState]), metadata=_ENDED)
    code = fields.String(allow_none=True, validate=validate.OneOf([code.value for code in Code]), metadata=_WHY)
    detail = fields.String(allow_none=True, metadata=_DETAIL)
    advice = fields.Function(
        lambda task: RULES[Code(task.code)].advice if task.code else None,
        metadata={
            "type": ["string", "null"],
            "description": "What to do about the code",
            "examples": [None, RULES[Code.OUT_OF_STOCK].advice],
        },
    )
    attempt_count = fields.Integer(metadata={"examples": [1]})
    result = fields.Raw(
        allow_none=True,
        metadata={"type": "object", "description": "What was read, with its sources", "examples": [_RESULT]},
    )
    not_before = fields.Function(
        lambda task: None if task.state in ENDS else utc_text(task.not_before),
        metadata={
            "type": ["string", "null"],
            "format": "date-time",
            "description": "An open task does not start before",
            "examples": [None, *_WHEN["examples"]],
        },
    )
    created_at = Instant(metadata=_WHEN)
    finished_at = Instant(allow_none=True, metadata=_LATER)


class AttemptSchema(Schema):
    """One visit of a task."""

    number = fields.Integer(metadata={"examples": [1]})
    started_at = Instant(metadata=_WHEN)
    ended_at = Instant(allow_none=True, metadata=_LATER)
    outcome = fields.String(allow_none=True, metadata=_ENDED)
    code = fields.String(allow_none=True, metadata=_WHY)
    detail = fields.String(allow_none=True, metadata=_DETAIL)
    facts = fields.Raw(
        allow_none=True,
        metadata={
            "type": "object",
            "description": "Final URL, status, timings, raw strings",
            "examples": [_FACTS],
        },
    )


class TaskDetailSchema(TaskSchema):
    """One errand with all its attempts."""

    attempts = fields.List(fields.Nested(AttemptSchema))


StorefrontPage = page_of(StorefrontSchema)
JobPage = page_of(JobSchema)
TaskPage = page_of(TaskSchema)
