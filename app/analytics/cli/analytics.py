"""``flask analytics``: figures that are kept, from the command line."""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.analytics.cli.farm import check_farm, rebuild_farm
from app.analytics.cli.prices import rebuild_price_index
from app.analytics.cli.sales_drift import check_sales
from app.analytics.services import recommendations
from app.analytics.services.best_sellers import rank_best_sellers
from app.analytics.services.sales_ranking import rank_sales
from app.analytics.services.sales_rebuilding import DAYS_AT_ONCE, rebuild
from app.core.commands import CommandGroup
from app.core.orm import utc_now

analytics_commands = CommandGroup("analytics", help="Figures that are kept.")
analytics_commands.add_command(rebuild_price_index)
analytics_commands.add_command(check_farm)
analytics_commands.add_command(rebuild_farm)


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


@analytics_commands.command("rebuild")
@click.option("--days-at-once", type=click.IntRange(1, 366), default=DAYS_AT_ONCE, show_default=True)
def rebuild_sales(*, days_at_once: int) -> None:
    """Make the rollups of sales anew from the facts, some days in each transaction, while sales go on."""
    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} days"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("summing up", total=None)
        days = rebuild(days_at_once=days_at_once, progress=lambda some: progress.advance(task, some))
    rank_sales(now=utc_now())
    click.echo(f"{days} days made anew")


analytics_commands.add_command(check_sales)
