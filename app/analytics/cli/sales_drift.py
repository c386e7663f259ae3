"""``flask analytics check``: whether rollups and facts say the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import click
from flask.cli import with_appcontext

from app.analytics.queries.sales_drift import (
    Drift,
    count_uncounted,
    covered,
    drifts_of_days,
    drifts_of_hours,
    drifts_of_month,
    hours_kept,
    months_of,
)
from app.analytics.rules.periods import Period
from app.core.extensions import db
from app.core.orm import utc_now

_DAYS_AT_ONCE: Final = 3
_MOST: Final = 100


@click.command("check")
@with_appcontext
def check_sales() -> None:
    """Compare the rollups of sales by day, month and hour with the facts, while sales go on.

    Ends with 1 where they differ.
    """
    whole = covered()
    drifts = [] if whole is None else _drifts_of(whole)
    for drift in drifts[:_MOST]:
        said = ", ".join(f"{name} {value:+}" for name, value in drift.differences.items())
        click.echo(f"{drift.table} {' '.join(map(str, drift.key))}: {said}", err=True)
    days = 0 if whole is None else whole.days
    click.echo(f"{days} days compared, {len(drifts)} rows differ, {count_uncounted()} facts not counted yet")
    if drifts:
        click.echo("Make them anew: flask analytics rebuild", err=True)
        raise click.exceptions.Exit(1)


def _drifts_of(whole: Period) -> list[Drift]:
    found: list[Drift] = []
    for at in range(0, whole.days, _DAYS_AT_ONCE):
        first = whole.first_on + timedelta(days=at)
        found += drifts_of_days(Period(first, min(first + timedelta(days=_DAYS_AT_ONCE - 1), whole.last_on)))
        db.session.rollback()
    for month_on in months_of(whole):
        found += drifts_of_month(month_on)
        db.session.rollback()
    for begin, end in hours_kept(utc_now()):
        found += drifts_of_hours(begin, end)
        db.session.rollback()
    return found
