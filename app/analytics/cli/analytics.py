"""``flask analytics``: figures that are kept, from the command line."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.analytics.services import recommendations
from app.analytics.services.best_sellers import rank_best_sellers
from app.core.orm import utc_now

analytics_commands = AppGroup("analytics", help="Figures that are kept.")


@analytics_commands.command("recommend")
@click.option("--anew", is_flag=True, help="Forget what was counted and count all orders again.")
def recommend(*, anew: bool) -> None:
    """Count what was bought together since the last time, and rank the best sellers.

    Background workers do so every few minutes; products keep what is recommended with them until there is better.
    """
    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} sales looked at"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("counting", total=None)
        recommendations.recommend_all(clock=utc_now, anew=anew, progress=lambda facts: progress.advance(task, facts))
    ranked = rank_best_sellers(now=utc_now())
    click.echo(f"{ranked} categories and brands ranked")
