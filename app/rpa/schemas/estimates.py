"""What the API says of how long jobs take and what they wait for."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate

from app.core.fields import Instant
from app.rpa.rules.planning import Limit
from app.rpa.rules.standstill import Reason

_LATER = {"examples": ["2026-11-21T10:04:30.000000Z"]}
_LIMIT = {"examples": ["2026-11-22T10:00:00.000000Z"]}
_NONE: Final[dict[str, Any]] = {"count": 0, "asins": []}
_REPORT: Final = {"duplicates": {"count": 1, "asins": ["B0CW1A0001"]}, "malformed": _NONE, "unknown": _NONE}
REPORT_SHOWN: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Duplicated, malformed and unknown ASINs that were merged or left out",
    "examples": [_REPORT],
}


WAITS: Final = {"reason": "STOREFRONT_PAUSED", "detail": "The shop asked us to wait.", "until": _LATER["examples"][0]}
ESTIMATED: Final[dict[str, Any]] = {
    "seconds": 499998.0,
    "seconds_at_most": 519998.0,
    "limited_by": "pace",
    "seconds_by_limit": {"pace": 499998.0, "storefront_concurrency": 75000.0, "workers": 37500.0},
    "workers": 8,
    "seconds_per_task": 3.0,
    "is_measured": True,
    "other_tasks": 4000,
    "is_in_time": True,
}


class WaitSchema(Schema):
    """Why nothing of an open job runs now."""

    reason = fields.String(
        validate=validate.OneOf([reason.value for reason in Reason]), metadata={"examples": ["STOREFRONT_PAUSED"]}
    )
    detail = fields.String(metadata={"examples": ["The shop asked us to wait."]})
    until = Instant(allow_none=True, metadata=_LATER | {"description": "null: that is not known"})


class EstimateSchema(Schema):
    """How long tasks take, and what limits that."""

    seconds = fields.Float(
        attribute="alone.seconds",
        allow_none=True,
        metadata={"description": "When nothing else runs; null: no worker is alive", "examples": [499998.0]},
    )
    seconds_at_most = fields.Float(
        allow_none=True,
        metadata={"description": "When all other open jobs of the storefront come first", "examples": [519998.0]},
    )
    limited_by = fields.String(
        attribute="alone.limited_by",
        validate=validate.OneOf([limit.value for limit in Limit]),
        metadata={
            "description": "pace: the gap between two starts on the storefront; crawl_delay: what its robots.txt wants "
            "between them; storefront_concurrency and job_concurrency: how many run at once; workers: how many are "
            "alive; hours: when it may be visited; daily_cap: how many pages a day",
            "examples": ["pace"],
        },
    )
    seconds_by_limit = fields.Dict(
        keys=fields.String(),
        values=fields.Float(allow_none=True),
        attribute="alone.by_limit",
        metadata={
            "description": "How long it would take if there were only this limit; hours: the slowest of the others but "
            "daily_cap, within the hours",
            "examples": [{"pace": 499998.0, "storefront_concurrency": 75000.0, "workers": 37500.0}],
        },
    )
    workers = fields.Integer(attribute="facts.workers", metadata={"description": "Alive now", "examples": [8]})
    seconds_per_task = fields.Float(attribute="facts.seconds_per_task", metadata={"examples": [3.0]})
    is_measured = fields.Boolean(
        attribute="facts.is_measured",
        metadata={"description": "Whether the last visits of this kind took so long; false: a default"},
    )
    other_tasks = fields.Integer(
        attribute="others",
        metadata={"description": "Of other open jobs, still to be done on the storefront", "examples": [4000]},
    )
    is_in_time = fields.Boolean(
        allow_none=True, metadata={"description": "Whether it ends before the deadline when nothing else runs"}
    )


class ForeseenSchema(Schema):
    """What a job would be."""

    total_count = fields.Integer(metadata={"examples": [2]})
    report = fields.Raw(attribute="chosen.report", metadata=REPORT_SHOWN)
    deadline_at = Instant(metadata=_LIMIT)
    estimate = fields.Nested(EstimateSchema)
