"""``flask storefront``: profiles from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
import orjson
from flask.cli import AppGroup
from marshmallow import Schema, ValidationError
from rich.console import Console
from rich.table import Table

from app.core import permissions
from app.core.orm import utc_now
from app.rpa.queries import storefronts as stored
from app.rpa.refusals import refusals_shown
from app.rpa.schemas.storefronts import StorefrontChange, StorefrontIn
from app.rpa.services import storefronts

storefront_commands = AppGroup("storefront", help="Storefront profiles.")

_JSON_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@storefront_commands.command("create")
@click.argument("profile", type=_JSON_FILE)
@click.option("--code", required=True, help="Short name that jobs use.")
@click.option("--name", help="Name for people; the code when not given.")
def create_storefront(profile: Path, code: str, name: str | None) -> None:
    """Create a storefront from the JSON file PROFILE; every mistake in it is named."""
    checked = _checked(StorefrontIn(), {"code": code, "name": name or code}, profile)
    with refusals_shown():
        row = storefronts.create_storefront(actor=permissions.system(), now=utc_now(), **checked)
    click.echo(f"storefront {row.id} {row.code}")


@storefront_commands.command("update")
@click.argument("code")
@click.argument("profile", type=_JSON_FILE)
@click.option("--name", help="A new name for people.")
@click.option("--active/--inactive", default=True, show_default=True, help="Whether tasks may start on it.")
@click.option("--note", help="Why; kept with the profile's version.")
def update_storefront(code: str, profile: Path, name: str | None, active: bool, note: str | None) -> None:
    """Give the storefront CODE the profile in the JSON file PROFILE; it holds from the next task on."""
    known = stored.find_storefront(code)
    if known is None:
        raise click.ClickException(f"There is no storefront {code}; create it first.")
    checked = _checked(StorefrontChange(), {"name": name or known.name, "is_active": active, "note": note}, profile)
    with refusals_shown():
        row = storefronts.update_storefront(
            actor=permissions.system(),
            now=utc_now(),
            storefront_id=known.id,
            expected_version=known.version,
            **checked,
        )
    click.echo(f"storefront {row.id} {row.code} version {row.version}")


@storefront_commands.command("list")
def list_storefronts() -> None:
    """List the storefronts."""
    table = Table("id", "code", "name", "active", "gap", "concurrency", box=None)
    for row in stored.list_storefronts(limit=100, cursor=None).items:
        cells = (row.id, row.code, row.name, row.is_active, f"{row.gap_ms} ms", row.concurrency)
        table.add_row(*(str(cell) for cell in cells))
    Console().print(table)


def _checked(schema: Schema, about: dict[str, Any], profile: Path) -> dict[str, Any]:
    try:
        checked: dict[str, Any] = schema.load(about | {"profile": orjson.loads(profile.read_bytes())})
    except orjson.JSONDecodeError as error:
        raise click.ClickException(f"{profile} is not JSON: {error}") from None
    except ValidationError as error:
        raise click.ClickException("The profile breaks rules:\n" + _listed(error.messages)) from None
    return checked


def _listed(messages: Any, path: str = "") -> str:
    if isinstance(messages, dict):
        return "\n".join(_listed(inner, f"{path}/{name}") for name, inner in messages.items())
    return "\n".join(f"  {path.removesuffix('/_schema')}: {text}" for text in messages)
