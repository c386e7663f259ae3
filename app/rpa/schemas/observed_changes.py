"""What the API of suspicious changes takes and gives."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, PageArguments, page_of
from app.rpa.models.observations import ReviewState
from app.rpa.rules.suspicions import Reason, Verdict

_STATES = [state.value for state in ReviewState]
_WHEN = ["2026-11-21T10:00:00.000000Z"]


class ObservedChangeArguments(PageArguments):
    """Which changes to list."""

    state = fields.String(load_default=None, validate=validate.OneOf(_STATES), metadata={"examples": ["OPEN"]})
    storefront = fields.String(load_default=None, validate=validate.Length(max=64), metadata={"examples": ["my-shop"]})
    product_id = fields.Integer(load_default=None, validate=validate.Range(1, 2**63 - 1), metadata={"examples": [42]})


class ObservedChangeSchema(Schema):
    """A suspicious change of one attribute that was looked at twice."""

    id = fields.Integer(metadata={"examples": [17]})
    product_id = fields.Integer(metadata={"examples": [42]})
    asin = fields.String(metadata={"examples": ["B0CW1A0001"]})
    storefront_id = fields.Integer(metadata={"examples": [1]})
    job_id = fields.Integer(metadata={"examples": [5]})
    task_id = fields.Integer(metadata={"description": "Its evidence shows both visits", "examples": [73]})
    attribute = fields.String(metadata={"examples": ["price"]})
    previous = fields.String(allow_none=True, metadata={"examples": ["1199.00 USD"]})
    first_value = fields.String(
        allow_none=True, metadata={"description": "What the first visit read", "examples": ["119.90 USD"]}
    )
    current = fields.String(
        metadata={"description": "The last value that was read; accepting makes it the storefront's"}
        | {"examples": ["119.90 USD"]}
    )
    reason = fields.String(
        validate=validate.OneOf([one.value for one in Reason]), metadata={"examples": ["PRICE_JUMP"]}
    )
    verdict = fields.String(
        validate=validate.OneOf([one.value for one in Verdict]),
        metadata={"description": "What the second visit made of it", "examples": ["CONFIRMED"]},
    )
    state = fields.String(
        validate=validate.OneOf(_STATES),
        metadata={"description": "NOTED: nobody need decide, the old value is back", "examples": ["OPEN"]},
    )
    update_id = fields.Integer(
        allow_none=True, metadata={"description": "The row of the history, if it is recorded", "examples": [1001]}
    )
    observed_at = Instant(metadata={"examples": _WHEN})
    decided_at = Instant(allow_none=True, metadata={"examples": [None, *_WHEN]})
    decided_by = fields.String(allow_none=True, metadata={"examples": [None, "user:7"]})


ObservedChangePage = page_of(ObservedChangeSchema)
