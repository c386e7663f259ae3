"""What the tasks' API gives."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, PageArguments, page_of, utc_text
from app.rpa.models.jobs import ENDS, TaskState
from app.rpa.rules.codes import RULES, Code
from app.rpa.schemas.options import Options

_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_LATER = {"examples": ["2026-11-21T10:04:30.000000Z"]}
_ASIN = {"examples": ["B0CW1A0001"]}
_WHY = {"examples": [None, "OUT_OF_STOCK"]}
_DETAIL = {"examples": [None, "The shop says: sold out"]}
_ENDED = {"examples": ["SUCCEEDED"]}
_RESULT: dict[str, Any] = {
    "name": {"value": "Copper kettle, 1.7 l", "source": "structured:name", "raw": "Copper kettle, 1.7 l"},
    "brand": None,
    "price": {"value": "1199.00 USD", "source": "css:#price .now", "raw": "$1,199.00"},
    "availability": {"value": "IN_STOCK", "source": "css:#stock", "raw": "In stock"},
    "conflicts": [],
}
_FIRST_LOOK = {"values": {"price": "119.90 USD"}, "reasons": {"price": "PRICE_JUMP"}}
_FACTS = {
    "final_url": "https://www.kettles.example/dp/B0CW1A0001",
    "http_status": 200,
    "timings_ms": {"navigate": 412, "extract": 35},
    "browser": "150.0.7100.0",
    "raw": {"price": "$1,199.00"},
}


class TaskArguments(PageArguments):
    """Which tasks of a job to list."""

    state = fields.String(load_default=None, validate=validate.OneOf([state.value for state in TaskState]))
    code = fields.String(load_default=None, validate=validate.OneOf([code.value for code in Code]))


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
    profile_version = fields.Integer(
        allow_none=True,
        metadata={"description": "The version of the storefront's profile of its last visit", "examples": [3]},
    )
    result = fields.Raw(
        allow_none=True,
        metadata={"type": "object", "description": "What was read, with its sources", "examples": [_RESULT]},
    )
    first_look = fields.Raw(
        allow_none=True,
        metadata={
            "type": "object",
            "description": "What a visit read that was suspicious, and why; then the product is visited once more",
            "examples": [None, _FIRST_LOOK],
        },
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
    outcome = fields.String(
        allow_none=True, metadata=_ENDED | {"description": "Or RETRY or VERIFY: the product is visited again"}
    )
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

    quantity = fields.Integer(attribute="job.quantity", metadata={"description": "Pieces asked for", "examples": [1]})
    options = Options(attribute="job.options", allow_none=True)
    attempts = fields.List(fields.Nested(AttemptSchema))


TaskPage = page_of(TaskSchema)
