"""The form of a period that stands above figures: its values are the address, so that what is seen can be shared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict
from wtforms import Form, StringField
from wtforms.widgets import DateInput

from app.analytics.rules.periods import MAX_DAYS, USUAL_DAYS, Period, period_of
from app.core.display import span_on
from app.core.errors import Invalid

PRESETS: Final = (7, 30, 90, 365)
_LONGEST: Final = 40
_WHOLE: Final = f"The number of days must be a whole number from 1 to {MAX_DAYS}."


@dataclass(frozen=True, slots=True)
class Preset:
    """A link to the last so many days."""

    days: int
    is_current: bool


class DayField(StringField):
    """A day as browsers send it; ``day`` is None where none was typed, or what was typed is none."""

    widget = DateInput()
    day: date | None = None
    data: Any

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read ``2026-11-21``; complain of anything else."""
        self.data = (valuelist[0] if valuelist else "").strip()[:_LONGEST]
        if not self.data:
            return
        self.day = _day(self.data)
        if self.day is None:
            raise ValueError(f"“{self.data}” is no day; days are written like 2026-11-21.")

    def _value(self) -> str:
        """What the field shows: browsers complain of what is no day."""
        return "" if self.errors or not self.data else str(self.data)


class PeriodForm(Form):
    """Days of the shop: ``from`` and ``to``, or the last ``days``. ``period`` is the usual one where they are wrong."""

    first_on = DayField("From", name="from")
    last_on = DayField("To", name="to")

    def __init__(self, asked: MultiDict[str, str], *, today: date, most: int = MAX_DAYS) -> None:
        """Read the address; ``today`` is the shop's day, and a period has ``most`` days."""
        super().__init__(asked)
        self.today = today
        self._most = most
        self.validate()
        self.period = self._read(asked.get("days", "").strip())
        if not self.is_wrong:
            self.first_on.data, self.last_on.data = str(self.period.first_on), str(self.period.last_on)

    @property
    def is_wrong(self) -> bool:
        """Whether what is shown is not what was asked for."""
        return bool(self.errors)

    def status(self) -> int:
        """What a page with this form answers."""
        return 422 if self.is_wrong else 200

    def presets(self) -> list[Preset]:
        """Links to usual periods, the one that is shown marked."""
        shown = None if self.is_wrong or self.period.last_on != self.today else self.period.days
        return [Preset(days, days == shown) for days in PRESETS]

    def said(self) -> str:
        """The period in words of the reader."""
        return span_on(self.period.first_on, self.period.last_on)

    def said_before(self) -> str:
        """The period that it is compared with, in words of the reader."""
        before = self.period.before()
        return span_on(before.first_on, before.last_on)

    def address(self) -> dict[str, str]:
        """The period as arguments of the API."""
        return {"from": str(self.period.first_on), "to": str(self.period.last_on)}

    def blame(self, name: str, text: str) -> None:
        """Say at a field what is wrong with what was asked."""
        field = self._fields.get(name, self.first_on)
        field.errors = [*field.errors, text]

    def cleaned(self, name: str, rule: Any) -> str | None:
        """What was typed into a field, read by a rule of the API; None where there is nothing or it is wrong."""
        text = (self._fields[name].data or "").strip()
        if not text:
            return None
        try:
            return str(rule.deserialize(text))
        except ValidationError as error:
            said = " ".join(str(message) for message in error.messages)
            self.blame(name, said[:1].upper() + said[1:])
            return None

    def _read(self, days: str) -> Period:
        usual = period_of(None, None, today=self.today)
        if self.is_wrong:
            return usual
        given = self.first_on.day is not None or self.last_on.day is not None
        last = USUAL_DAYS if given or not days else _days(days)
        if last is None:
            self.blame("from", _WHOLE)
            return usual
        try:
            return period_of(self.first_on.day, self.last_on.day, today=self.today, days=last, most=self._most)
        except Invalid as refusal:
            for error in refusal.errors:
                self.blame(error.pointer.strip("/"), error.detail[:1].upper() + error.detail[1:])
            return usual


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if str(found) == text else None  # other ways to write a day are read as well


def _days(text: str) -> int | None:
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    return found if 1 <= found <= MAX_DAYS else None
