"""``flask farm``: what the farm can do, and what that takes."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.rpa.durations import DURATION
from app.rpa.models.jobs import Action
from app.rpa.planning import plan
from app.rpa.queries.estimates import find_facts
from app.rpa.queries.storefronts import find_storefront

farm_commands = AppGroup("farm", help="The farm as a whole.")


@farm_commands.command("plan")
@click.option("--storefront", required=True, help="Code of the storefront.")
@click.option("--products", required=True, type=click.IntRange(1), help="How many products are to be visited.")
@click.option("--deadline", required=True, type=DURATION, help="Until when: 30m, 6h, 2d.")
@click.option("--action", type=click.Choice([action.value for action in Action]), default="view-product")
@click.option("--concurrency", type=click.IntRange(1), help="At most so many of the job's tasks at once.")
def show_plan(storefront: str, products: int, deadline: int, action: str, concurrency: int | None) -> None:
    """Say how many workers get so many products done in time; exit 1 when no number of them does, and why."""
    shop = find_storefront(storefront)
    if shop is None:
        raise click.ClickException(f"There is no storefront {storefront}.")
    facts = find_facts(shop, Action(action), concurrency)
    found = plan(products, facts, deadline)
    known = "as the last visits took" if facts.is_measured else "a default: this storefront was not visited yet"
    click.echo(found.detail)
    click.echo(f"One page takes {facts.seconds_per_task:.1f} s ({known}); {facts.workers} workers are alive.")
    if found.workers is None:
        click.echo("It would be possible with " + ", or ".join(found.ways) + ".")
        raise SystemExit(1)
    click.echo(f"Workers needed: {found.workers}")
