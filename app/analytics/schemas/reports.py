"""What the API of saved reports takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from app.analytics.models.reports import MAX_NAME, ReportState, Rhythm
from app.analytics.queries.report_kinds import KINDS
from app.analytics.rules.report_periods import PERIODS, check_period
from app.analytics.rules.report_tables import MAX_ROWS
from app.core.fields import Asin, Instant, PageArguments, StrictSchema, Text, page_of
from app.products.models.products import MAX_BRAND
from app.rpa.schemas.zones import Zone

MAX_RECIPIENTS: Final = 50
_WHEN = {"examples": ["2026-11-23T06:00:00.000000Z"]}
_NAME = {"examples": ["Brands of last week"]}
_KIND = {"description": "GET /report-kinds has them with their columns and filters", "examples": ["sales_by_day"]}
_PERIOD = {
    "description": "Days of the shop, relative to the day of the run. What is called last is over and has whole days "
    "only (`last_days` ends yesterday); what is called this goes up to and with the day itself",
    "examples": ["last_days"],
}
_DAYS = {"description": "How many, of `last_days` only", "examples": [30]}
_FIRST = {"description": "The first day, in the shop's time zone", "examples": ["2026-10-24"]}
_LAST = {"description": "The last day, which counts as well", "examples": ["2026-11-22"]}
_RHYTHM = {"examples": ["weekly"]}
_HOUR = {
    "description": "The hour on the clock of the time zone. One that the clocks leave out counts at the end of the "
    "gap, one that comes twice counts once, at its first coming",
    "examples": [7],
}
_WEEKDAY = {"description": "1 is Monday, 7 Sunday; of weekly reports, by itself Monday", "examples": [1]}
_MONTH_DAY = {"description": "Of monthly reports, by itself the first", "examples": [None, 1]}
_ZONE = {"description": "IANA time zone that the hour is meant in", "examples": ["Europe/Berlin"]}
_RECIPIENTS = {
    "description": f"Ids of users who get each run by mail, at most {MAX_RECIPIENTS}. They need reports:read and the "
    "permission of the figures; who loses it gets none, and the owner is told",
    "examples": [[7]],
}
_CUT = {"description": f"There are more than the {MAX_ROWS} rows that a report has", "examples": [False]}
_SCHEDULE: Final = {"rhythm": "weekly", "hour": 7, "weekday": 1, "month_day": None, "timezone": "Europe/Berlin"}
_FILTERS: Final = {"brand": "Teaworks"}
REPORT_IN: Final[dict[str, Any]] = {
    "name": "Last 30 days",
    "kind": "sales_by_day",
    "period": "last_days",
    "days": 30,
    "filters": _FILTERS,
    "schedule": {"rhythm": "weekly", "hour": 7, "weekday": 1, "timezone": "Europe/Berlin"},
}
PREVIEW_IN: Final = {name: REPORT_IN[name] for name in ("kind", "period", "days", "filters")}


class ReportFiltersIn(StrictSchema):
    """What a report is restricted to; each kind has some of these."""

    currency = fields.String(
        validate=validate.Regexp("^[A-Z]{3}$", error="must be the code of a currency, such as USD."),
        metadata={"description": "Only what was sold in it", "examples": ["EUR"]},
    )
    category_id = fields.Integer(
        strict=True,
        validate=validate.Range(min=1),
        metadata={"description": "Only of a category and those below it", "examples": [7]},
    )
    brand = Text(longest=MAX_BRAND, metadata={"description": "Exactly this brand", "examples": ["Teaworks"]})
    asin = Asin()
    storefront = fields.String(
        validate=validate.Length(1, 64), metadata={"description": "Its code", "examples": ["my-shop"]}
    )


class ReportScheduleIn(StrictSchema):
    """When a report is run and mailed by itself."""

    rhythm = fields.String(required=True, validate=validate.OneOf([each.value for each in Rhythm]), metadata=_RHYTHM)
    hour = fields.Integer(required=True, strict=True, validate=validate.Range(0, 23), metadata=_HOUR)
    weekday = fields.Integer(allow_none=True, strict=True, validate=validate.Range(1, 7), metadata=_WEEKDAY)
    month_day = fields.Integer(allow_none=True, strict=True, validate=validate.Range(1, 28), metadata=_MONTH_DAY)
    timezone = Zone(required=True, metadata=_ZONE)

    @validates_schema
    def day_of_its_rhythm(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a day that belongs to another rhythm."""
        for name, rhythm in (("weekday", Rhythm.WEEKLY), ("month_day", Rhythm.MONTHLY)):
            if data.get(name) is not None and data["rhythm"] != rhythm:
                raise ValidationError(f"belongs to {rhythm} reports.", name)

    @post_load
    def fill_day(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        """Monday, or the first of the month, where no day was named."""
        for name, rhythm in (("weekday", Rhythm.WEEKLY), ("month_day", Rhythm.MONTHLY)):
            data[name] = (data.get(name) or 1) if data["rhythm"] == rhythm else None
        return data


class ReportPreviewIn(StrictSchema):
    """Which figures."""

    kind = fields.String(required=True, validate=validate.OneOf(list(KINDS)), metadata=_KIND)
    period = fields.String(required=True, validate=validate.OneOf(PERIODS), metadata=_PERIOD)
    days = fields.Integer(load_default=None, allow_none=True, strict=True, metadata=_DAYS)
    filters = fields.Nested(ReportFiltersIn, load_default=dict, metadata={"examples": [_FILTERS]})

    @validates_schema
    def that_go_together(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse days of another period, too many of them, and filters that the kind does not have."""
        wrong = check_period(data["period"], data["days"])
        if wrong is not None:
            raise ValidationError(wrong, "days")
        has = KINDS[data["kind"]].filters
        unknown = [name for name in data["filters"] if name not in has]
        if unknown:
            told = f"is no filter of {data['kind']}; it has {', '.join(has) or 'none'}."
            raise ValidationError({"filters": {name: [told] for name in unknown}})


class ReportIn(ReportPreviewIn):
    """A report: which figures, when, and who gets them."""

    name = Text(longest=MAX_NAME, required=True, metadata=_NAME)
    schedule = fields.Nested(
        ReportScheduleIn, load_default=None, allow_none=True, metadata={"examples": [REPORT_IN["schedule"]]}
    )
    recipients = fields.List(
        fields.Integer(strict=True, validate=validate.Range(min=1)),
        load_default=list,
        validate=validate.Length(max=MAX_RECIPIENTS),
        metadata=_RECIPIENTS,
    )


class ReportArguments(PageArguments):
    """Which reports to list."""

    kind = fields.String(load_default=None, validate=validate.OneOf(list(KINDS)), metadata=_KIND)


class ReportChartArguments(StrictSchema):
    """Which chart."""

    currency = fields.String(
        load_default=None,
        validate=validate.Regexp("^[A-Z]{3}$", error="must be the code of a currency, such as USD."),
        metadata={"description": "One that the figures have; by itself that of most rows", "examples": ["EUR"]},
    )


class ReportColumnSchema(Schema):
    """A column of figures."""

    name = fields.String(metadata={"description": "Its key in rows and its name in CSV", "examples": ["orders"]})
    label = fields.String(metadata={"examples": ["Orders"]})
    kind = fields.String(
        validate=validate.OneOf(["text", "day", "whole", "decimal", "percent", "seconds", "money"]),
        metadata={"description": "Money is a decimal text of the row's currency", "examples": ["whole"]},
    )


class ReportKindSchema(Schema):
    """A kind of report."""

    name = fields.String(metadata=_KIND)
    label = fields.String(metadata={"examples": ["Sales by day"]})
    permission = fields.String(metadata={"description": "Who may read its figures", "examples": ["sales:read"]})
    filters = fields.List(fields.String(), metadata={"examples": [["brand"]]})
    columns = fields.List(fields.Nested(ReportColumnSchema))


class ReportKindsSchema(Schema):
    """All kinds of reports."""

    items = fields.List(fields.Nested(ReportKindSchema))


class ReportFiguresSchema(Schema):
    """The figures of a report."""

    kind = fields.String(metadata=_KIND)
    first_on = fields.Date(metadata=_FIRST)
    last_on = fields.Date(metadata=_LAST)
    columns = fields.List(fields.Nested(ReportColumnSchema))
    rows = fields.List(
        fields.Dict(),
        metadata={
            "description": "One value for each column; money and other decimals are texts",
            "examples": [[{"from": "2026-11-21", "currency": "EUR", "net": "59.97", "orders": 3, "units": 4}]],
        },
    )
    is_cut = fields.Boolean(metadata=_CUT)


class ReportRunSchema(Schema):
    """What came of one slot, or of somebody's asking."""

    id = fields.Integer(metadata={"examples": [12]})
    slot_at = Instant(metadata=_WHEN)
    is_manual = fields.Boolean(metadata={"description": "Somebody asked for it", "examples": [False]})
    missed_count = fields.Integer(
        metadata={"description": "Slots that were missed before it, and that it stands for", "examples": [0]}
    )
    state = fields.String(
        validate=validate.OneOf([state.value for state in ReportState]), metadata={"examples": ["DONE"]}
    )
    first_on = fields.Date(allow_none=True, metadata=_FIRST)
    last_on = fields.Date(allow_none=True, metadata=_LAST)
    row_count = fields.Integer(allow_none=True, metadata={"examples": [30]})
    is_cut = fields.Boolean(metadata=_CUT)
    has_picture = fields.Boolean(metadata={"description": "Whether its chart was drawn", "examples": [True]})
    mailed_count = fields.Integer(metadata={"description": "How many people it is mailed to", "examples": [2]})
    withheld_count = fields.Integer(
        metadata={"description": "Recipients who may not read the figures any more and got none", "examples": [0]}
    )
    code = fields.String(
        allow_none=True, metadata={"description": "Why it failed", "examples": [None, "OWNER_MAY_NOT"]}
    )
    detail = fields.String(
        allow_none=True,
        metadata={"description": "The same for a person, or why it has no picture", "examples": [None]},
    )
    noted_at = Instant(metadata=_WHEN)
    ended_at = Instant(allow_none=True, metadata=_WHEN)


class FailedMailSchema(Schema):
    """A mail that did not get through."""

    user_id = fields.Integer(metadata={"description": "Whom it is for", "examples": [7]})
    attempts = fields.Integer(metadata={"examples": [3]})
    is_given_up = fields.Boolean(metadata={"description": "It is not tried again by itself", "examples": [False]})
    next_at = Instant(allow_none=True, metadata=_WHEN | {"description": "When it is tried again; null if given up"})
    reason = fields.String(metadata={"examples": ["The mail server does not take mail for this address."]})


class FailedMailsSchema(Schema):
    """Mails that did not get through."""

    mails = fields.List(fields.Nested(FailedMailSchema))


class MailedAgainSchema(Schema):
    """What was asked for once more."""

    count = fields.Integer(metadata={"description": "Mails that are tried again now", "examples": [1]})


class ReportSlotSchema(Schema):
    """When it runs."""

    at = Instant(metadata=_WHEN)
    local = fields.String(
        metadata={"description": "The same in the schedule's time zone", "examples": ["2026-11-23T07:00:00+01:00"]}
    )


class ReportScheduleSchema(Schema):
    """When a report is run by itself."""

    rhythm = fields.String(metadata=_RHYTHM)
    hour = fields.Integer(metadata=_HOUR)
    weekday = fields.Integer(allow_none=True, metadata=_WEEKDAY)
    month_day = fields.Integer(allow_none=True, metadata=_MONTH_DAY)
    timezone = fields.String(metadata=_ZONE)


_RUN: Final[dict[str, Any]] = {
    "id": 12, "slot_at": "2026-11-23T06:00:00.000000Z", "is_manual": False, "missed_count": 0, "state": "DONE",
    "first_on": "2026-10-24", "last_on": "2026-11-22", "row_count": 30, "is_cut": False, "has_picture": True,
    "mailed_count": 2, "withheld_count": 0, "code": None, "detail": None,
    "noted_at": "2026-11-23T06:00:00.412000Z", "ended_at": "2026-11-23T06:00:04.127000Z",
}  # fmt: skip


class ReportSchema(Schema):
    """A saved report."""

    id = fields.Integer(metadata={"examples": [3]})
    name = fields.String(metadata=_NAME)
    owner_id = fields.Integer(metadata={"description": "The user who made it", "examples": [7]})
    kind = fields.String(metadata=_KIND)
    period = fields.String(metadata=_PERIOD)
    days = fields.Integer(allow_none=True, metadata=_DAYS)
    filters = fields.Dict(metadata={"examples": [_FILTERS]})
    schedule = fields.Nested(ReportScheduleSchema, allow_none=True, metadata={"examples": [_SCHEDULE]})
    recipients = fields.List(fields.Integer(), metadata=_RECIPIENTS)
    is_active = fields.Boolean(metadata={"description": "False while its schedule is paused", "examples": [True]})
    next_at = Instant(allow_none=True, metadata=_WHEN | {"description": "Its next run; null where there is none"})
    next_runs = fields.List(fields.Nested(ReportSlotSchema), metadata={"description": "The next five"})
    last_run = fields.Nested(ReportRunSchema, allow_none=True, metadata={"examples": [_RUN]})
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class ReportShareSchema(Schema):
    """A link to a report."""

    id = fields.Integer(metadata={"examples": [5]})
    created_at = Instant(metadata=_WHEN)
    opened_at = Instant(allow_none=True, metadata=_WHEN | {"description": "When it was last opened, told to the hour"})


class MadeReportShareSchema(ReportShareSchema):
    """A new link with its secret."""

    token = fields.String(
        metadata={
            "description": "Told this once. GET /shared-reports/{token} opens the report for staff who are logged in, "
            "have reports:read, and may read the figures",
            "examples": ["t2ZpJm1vQmF0Wk5zQ2VxR0h1T2hLbFpxY3JvU3dYVGs"],
        }
    )


class ReportSharesSchema(Schema):
    """The links of a report."""

    items = fields.List(fields.Nested(ReportShareSchema))


class ReportReaderSchema(Schema):
    """Somebody who may get a report."""

    id = fields.Integer(attribute="user_id", metadata={"examples": [7]})
    name = fields.String(metadata={"examples": ["Ada Admin"]})


class ReportReadersSchema(Schema):
    """Who may get a report."""

    readers = fields.List(fields.Nested(ReportReaderSchema))


ReportPage = page_of(ReportSchema)
ReportRunPage = page_of(ReportRunSchema)
