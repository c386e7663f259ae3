"""``flask storefront try`` and ``suggest``: profiles tried and proposed from the command line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

import click
from flask.cli import with_appcontext
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.core import permissions
from app.core.extensions import db
from app.core.fields import ASIN
from app.core.orm import json_text
from app.rpa.cli.profile_files import profile_of
from app.rpa.cli.refusals import refusals_shown
from app.rpa.models.trials import Trial, TrialState
from app.rpa.queries import storefronts as stored
from app.rpa.queries.trials import is_trial_ended
from app.rpa.services import suggestions, trials

JSON_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_POLL_S: Final = 0.25
_WAIT: Final = click.option(
    "--wait", type=click.FloatRange(1, 3600), default=180, show_default=True, help="Seconds to wait for the result."
)


@click.command("try")
@click.argument("code")
@click.argument("asin")
@click.option("--version", type=click.IntRange(1), help="A version of the profile; by itself the active one.")
@click.option("--profile", type=JSON_FILE, help="A profile that is kept nowhere yet.")
@_WAIT
@with_appcontext
def try_product(code: str, asin: str, version: int | None, profile: Path | None, wait: float) -> None:
    """Read the product ASIN by a profile of the storefront CODE and show what each field says; nothing is recorded."""
    known = stored.find_storefront(code)
    if known is None:
        raise click.ClickException(f"There is no storefront {code}; create it first.")
    if version and profile:
        raise click.UsageError("Say either --version or --profile.")
    if not ASIN.fullmatch(asin.upper()):
        raise click.UsageError("An ASIN has ten letters and digits.")
    document = profile_of(profile) if profile else None
    with refusals_shown():
        row = trials.submit_try(
            actor=permissions.system(), storefront_id=known.id, asin=asin.upper(), version=version, profile=document
        )
    done = _ended(row.id, wait)
    _show_fields(done.result or {})
    _say_how(done)


@click.command("suggest")
@click.argument("urls", nargs=-1, required=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the profile into this file.")
@_WAIT
@with_appcontext
def suggest_profile(urls: tuple[str, ...], out: Path | None, wait: float) -> None:
    """Propose a profile from one or two product pages of a shop (URLS), and say how sure each part of it is."""
    if len(urls) > suggestions.MOST_URLS:
        raise click.UsageError("Name one or two product pages.")
    with refusals_shown():
        row = suggestions.submit_suggestion(actor=permissions.system(), urls=urls)
    done = _ended(row.id, wait)
    result = done.result or {}
    table = Table("part", "sure", "value", "why", box=None)
    for part in (*result.get("parts", ()), *result.get("cart", ())):
        cells = (part["pointer"], f"{part['sure']:.2f}", json_text(part["value"]), part["reason"])
        table.add_row(*(escape(str(cell)) for cell in cells))
    Console(stderr=True).print(table)
    if result:
        profile = json.dumps(result["storefront"]["profile"], indent=2)
        click.echo(profile) if out is None else out.write_text(profile + "\n", encoding="utf-8")
    _say_how(done)


def _ended(trial_id: int, seconds: float) -> Trial:
    """The trial when it has ended; a ClickException when that takes too long."""
    deadline = time.monotonic() + seconds
    while not is_trial_ended(trial_id):
        db.session.rollback()
        if time.monotonic() > deadline:
            raise click.ClickException(f"Trial {trial_id} has not ended yet; does a worker run? Its result is kept.")
        time.sleep(_POLL_S)
    db.session.rollback()
    return db.session.get_one(Trial, trial_id, populate_existing=True)


def _show_fields(result: dict[str, Any]) -> None:
    table = Table("field", "value", "source", "as written", box=None)
    for name, read in result.get("fields", {}).items():
        value = read["value"] if read["code"] is None else f"- {read['code']}"
        cells = (name, value, read["source"] or "", read["raw"] or read["detail"] or "")
        table.add_row(*(escape(str(cell)) for cell in cells))
    Console().print(table)
    timings = result.get("timings_ms", {})
    click.echo("  ".join(f"{stage} {spent} ms" for stage, spent in timings.items()))


def _say_how(row: Trial) -> None:
    """One line about how it ended; exit 1 when it failed."""
    if row.state == TrialState.FAILED:
        raise click.ClickException(f"{row.code}: {row.detail or ''}")
    click.echo(f"trial {row.id}: ok", err=True)
