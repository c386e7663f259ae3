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
_CODE = validate.Regexp(
    r"^[a-z0-9][a-z0-9-]{0,63}$", error="must be lower-case letters, digits and hyphens, at most 64."
)


def _quantity() -> fields.Integer:
    description = "Pieces to put into the cart"
    return fields.Integer(
        strict=True, load_default=1, validate=validate.Range(1, MAX_QUANTITY), metadata={"description": description}
    )


class StorefrontChange(StrictSchema):
    """A storefront's name and profile."""

    name = Text(longest=255, required=True)
    profile = fields.Nested(ProfileSchema, required=True)
    is_active = fields.Boolean(load_default=True, truthy={True}, falsy={False})


class StorefrontIn(StorefrontChange):
    """A new storefront."""

    code = fields.String(
        required=True, validate=_CODE, metadata={"description": "Short name that jobs use", "examples": ["my-shop"]}
    )


class StorefrontSchema(Schema):
    """A shop that the farm visits."""

    id = fields.Integer()
    code = fields.String()
    name = fields.String()
    is_active = fields.Boolean()
    version = fields.Integer()
    profile = fields.Raw(
        metadata={"type": "object", "description": "The profile as it was sent; see the schema Profile"}
    )
    paused_until = Instant(allow_none=True, metadata={"description": "The shop asked us to wait until then"})
    created_at = Instant()
    updated_at = Instant()


class ProductFilter(StrictSchema):
    """Which products of the master a job is over."""

    brand = fields.String(validate=validate.Length(1, 255))
    is_active = fields.Boolean(truthy={True}, falsy={False}, load_default=True)


class JobIn(StrictSchema):
    """A job: one errand for many products on one storefront; name ``asins`` or a filter of ``products``."""

    action = fields.String(required=True, validate=validate.OneOf(_ACTIONS))
    storefront = fields.String(required=True, validate=validate.Length(1, 64), metadata={"description": "Its code"})
    name = Text(longest=255, required=True)
    asins = fields.List(fields.String(validate=validate.Length(max=1000)), validate=validate.Length(1, MAX_TASKS))
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
    storefront = fields.String(required=True, validate=validate.Length(1, 64), metadata={"description": "Its code"})


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

    id = fields.Integer()
    name = fields.String()
    action = fields.String()
    storefront = fields.String(attribute="storefront.code")
    lane = fields.String()
    state = fields.String(validate=validate.OneOf([state.value for state in JobState]))
    total_count = fields.Integer()
    current_count = fields.Integer(metadata={"description": "Tasks that have ended"})
    outcomes = fields.Function(
        outcomes,
        metadata={
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "Ended tasks by how they ended",
        },
    )
    report = fields.Raw(
        metadata={
            "type": "object",
            "description": "Duplicated, malformed and unknown ASINs that were merged or left out",
        },
    )
    rate_per_minute = fields.Float(allow_none=True)
    seconds_left = fields.Integer(allow_none=True)
    created_at = Instant()
    updated_at = Instant()
    started_at = Instant(allow_none=True)
    finished_at = Instant(allow_none=True)
    deadline_at = Instant()


class TaskSchema(Schema):
    """One errand for one product."""

    id = fields.Integer()
    job_id = fields.Integer()
    asin = fields.String()
    product_id = fields.Integer()
    state = fields.String(validate=validate.OneOf([state.value for state in TaskState]))
    code = fields.String(allow_none=True, validate=validate.OneOf([code.value for code in Code]))
    detail = fields.String(allow_none=True)
    advice = fields.Function(
        lambda task: RULES[Code(task.code)].advice if task.code else None,
        metadata={"type": ["string", "null"], "description": "What to do about the code"},
    )
    attempt_count = fields.Integer()
    result = fields.Raw(allow_none=True, metadata={"type": "object", "description": "What was read, with its sources"})
    not_before = fields.Function(
        lambda task: None if task.state in ENDS else utc_text(task.not_before),
        metadata={
            "type": ["string", "null"],
            "format": "date-time",
            "description": "An open task does not start before",
        },
    )
    created_at = Instant()
    finished_at = Instant(allow_none=True)


class AttemptSchema(Schema):
    """One visit of a task."""

    number = fields.Integer()
    started_at = Instant()
    ended_at = Instant(allow_none=True)
    outcome = fields.String(allow_none=True)
    code = fields.String(allow_none=True)
    detail = fields.String(allow_none=True)
    facts = fields.Raw(
        allow_none=True, metadata={"type": "object", "description": "Final URL, status, timings, raw strings"}
    )


class TaskDetailSchema(TaskSchema):
    """One errand with all its attempts."""

    attempts = fields.List(fields.Nested(AttemptSchema))


StorefrontPage = page_of(StorefrontSchema)
JobPage = page_of(JobSchema)
TaskPage = page_of(TaskSchema)
