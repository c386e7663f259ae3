"""``flask analytics check-farm`` and ``rebuild-farm``: what is added up of the farm."""

from __future__ import annotations

import sys
from typing import Final

import click
from flask.cli import with_appcontext

from app.analytics.queries.farm_drift import compare_days
from app.analytics.rules.farm_buckets import Grain
from app.analytics.services.farm_adding import add_up, begin_anew
from app.core.running import settings

_OF: Final = {Grain.HOUR: "hours of ", Grain.DAY: "", Grain.MONTH: "month from "}


@click.command("check-farm")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 3660), help="How many, with today.")
@with_appcontext
def check_farm(*, days: int) -> None:
    """Compare the farm's sums with its tasks and attempts; ends with 1 where they are not the same."""
    buckets = wrong = 0
    for day in compare_days(days):
        buckets += day.buckets
        wrong += len(day.wrong)
        if day.wrong:
            on = day.begins_at.astimezone(settings().timezone).date()
            click.echo(f"{_OF[day.grain]}{on}: {len(day.wrong)} sums are wrong")
    click.echo(f"{buckets} sums compared, {wrong} of them wrong")
    if wrong:
        click.echo("Make them anew: flask analytics rebuild-farm", err=True)
        sys.exit(1)


@click.command("rebuild-farm")
@with_appcontext
def rebuild_farm() -> None:
    """Add up anew all that the farm ever did; until it is done, its figures answer 503 NOT_ADDED_UP_YET."""
    begin_anew()
    while not add_up(for_s=5):
        click.echo(".", nl=False, err=True)
    click.echo("added up")
