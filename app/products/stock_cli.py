"""``flask stock``: stock from the command line."""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.core.commands import CommandGroup
from app.core.orm import utc_now
from app.core.permissions import system
from app.products.services.stock_audit import Difference, audit_stock, count_stock, repair_stock

group = CommandGroup("stock", help="Stock and its ledger.")


@group.command("audit")
@click.option("--repair", is_flag=True, help="Write a row to the ledger of each product that does not add up.")
def audit(*, repair: bool) -> None:
    """Prove of every product that its counters are the sums of its ledger, and that what is allocated is somebody's.

    Prints every difference and ends with 1 if there was one, repaired or not. Nothing has to be stopped for it.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    looked_at = different = 0
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("adding up", total=count_stock())
        for count, found in audit_stock():
            for difference in found:
                click.echo(_line(difference, _repaired(difference) if repair else ""))
            looked_at, different = looked_at + count, different + len(found)
            progress.advance(task, count)
    click.echo(f"{looked_at} products, {different} of them do not add up")
    if different:
        raise click.exceptions.Exit(1)


def _repaired(difference: Difference) -> str:
    done = repair_stock(actor=system(), now=utc_now(), product_id=difference.product_id)
    if done is not None:
        return "; repaired"
    return "" if difference.is_repairable else "; not repaired: more is promised than on hand, count it first"


def _line(found: Difference, note: str) -> str:
    return (
        f"{found.asin} (product {found.product_id}): on hand {found.on_hand}, by the ledger {found.ledger_on_hand}; "
        f"allocated {found.allocated}, by the ledger {found.ledger_allocated}, held {found.promised}{note}"
    )
