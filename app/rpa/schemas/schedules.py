"""What the API of schedules takes and gives."""

from __future__ import annotations

import re
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.core.fields import Instant, PageArguments, StrictSchema, Text, page_of
from app.rpa.models.schedules import RunState
from app.rpa.rules.timing import LONGEST_S, SHORTEST_S, TimingRefused, check_cron
from app.rpa.schemas.jobs import JOB_IN, JobIn
from app.rpa.schemas.zones import Zone

_WHEN = {"examples": ["2026-11-21T05:00:00.000000Z"]}
_NEXT = {"examples": ["2026-11-22T05:00:00.000000Z"]}
_CRON = {
    "description": "Five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday). Where "
    "both days are given, either fits. A minute that the clocks leave out counts at the end of the gap, one that comes "
    "twice counts once, at its first coming.",
    "examples": ["0 6 * * mon-fri"],
}
_ZONE = {"description": "IANA time zone that cron is meant in; UTC if not given", "examples": ["Europe/Berlin"]}
_EVERY = {"description": "Seconds from one run to the next, instead of cron", "examples": [3600]}
_START = {"description": "From where every_s is counted; from now on if not given"} | _WHEN
_NAME = {"examples": ["Prices every morning"]}
_TEMPLATES: Final = ("{date}", "{time}")
_BRACED: Final = re.compile(r"\{[^{}]*\}")
_RUN: dict[str, Any] = {
    "slot_at": "2026-11-21T05:00:00.000000Z",
    "state": "STARTED",
    "job_id": 5,
    "code": None,
    "detail": None,
    "noted_at": "2026-11-21T05:00:00.412000Z",
    "is_late": False,
    "is_manual": False,
}
SCHEDULE_IN: dict[str, Any] = {
    "name": "Prices every morning",
    "cron": "0 6 * * mon-fri",
    "timezone": "Europe/Berlin",
    "job": JOB_IN | {"name": "Prices of {date}"},
}


class _Cron(fields.String):
    """A cron expression, told by the rule where it is none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text) > 255:
            raise ValidationError("Longer than maximum length 255.")
        try:
            return check_cron(text)
        except TimingRefused as refused:
            raise ValidationError(str(refused)) from None


class TimingIn(StrictSchema):
    """When something runs: ``cron`` in a time zone, or ``every_s`` from a start."""

    cron = _Cron(metadata=_CRON)
    timezone = Zone(metadata=_ZONE)
    every_s = fields.Integer(strict=True, validate=validate.Range(SHORTEST_S, LONGEST_S), metadata=_EVERY)
    starts_at = Instant(metadata=_START)

    @validates_schema
    def one_timing(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse both kinds or neither, and what belongs to the other kind."""
        if ("cron" in data) == ("every_s" in data):
            raise ValidationError("name either cron or every_s.", "cron")
        for name, kind in (("timezone", "cron"), ("starts_at", "every_s")):
            if name in data and kind not in data:
                raise ValidationError(f"belongs to {kind}.", name)


class ScheduleIn(TimingIn):
    """A schedule: when which job is submitted."""

    name = Text(longest=255, required=True, metadata=_NAME)
    is_active = fields.Boolean(load_default=True, truthy={True}, falsy={False})
    wish = fields.Nested(
        JobIn,
        required=True,
        data_key="job",
        metadata={
            "description": "The job as POST /jobs takes it; {date} and {time} in its name become those of the run",
            "examples": [SCHEDULE_IN["job"]],
        },
    )

    @validates_schema
    def known_templates(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a word in braces that nothing is put in for."""
        unknown = [word for word in _BRACED.findall(data["wish"]["name"]) if word not in _TEMPLATES]
        if unknown:
            told = f"has {unknown[0][:40]}; only {' and '.join(_TEMPLATES)} are filled in."
            raise ValidationError({"job": {"name": [told]}})


class ScheduleArguments(PageArguments):
    """Which schedules to list."""

    is_active = fields.Boolean(load_default=None, metadata={"description": "Only those that run, or are paused"})
    storefront = fields.String(load_default=None, validate=validate.Length(max=64), metadata={"examples": ["my-shop"]})


class RunArguments(PageArguments):
    """Which runs of a schedule to list."""

    state = fields.String(load_default=None, validate=validate.OneOf([state.value for state in RunState]))


class SlotSchema(Schema):
    """When it runs."""

    at = Instant(metadata=_NEXT)
    local = fields.String(
        metadata={"description": "The same in the schedule's time zone", "examples": ["2026-11-22T06:00:00+01:00"]}
    )


class PreviewSchema(Schema):
    """The next runs."""

    next_runs = fields.List(fields.Nested(SlotSchema))


class RunSchema(Schema):
    """What came of one slot."""

    slot_at = Instant(metadata=_WHEN)
    state = fields.String(
        validate=validate.OneOf([state.value for state in RunState]), metadata={"examples": ["STARTED"]}
    )
    job_id = fields.Integer(allow_none=True, metadata={"description": "The job that was submitted", "examples": [5]})
    code = fields.String(
        allow_none=True,
        metadata={
            "description": "Why the job could not be submitted, as POST /jobs says it",
            "examples": [None, "STOREFRONT_UNKNOWN"],
        },
    )
    detail = fields.String(
        allow_none=True,
        metadata={"description": "The same for a person", "examples": [None, "storefront names no active storefront."]},
    )
    noted_at = Instant(metadata=_WHEN)
    is_late = fields.Boolean(metadata={"description": "Noted more than ten minutes after its slot"})
    is_manual = fields.Boolean(metadata={"description": "Somebody asked for it"})


class WarningSchema(Schema):
    """What somebody should know who relies on a schedule."""

    code = fields.String(
        validate=validate.OneOf(["STOREFRONT_INACTIVE", "OWNER_GONE", "OVERDUE", "TIMEZONE_UNKNOWN"]),
        metadata={"examples": ["STOREFRONT_INACTIVE"]},
    )
    detail = fields.String(metadata={"examples": ["There is no active storefront my-shop: its runs fail."]})


class ScheduleSchema(Schema):
    """A schedule of jobs."""

    id = fields.Integer(metadata={"examples": [3]})
    name = fields.String(metadata=_NAME)
    is_active = fields.Boolean(metadata={"description": "False while it is paused"})
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    action = fields.String(metadata={"examples": ["view-product"]})
    storefront = fields.String(metadata={"examples": ["my-shop"]})
    cron = fields.String(allow_none=True, metadata=_CRON)
    timezone = fields.String(allow_none=True, metadata=_ZONE)
    every_s = fields.Integer(allow_none=True, metadata=_EVERY)
    starts_at = Instant(allow_none=True, metadata=_START)
    next_at = Instant(allow_none=True, metadata=_NEXT | {"description": "Its next run; null while it is paused"})
    next_runs = fields.List(
        fields.Nested(SlotSchema), metadata={"description": "The next five; none while it is paused"}
    )
    last_run = fields.Nested(RunSchema, allow_none=True, metadata={"examples": [_RUN]})
    warnings = fields.List(fields.Nested(WarningSchema))
    owner_id = fields.Integer(allow_none=True, metadata={"description": "The user who made it", "examples": [7]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class ScheduleDetailSchema(ScheduleSchema):
    """A schedule with its job."""

    job = fields.Raw(
        attribute="wish",
        metadata={
            "type": "object",
            "description": "What is submitted; see POST /jobs",
            "examples": [SCHEDULE_IN["job"]],
        },
    )


SchedulePage = page_of(ScheduleSchema)
RunPage = page_of(RunSchema)
