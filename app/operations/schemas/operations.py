"""What the API of long-running work takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, PageArguments, page_of
from app.core.orm import utc_now
from app.operations.kinds import KINDS
from app.operations.models import OperationState

WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_STATES: Final = validate.OneOf([state.value for state in OperationState])


class _OneOfKinds(validate.Validator):
    """A kind that some domain has registered; known only after all schemas are."""

    @property
    def choices(self) -> list[str]:
        """All of them; the OpenAPI document asks for it."""
        return list(KINDS)

    def __call__(self, value: Any) -> Any:
        return validate.OneOf(self.choices)(value)


class CountsSchema(Schema):
    """What became of the rows, or in a dry run would."""

    new = fields.Integer(attribute="new_count", metadata={"examples": [900]})
    changed = fields.Integer(attribute="changed_count", metadata={"examples": [80]})
    unchanged = fields.Integer(attribute="unchanged_count", metadata={"examples": [15]})
    refused = fields.Integer(attribute="refused_count", metadata={"examples": [5]})


class OperationSchema(Schema):
    """A piece of long-running work."""

    id = fields.Integer(metadata={"examples": [12]})
    kind = fields.String(validate=_OneOfKinds())
    state = fields.String(validate=_STATES)
    total = fields.Integer(
        attribute="total_count", allow_none=True, metadata={"description": "Rows; null until known", "examples": [1000]}
    )
    done = fields.Integer(
        attribute="done_count", metadata={"description": "Rows done in the present state", "examples": [400]}
    )
    percent = fields.Float(allow_none=True, metadata={"description": "Of the present state", "examples": [40.0]})
    rows_per_s = fields.Function(
        lambda row: row.rows_per_s(utc_now()), metadata={"type": ["number", "null"], "examples": [5120.5]}
    )
    eta_s = fields.Function(
        lambda row: row.eta_s(utc_now()),
        metadata={"type": ["integer", "null"], "description": "Seconds the present state still takes", "examples": [7]},
    )
    counts = fields.Function(
        lambda row: CountsSchema().dump(row),
        metadata={
            "type": "object",
            "description": "What became of the rows, or in a dry run would",
            "properties": {name: {"type": "integer", "examples": [9]} for name in CountsSchema().fields},
        },
    )
    error_code = fields.String(
        allow_none=True, metadata={"description": "Why it FAILED; stable", "examples": ["NOT_A_WORKBOOK"]}
    )
    error_detail = fields.String(
        allow_none=True, metadata={"description": "The same for a person", "examples": ["The file is empty."]}
    )
    actor_kind = fields.String(metadata={"examples": ["user"]})
    actor_id = fields.Integer(allow_none=True, metadata={"examples": [7]})
    version = fields.Integer(metadata={"description": "The number in the ETag; counts decisions", "examples": [1]})
    created_at = Instant(metadata=WHEN)
    started_at = Instant(allow_none=True, metadata={"description": "When the present state began"} | WHEN)
    finished_at = Instant(allow_none=True, metadata=WHEN)
    expires_at = Instant(
        metadata={"description": "When its files are deleted, and it is given up if somebody still has to decide"}
        | WHEN
    )


class OperationArguments(PageArguments):
    """Which operations."""

    kind = fields.String(validate=_OneOfKinds())
    state = fields.String(validate=_STATES)


OperationPage: Any = page_of(OperationSchema)
