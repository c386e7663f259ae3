"""Moments of which the application's clocks agree on which side of now they lie."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.core.orm import utc_now


def just_past() -> datetime:
    """A moment that is over by the database's clock, too: that of SQLite lags up to 1 ms behind this machine's."""
    return utc_now() - timedelta(seconds=1)
