"""``flask search``: how search is doing, and building it anew."""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from app.core.commands import CommandGroup
from app.core.extensions import db
from app.core.orm import utc_now
from app.products.search import elasticsearch, indexing, upkeep
from app.products.search.elasticsearch import ServerAway

group = CommandGroup("search", help="Search.")


@group.command("status")
def show_status() -> None:
    """Show what answers searches, how much it knows, and how far behind it is."""
    status = upkeep.read_status(now=utc_now())
    click.echo(f"backend          {status.backend}")
    click.echo(f"products         {status.products:,}")
    click.echo(f"documents        {status.documents:,}")
    click.echo(f"words            {status.words:,}")
    click.echo(f"queued           {status.queued:,}, for {status.lag_s:.1f} s")
    if status.backend != "database":
        known = "does not answer" if status.server_documents is None else f"{status.server_documents:,} documents"
        click.echo(f"search server    {known}, {status.server_queued:,} queued for it")
    if after := indexing.last_rebuilt():
        click.echo(f"rebuild          interrupted behind product {after}; flask search rebuild goes on from there")


@group.command("rebuild")
@click.option("--server-only", is_flag=True, help="Leave the database's own tables as they are.")
def rebuild(*, server_only: bool) -> None:
    """Bring what search knows to what the product master says, in the database and on the search server.

    Searches go on meanwhile. It may be interrupted: in the database the next call goes on from there, and a search
    server keeps its old index until the new one is whole. Ends with 1 when the server does not answer.
    """
    server = elasticsearch.server()
    if server_only and server is None:
        raise click.UsageError("No search server is configured (SEARCH_URL).")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console()) as bars:
        if not server_only:
            bar = bars.add_task("database", total=_products())
            upkeep.rebuild_database(lambda more: bars.advance(bar, more), now=utc_now)
        if server is not None:
            other = bars.add_task("search server", total=indexing.count_documents())
            try:
                upkeep.rebuild_server(server, lambda more: bars.advance(other, more), now=utc_now())
            except ServerAway as error:
                raise click.ClickException(f"The search server: {error}. Its old index stays in use.") from error
    upkeep.drain()


def _products() -> int:
    """How many products are still to be done."""
    count = indexing.count_products(after=indexing.last_rebuilt())
    db.session.rollback()
    return count
