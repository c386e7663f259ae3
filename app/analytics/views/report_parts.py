"""What the pages of reports share: what was filled in, checked by the API's rules, and figures as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from marshmallow import ValidationError

from app.analytics.charts import of_reports
from app.analytics.forms.reports import FILTERS, WEEKDAYS
from app.analytics.models.reports import Report, ReportRun, Rhythm
from app.analytics.queries.report_kinds import KINDS, list_readers
from app.analytics.queries.report_mailing import FailedMail, find_failed_mails
from app.analytics.queries.reports import Figures, figures_of
from app.analytics.rules.farm_figures import STAGES
from app.analytics.rules.report_periods import LAST_DAYS, label_of
from app.analytics.rules.report_tables import Column
from app.analytics.schemas.reports import ReportIn
from app.core.display import amount, day_on, number
from app.core.errors import FieldError, Invalid
from app.core.permissions import Principal
from app.core.running import settings

SHOWN: Final = 200
"""Rows that a page shows; the CSV has all."""
_OFFERED: Final = 200
STATES: Final = {
    "WAITING": ("Waiting", "accent"),
    "RUNNING": ("Running", "accent"),
    "DONE": ("Done", "good"),
    "FAILED": ("Failed", "bad"),
}
_SCHEMA: Final = ReportIn()
_FIELDS: Final = {"days": "period", "schedule": "rhythm", "filters": "kind"}


def checked(wanted: dict[str, Any]) -> dict[str, Any]:
    """What a form wants, by the rules of the API; raises Invalid, which names the form's fields."""
    try:
        found: dict[str, Any] = _SCHEMA.load(wanted)
    except ValidationError as refused:
        errors = tuple(FieldError(f"/{name}", detail) for name, detail in _told(refused.messages_dict))
        raise Invalid("Something is not filled in as it should be.", errors=errors) from None
    return found


def readers_of(kinds: Mapping[str, Any] = KINDS) -> list[tuple[str, str]]:
    """Whom reports may be sent to at all: (id, name), by name."""
    by_permission = {kind.permission: name for name, kind in kinds.items()}
    people = {str(one.user_id): one.name for name in by_permission.values() for one in list_readers(name)}
    return sorted(people.items(), key=lambda person: (person[1].casefold(), person[0]))[:_OFFERED]


def filled_in(row: Report | None) -> dict[str, Any]:
    """The values of the form's fields for a report, or for a new one."""
    zone = str(settings().timezone)
    if row is None:
        return {"period": f"{LAST_DAYS}:30", "timezone": zone, "rhythm": "weekly"}
    period = f"{LAST_DAYS}:{row.days}" if row.period == LAST_DAYS else row.period
    schedule = {name: str(value) for name, value in (row.schedule or {}).items() if value is not None}
    usual = {"timezone": zone, "hour": "7", "weekday": "1", "month_day": "1", "rhythm": ""}
    filters = {name: str(row.filters[name]) if name in row.filters else "" for name in FILTERS}
    people = [str(each) for each in row.recipients]
    return {"name": row.name, "kind": row.kind, "period": period, **filters, **usual, **schedule, "recipients": people}


def figures_or_reason(actor: Principal, row: Report) -> tuple[Figures | None, str | None]:
    """The figures of a report, or why they are not shown."""
    if not actor.may(KINDS[row.kind].permission):
        return None, f"You may not read these figures: that needs the permission {KINDS[row.kind].permission}."
    try:
        return figures_of(actor, row), None
    except Invalid as refusal:
        return None, " ".join([refusal.detail, *(error.detail for error in refusal.errors)])


def cells_of(figures: Figures) -> list[list[str]]:
    """The first rows as people read them."""
    table = figures.table
    return [[_cell(row[column.name], column, row) for column in table.columns] for row in table.rows[:SHOWN]]


def currencies_of(figures: Figures) -> list[str]:
    """The currencies that have a chart of their own; none where one chart has all."""
    found = of_reports.currencies_of(KINDS[figures.kind].chart, figures.table.rows)
    return found if len(found) > 1 else []


def failed_by_run(runs: Sequence[ReportRun]) -> dict[int, list[FailedMail]]:
    """The mails of each run that did not get through so far."""
    found: dict[int, list[FailedMail]] = {}
    for mail in find_failed_mails([run.id for run in runs]):
        found.setdefault(mail.run_id, []).append(mail)
    return found


def schedule_words(row: Report) -> str:
    """When a report is sent, in words."""
    if row.rhythm is None:
        return "Only when somebody asks"
    days = {
        Rhythm.DAILY: "Every day",
        Rhythm.WEEKLY: f"Every {WEEKDAYS[(row.weekday or 1) - 1]}",
        Rhythm.MONTHLY: f"On day {row.month_day} of every month",
    }
    return f"{days[Rhythm(row.rhythm)]} at {row.hour:02}:00 ({row.timezone})"


def period_words(row: Report) -> str:
    """The period of a report in words."""
    return label_of(row.period, row.days)


def _cell(value: Any, column: Column, row: Mapping[str, Any]) -> str:
    if value is None:
        return "–"
    if column.kind == "money":
        return amount(value, row["currency"])
    if isinstance(value, date):
        return day_on(value)
    if column.name == "stage":
        return STAGES.get(str(value), str(value))
    if column.kind in {"whole", "decimal", "percent", "seconds"}:
        return number(value if isinstance(value, int) else Decimal(str(value)))
    return str(value)


def _told(messages: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Each message with the form's field that it is about."""
    for key, value in messages.items():
        field = name if isinstance(key, int) or key == "_schema" else str(key)
        if isinstance(value, dict):
            yield from _told(value, field)
        else:
            yield from ((_FIELDS.get(field, field), str(text)) for text in value)
