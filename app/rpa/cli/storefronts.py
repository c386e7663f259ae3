"""``flask storefront``: profiles from the command line."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from app.core import permissions
from app.core.commands import CommandGroup
from app.core.orm import utc_now
from app.rpa.cli.profile_files import checked
from app.rpa.cli.refusals import refusals_shown
from app.rpa.cli.trials import JSON_FILE, suggest_profile, try_product
from app.rpa.queries import storefronts as stored
from app.rpa.rules.holds import gap_of
from app.rpa.schemas.storefronts import StorefrontChange, StorefrontIn
from app.rpa.services import storefronts

storefront_commands = CommandGroup("storefront", help="Storefront profiles.")


@storefront_commands.command("create")
@click.argument("profile", type=JSON_FILE)
@click.option("--code", required=True, help="Short name that jobs use.")
@click.option("--name", help="Name for people; the code when not given.")
def create_storefront(profile: Path, code: str, name: str | None) -> None:
    """Create a storefront from the JSON file PROFILE; every mistake in it is named."""
    sent = checked(StorefrontIn(), {"code": code, "name": name or code}, profile)
    with refusals_shown():
        row = storefronts.create_storefront(actor=permissions.system(), now=utc_now(), **sent)
    click.echo(f"storefront {row.id} {row.code}")


@storefront_commands.command("update")
@click.argument("code")
@click.argument("profile", type=JSON_FILE)
@click.option("--name", help="A new name for people.")
@click.option("--active/--inactive", default=True, show_default=True, help="Whether tasks may start on it.")
@click.option("--note", help="Why; kept with the profile's version.")
def update_storefront(code: str, profile: Path, name: str | None, active: bool, note: str | None) -> None:
    """Give the storefront CODE the profile in the JSON file PROFILE; it holds from the next task on."""
    known = stored.find_storefront(code)
    if known is None:
        raise click.ClickException(f"There is no storefront {code}; create it first.")
    sent = checked(StorefrontChange(), {"name": name or known.name, "is_active": active, "note": note}, profile)
    with refusals_shown():
        row = storefronts.update_storefront(
            actor=permissions.system(),
            now=utc_now(),
            storefront_id=known.id,
            expected_version=known.version,
            **sent,
        )
    click.echo(f"storefront {row.id} {row.code} version {row.version}")


@storefront_commands.command("list")
def list_storefronts() -> None:
    """List the storefronts."""
    table = Table("id", "code", "name", "active", "gap", "concurrency", "waits for", box=None)
    for row in stored.list_storefronts(limit=100, cursor=None).items:
        gap = f"{gap_of(row).total_seconds() * 1000:g} ms"
        waits = row.waits.reason if row.waits else ""
        cells = (row.id, row.code, row.name, row.is_active, gap, row.concurrency, waits)
        table.add_row(*(str(cell) for cell in cells))
    Console().print(table)


storefront_commands.add_command(try_product)
storefront_commands.add_command(suggest_profile)
