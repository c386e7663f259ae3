"""The form of a saved report; the rules themselves are those of the API."""

from __future__ import annotations

from typing import Any, Final

from wtforms import SelectChoice, SelectField, StringField
from wtforms.validators import Length

from app.analytics.queries.report_kinds import KINDS
from app.analytics.rules.report_periods import LABELS, LAST_DAYS, label_of
from app.auth.preferences import time_zones
from app.core.forms import ChecksField, EditForm, Form, TextField

_OFF: Final = {"autocomplete": "off"}
LAST: Final = (7, 30, 90, 365)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RHYTHMS: Final = {
    "": "Only when somebody asks",
    "daily": "Every day",
    "weekly": "Every week",
    "monthly": "Every month",
}
FILTERS: Final = ("currency", "category_id", "brand", "asin", "storefront")


def _choices(values: dict[str, str]) -> list[SelectChoice]:
    return [SelectChoice(value, label) for value, label in values.items()]


class _ReportFields:
    name = TextField("Name", longest=255, render_kw=_OFF, description="The subject of its mails.")
    kind = SelectField("Figures", choices=_choices({name: kind.label for name, kind in KINDS.items()}))
    period = SelectField("Period", description="Days of the shop, counted from the day of each run.")
    brand = StringField("Brand", validators=[Length(max=255)], render_kw=_OFF)
    asin = StringField("ASIN", validators=[Length(max=20)], render_kw=_OFF)
    category_id = StringField("Category number", validators=[Length(max=18)], render_kw=_OFF | {"inputmode": "numeric"})
    currency = StringField("Currency", validators=[Length(max=3)], render_kw=_OFF | {"placeholder": "USD"})
    storefront = StringField("Storefront", validators=[Length(max=64)], render_kw=_OFF)
    rhythm = SelectField("Send it", choices=_choices(_RHYTHMS))
    hour = SelectField("At", choices=_choices({str(at): f"{at:02}:00" for at in range(24)}), default="7")
    weekday = SelectField(
        "Weekday", choices=_choices({str(at): day for at, day in enumerate(WEEKDAYS, 1)}), default="1"
    )
    month_day = SelectField(
        "Day of the month", choices=_choices({str(at): str(at) for at in range(1, 29)}), default="1"
    )
    timezone = SelectField("Time zone", choices=[SelectChoice(name, name) for name in time_zones()])
    recipients = ChecksField("Mail it to")

    def offer(self, people: list[tuple[str, str]], days: int | None = None) -> None:
        """Offer these people (id, name), and the usual periods with that of so many days."""
        self.recipients.choices = [SelectChoice(*person) for person in people]
        numbers = sorted({*LAST, *([] if days is None else [days])})
        last = {f"{LAST_DAYS}:{each}": label_of(LAST_DAYS, each) for each in numbers}
        self.period.choices = _choices(last | LABELS)

    def wanted(self) -> dict[str, Any]:
        """What was filled in, as the API takes it."""
        period, _, days = (self.period.data or "").partition(":")
        given = {name: (getattr(self, name).data or "").strip() for name in FILTERS}
        filters: dict[str, Any] = {name: text for name, text in given.items() if text}
        number = filters.get("category_id", "")
        if number.isascii() and number.isdigit():
            filters["category_id"] = int(number)
        schedule = None
        if self.rhythm.data:
            schedule = {"rhythm": self.rhythm.data, "hour": int(self.hour.data), "timezone": self.timezone.data}
            names = {"weekly": "weekday", "monthly": "month_day"}
            schedule |= {of: int(getattr(self, of).data) for rhythm, of in names.items() if rhythm == self.rhythm.data}
        return {
            "name": self.name.data or "",
            "kind": self.kind.data,
            "period": period,
            "days": int(days) if days else None,
            "filters": filters,
            "schedule": schedule,
            "recipients": [int(each) for each in self.recipients.data or []],
        }


class NewReportForm(_ReportFields, Form):
    """A report to make."""


class ReportForm(_ReportFields, EditForm):
    """A report to change."""
