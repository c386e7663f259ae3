"""What the API takes about jobs that there are, and of jobs over a file."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields, validate, validates_schema

from app.core.fields import Instant, Text
from app.operations.schemas.imports import ReadingFields
from app.rpa.models.jobs import Action, Priority
from app.rpa.rules.readings import MAX_QUANTITY
from app.rpa.schemas.jobs import (
    JOB_NAME,
    MAX_CONCURRENCY,
    MAX_DEADLINE_S,
    MIN_DEADLINE_S,
    PIECES,
    SHOP_CODE,
    HowIn,
    deadline_field,
    require_cart_for_quantity,
)
from app.rpa.schemas.options import Options

RETRYABLE: Final = ["FAILED", "SKIPPED", "CANCELLED", "REFUSED"]
_ACTIONS: Final = [action.value for action in Action]
_PRIORITIES: Final = [priority.value for priority in Priority]
_LIMIT: Final = {"examples": ["2026-11-22T10:00:00.000000Z"]}


class FileJobFields(ReadingFields):
    """What is said of a job over the ASINs of a file that is sent."""

    action = fields.String(required=True, validate=validate.OneOf(_ACTIONS))
    storefront = fields.String(required=True, validate=validate.Length(1, 64))
    name = Text(longest=255, required=True)
    quantity = fields.Integer(load_default=1, validate=validate.Range(1, MAX_QUANTITY))
    options = Options(as_text=True)
    priority = fields.String(validate=validate.OneOf(_PRIORITIES))
    concurrency = fields.Integer(validate=validate.Range(1, MAX_CONCURRENCY))
    deadline_s = fields.Integer(validate=validate.Range(MIN_DEADLINE_S, MAX_DEADLINE_S))

    @validates_schema
    def quantity_of_a_cart(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a number of pieces where nothing is put into a cart."""
        require_cart_for_quantity(data)


class JobChange(HowIn):
    """What of an open job is changed; what is not there stays as it is."""

    deadline_at = Instant(metadata=_LIMIT | {"description": "What has not started by then is skipped"})


class JobRepeatIn(HowIn):
    """What is other than in the job that is done again; what is not there stays as it was."""

    name = Text(longest=255, metadata=JOB_NAME)
    storefront = fields.String(validate=validate.Length(1, 64), metadata=SHOP_CODE)
    deadline_s = deadline_field()


class JobRetryIn(JobRepeatIn):
    """Which tasks of an ended job are done again."""

    outcomes = fields.List(
        fields.String(validate=validate.OneOf(RETRYABLE)),
        load_default=["FAILED"],
        validate=validate.Length(1, len(RETRYABLE)),
        metadata={"description": "Those that ended so", "examples": [["FAILED", "SKIPPED"]]},
    )


class JobCloneIn(JobRepeatIn):
    """What is other than in the job that is cloned."""

    quantity = fields.Integer(strict=True, validate=validate.Range(1, MAX_QUANTITY), metadata=PIECES)
    options = Options()
