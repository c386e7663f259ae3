"""``flask storefront politeness``, ``robots`` and ``end-cooldown``: how considerately a storefront is visited."""

from __future__ import annotations

from typing import Any

import click
from marshmallow import ValidationError

from app.core import permissions
from app.core.orm import utc_now
from app.rpa.cli.refusals import refusals_shown
from app.rpa.cli.storefronts import storefront_commands
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.robots import get_robots
from app.rpa.queries.storefronts import find_storefront, with_standing
from app.rpa.rules.hours import DAYS
from app.rpa.schemas.politeness import PolitenessIn
from app.rpa.services.cooldowns import end_cooldown
from app.rpa.services.robots import request_refresh
from app.rpa.services.storefronts import set_politeness


@storefront_commands.command("politeness")
@click.argument("code")
@click.option("--timezone", help="IANA time zone of the hours and of the cap's day.")
@click.option("--hours", "windows", multiple=True, help="mon-fri 22:00-06:00; give it again for more.")
@click.option("--any-hour", is_flag=True, help="Take all hours away: it may be visited at any.")
@click.option("--daily-cap", type=int, help="Pages a day at most; 0: no cap.")
@click.option("--ignore-robots", metavar="REASON", help="Do not obey robots.txt, and why.")
@click.option("--obey-robots", is_flag=True, help="Obey robots.txt again.")
def change_politeness(
    code: str,
    timezone: str | None,
    windows: tuple[str, ...],
    any_hour: bool,
    daily_cap: int | None,
    ignore_robots: str | None,
    obey_robots: bool,
) -> None:
    """Show when the storefront CODE may be visited and why nothing starts now; with options, change that first."""
    shop = _found(code)
    changes: dict[str, Any] = {}
    if timezone is not None:
        changes["timezone"] = timezone
    if windows or any_hour:
        changes["hours"] = [_window(text) for text in windows]
    if daily_cap is not None:
        changes["daily_cap"] = daily_cap or None
    if ignore_robots is not None or obey_robots:
        changes |= {"obeys_robots": obey_robots, "override_reason": ignore_robots}
    if changes:
        shop = _changed(shop, changes)
    _show(with_standing(shop))


@storefront_commands.command("robots")
@click.argument("code")
@click.option("--asin", help="Say of this product's pages whether they are allowed.")
@click.option("--refresh", is_flag=True, help="Have it read again; a background worker does so within seconds.")
def show_robots(code: str, asin: str | None, refresh: bool) -> None:
    """Show what was read of the robots.txt of the storefront CODE."""
    shop = _found(code)
    if refresh:
        request_refresh(actor=permissions.system(), storefront_id=shop.id)
    found = get_robots(shop.id, asin=asin)
    for shown in found.files:
        file = shown.file
        click.echo(
            f"{shown.url}: {file.state if file else 'UNREAD'}" + (f" ({file.problem})" if file and file.problem else "")
        )
        for rule in shown.rules.shown:
            click.echo(f"  {rule}")
    for page in found.pages:
        word = {True: "allowed", False: "denied", None: "not known yet"}[page.is_allowed]
        click.echo(f"{page.url}: {word}")


@storefront_commands.command("end-cooldown")
@click.argument("code")
def stop_cooling(code: str) -> None:
    """Wait no longer for the storefront CODE, which blocks us: its next task probes."""
    shop = _found(code)
    with refusals_shown():
        shop = end_cooldown(actor=permissions.system(), storefront_id=shop.id)
    _show(with_standing(shop))


def _found(code: str) -> Storefront:
    shop = find_storefront(code)
    if shop is None:
        raise click.ClickException(f"There is no storefront {code}.")
    return shop


def _changed(shop: Storefront, changes: dict[str, Any]) -> Storefront:
    try:
        wanted = PolitenessIn().load(shop.politeness | changes)
    except ValidationError as error:
        raise click.ClickException(f"That breaks a rule: {error.messages}") from None
    with refusals_shown():
        return set_politeness(
            actor=permissions.system(),
            now=utc_now(),
            storefront_id=shop.id,
            expected_version=shop.version,
            politeness=wanted,
        )


def _show(shop: Storefront) -> None:
    for window in shop.hours or []:
        click.echo(f"{','.join(window['days'])} {window['start']}-{window['end']} {shop.timezone}")
    if not shop.hours:
        click.echo("at any hour")
    cap = "no cap" if shop.daily_cap is None else f"at most {shop.daily_cap}"
    click.echo(f"{shop.pages_today} pages today ({cap}, {shop.timezone})")
    override = shop.robots_override
    click.echo(
        "obeys robots.txt" if override is None else f"ignores robots.txt: {override['reason']} ({override['by']})"
    )
    if shop.waits is not None:
        until = f" Until {shop.waits.until.isoformat(timespec='seconds')}." if shop.waits.until else ""
        click.echo(f"{shop.waits.reason}: {shop.waits.detail}{until}")


def _window(text: str) -> dict[str, Any]:
    """``mon-fri 22:00-06:00`` or ``sat,sun 00:00-24:00`` as the API has it."""
    try:
        days, times = text.lower().split()
        start, end = times.split("-")
        return {"days": [day for part in days.split(",") for day in _days(part)], "start": start, "end": end}
    except ValueError:
        raise click.BadParameter(f"{text!r} is no window such as mon-fri 22:00-06:00") from None


def _days(part: str) -> list[str]:
    first, _, last = part.partition("-")
    at, to = DAYS.index(first), DAYS.index(last or first)
    return list(DAYS[at : to + 1] if at <= to else DAYS[at:] + DAYS[: to + 1])
