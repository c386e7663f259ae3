"""Refusals of the figures."""

from __future__ import annotations

from app.core.errors import FieldError, Invalid


class PeriodTooWide(Invalid):
    """What was asked would take the database too long; the refusal names a narrower period."""

    code = "PERIOD_TOO_WIDE"

    @classmethod
    def instead(cls, narrower: str) -> PeriodTooWide:
        """Say which period would be narrow enough to try."""
        said = f"Summing this up takes too long. Ask for a narrower period, such as {narrower}, or for fewer filters."
        return cls(said, errors=(FieldError("/from", f"must be later, such as {narrower}.", "query"),))
