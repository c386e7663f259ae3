"""``flask webhook``: webhooks from the command line."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from app.core import permissions
from app.core.commands import CommandGroup
from app.core.errors import Refusal
from app.core.orm import utc_now
from app.notifications.queries.webhooks import MAX_WEBHOOKS, list_webhooks
from app.notifications.services import redelivery

group = CommandGroup("webhook", help="Servers that are told what happens here.")


@group.command("list")
def show() -> None:
    """List all webhooks."""
    table = Table("id", "name", "url", "kinds", "state", "failures", box=None)
    for row in list_webhooks(limit=MAX_WEBHOOKS, cursor=None).items:
        state = "active" if row.is_active else f"inactive {row.disabled_reason or ''}".strip()
        table.add_row(str(row.id), row.name, row.url, " ".join(row.kinds), state, str(row.failures))
    Console().print(table)


@group.command("test")
@click.argument("webhook_id", type=int)
def test(webhook_id: int) -> None:
    """Send a test event to the webhook WEBHOOK_ID; a background worker does it."""
    try:
        sent = redelivery.send_test(actor=permissions.system(), now=utc_now(), webhook_id=webhook_id)
    except Refusal as refusal:
        raise click.ClickException(refusal.detail) from None
    click.echo(f"delivery {sent.id}: {sent.event_id}")
