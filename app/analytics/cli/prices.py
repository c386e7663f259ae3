"""``flask analytics rebuild-prices``: the price index of earlier days."""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.analytics.services.price_rebuilding import rebuild_prices
from app.core.orm import utc_now


@click.command("rebuild-prices")
def rebuild_price_index() -> None:
    """Compute the price index anew of the days of which all visits are kept (OBSERVATION_DAYS), and of today.

    Earlier days stay as they are.
    """
    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} products"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("comparing", total=None)
        days = rebuild_prices(now=utc_now(), progress=lambda some: progress.advance(task, some))
    click.echo(f"{days} days made anew")
