"""What the API of the farm's figures takes and gives; docs/metrics.md says what each number means."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, pre_load, validate

from app.analytics.rules.farm_buckets import Grain
from app.analytics.rules.farm_windows import MOST_HOURS
from app.analytics.schemas.formats import FormatArguments
from app.analytics.schemas.periods import PeriodArguments
from app.core.fields import Instant
from app.rpa.models.jobs import Action

_ID: Final = validate.Range(1, 2**63 - 1)
_COUNT: Final = {
    "succeeded": ("Tasks that brought what was asked for", 1180),
    "refused": ("Tasks that the shop said no to, such as a product it does not have", 40),
    "failed": ("Tasks of which it could not be found out", 20),
    "skipped": ("Tasks that were not tried before their deadline", 0),
    "cancelled": ("Tasks of cancelled jobs", 0),
}
_RATE: Final = {
    "description": "Percent of the tasks that were tried which did not fail; null where none was tried",
    "examples": ["98.39"],
}
_BEGUN: Final = {"description": "When the stretch begins", "examples": ["2026-11-21T10:00:00.000000Z"]}


class FarmArguments(FormatArguments, PeriodArguments):
    """Which stretch of time, of what."""

    hours = fields.Integer(
        load_default=None,
        validate=validate.Range(1, MOST_HOURS),
        metadata={
            "description": "Instead of from and to: the hour under way and those before it, so many altogether",
            "examples": [24],
        },
    )
    group = fields.String(
        load_default=None,
        validate=validate.OneOf([Grain.MINUTE.value, Grain.HOUR.value, Grain.DAY.value]),
        metadata={
            "description": "By minute (of the last 48 hours), hour (31 days at once, of the last 90) or day",
            "examples": ["hour"],
        },
    )
    storefront = fields.String(
        load_default=None,
        validate=validate.Length(1, 64),
        metadata={"description": "Only of the storefront of this code", "examples": ["my-shop"]},
    )
    kind = fields.String(
        load_default=None,
        validate=validate.OneOf([action.value for action in Action]),
        metadata={"description": "Only of this kind of errand", "examples": ["view-product"]},
    )
    worker_id = fields.Integer(
        load_default=None,
        validate=_ID,
        metadata={"description": "Only what this worker did, by hour or day", "examples": [12]},
    )
    job_id = fields.Integer(
        load_default=None, validate=_ID, metadata={"description": "Only of this job", "examples": [5]}
    )
    per = fields.String(
        load_default=None,
        validate=validate.OneOf(["storefront", "worker"]),
        metadata={"description": "Also tell of each, the 100 with the most tasks", "examples": ["storefront"]},
    )
    table = fields.String(
        load_default="throughput",
        validate=validate.OneOf(
            [
                "throughput",
                "codes",
                "latencies",
                "groups",
                "group_codes",
                "group_latencies",
            ]
        ),
        metadata={"description": "With format csv: which of the figures the file has", "examples": ["codes"]},
    )
    chart = fields.String(
        load_default="throughput",
        validate=validate.OneOf(["throughput", "latency", "stages", "load", "codes"]),
        metadata={
            "description": "With format chart: tasks by how they ended; how long visits took over time, or by stage; "
            "how many tasks waited and ran and how many workers there were (of the whole farm, for 90 days); "
            "how often which code was the end",
            "examples": ["latency"],
        },
    )

    @pre_load
    def check_hours(self, data: Any, **_kwargs: Any) -> Any:
        """Refuse both ways of saying a stretch of time at once."""
        if "hours" in data and ("from" in data or "to" in data):
            raise ValidationError({"hours": ["must not be sent together with from or to."]})
        return data


def _count(name: str) -> fields.Integer:
    said, example = _COUNT[name]
    return fields.Integer(metadata={"description": said, "examples": [example]})


class OutcomesSchema(Schema):
    """How many tasks ended, and how."""

    tasks = fields.Integer(metadata={"description": "All of them", "examples": [1240]})
    succeeded = _count("succeeded")
    refused = _count("refused")
    failed = _count("failed")
    skipped = _count("skipped")
    cancelled = _count("cancelled")
    success_rate = fields.String(allow_none=True, metadata=_RATE)


class OutcomePointSchema(OutcomesSchema):
    """The same of a minute, an hour or a day in which any ended."""

    start_at = Instant(metadata=_BEGUN)


class CodeFigureSchema(Schema):
    """How often something was the end of a task."""

    code = fields.String(metadata={"examples": ["NAV_TIMEOUT"]})
    outcome = fields.String(
        validate=validate.OneOf(["REFUSED", "FAILED", "SKIPPED", "CANCELLED"]),
        metadata={"description": "What kind of end it is", "examples": ["FAILED"]},
    )
    tasks = fields.Integer(metadata={"description": "Tasks that ended with it", "examples": [14]})
    share = fields.String(
        allow_none=True,
        metadata={
            "description": "Percent of the tasks that were tried; null of those that were not",
            "examples": ["1.13"],
        },
    )
    retries = fields.Integer(metadata={"description": "Attempts that were tried again after it", "examples": [9]})


class StageTimesSchema(Schema):
    """How long a stage of visits took, in milliseconds; at most 5 % away from the time that was really measured."""

    stage = fields.String(
        metadata={
            "description": "queue: from the release to the claim; total: from that to the record; else of the visit",
            "examples": ["navigate"],
        }
    )
    count = fields.Integer(attribute="times.count", metadata={"description": "Attempts", "examples": [1302]})
    p50_ms = fields.Integer(attribute="times.p50_ms", metadata={"description": "The median", "examples": [412]})
    p90_ms = fields.Integer(
        attribute="times.p90_ms", metadata={"description": "90 % took no longer", "examples": [903]}
    )
    p95_ms = fields.Integer(
        attribute="times.p95_ms", metadata={"description": "95 % took no longer", "examples": [1202]}
    )
    p99_ms = fields.Integer(
        attribute="times.p99_ms", metadata={"description": "99 % took no longer", "examples": [3119]}
    )


def _summed(name: str, said: str, example: int) -> fields.Integer:
    return fields.Integer(attribute=f"summary.{name}", metadata={"description": said, "examples": [example]})


def _visit(name: str, said: str, example: int) -> fields.Integer:
    return fields.Integer(
        attribute=f"summary.visits.{name}",
        dump_default=None,
        allow_none=True,
        metadata={"description": said, "examples": [example]},
    )


def _changes() -> fields.Dict:
    return fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        attribute="summary.changes",
        metadata={"description": "Changes found, by attribute", "examples": [{"price": 41, "availability": 12}]},
    )


def _codes() -> fields.List[Any]:
    return fields.List(
        fields.Nested(CodeFigureSchema),
        attribute="summary.codes",
        metadata={"description": "What tasks ended with other than success, the most frequent first"},
    )


def _latencies() -> fields.List[Any]:
    return fields.List(
        fields.Nested(StageTimesSchema),
        attribute="summary.latencies",
        metadata={"description": "Of attempts that came to a page, in the order of a visit"},
    )


class FarmGroupSchema(OutcomesSchema):
    """The same of a storefront or a worker, and what is told of the whole."""

    id = fields.Integer(metadata={"description": "Of the storefront or the worker", "examples": [2]})
    code = fields.String(
        metadata={"description": "The storefront's code or the worker's name", "examples": ["my-shop"]}
    )
    name = fields.String(
        metadata={"description": "The storefront's name or the worker's host", "examples": ["My shop"]}
    )
    attempts = _summed("attempts", "Attempts that ended", 1302)
    retries = _summed("retries", "Those that were tried again", 31)
    second_looks = _summed("second_looks", "Those that read something doubtful, so that it was looked at again", 4)
    changes = _changes()
    p50_ms = _visit("p50_ms", "Half of the whole visits took no longer; null where none came to a page", 903)
    p90_ms = _visit("p90_ms", "90 % took no longer", 1511)
    p95_ms = _visit("p95_ms", "95 % took no longer", 2013)
    p99_ms = _visit("p99_ms", "99 % took no longer", 4711)
    codes = _codes()
    latencies = _latencies()


class FarmAnalyticsSchema(Schema):
    """The figures of the farm in a stretch of time."""

    since = Instant(attribute="window.since", metadata={"description": "From when"} | {"examples": _BEGUN["examples"]})
    until = Instant(
        attribute="window.until",
        metadata={"description": "Before when", "examples": ["2026-11-22T10:00:00.000000Z"]},
    )
    group = fields.String(
        attribute="window.grain",
        metadata={"description": "What a row of throughput is of: minute, hour or day", "examples": ["hour"]},
    )
    complete_until = Instant(
        metadata={"description": "What happened later may be missing", "examples": ["2026-11-22T09:59:58.000000Z"]}
    )
    totals = fields.Nested(
        OutcomesSchema, attribute="summary.outcomes", metadata={"description": "Of the whole stretch"}
    )
    attempts = _summed("attempts", "Attempts that ended", 1302)
    retries = _summed("retries", "Those that were tried again", 31)
    second_looks = _summed("second_looks", "Those that read something doubtful, so that it was looked at again", 4)
    changes = _changes()
    throughput = fields.List(
        fields.Nested(OutcomePointSchema),
        metadata={"description": "Stretches in which tasks ended, the first one first"},
    )
    codes = _codes()
    latencies = _latencies()
    groups = fields.List(
        fields.Nested(FarmGroupSchema),
        attribute="per",
        allow_none=True,
        metadata={"description": "Those with the most tasks first; null without per", "examples": [None]},
    )
