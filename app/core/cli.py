"""``flask secrets``: what is encrypted in the database, from the command line."""

from __future__ import annotations

import click

from app.core.commands import CommandGroup
from app.core.vault import count_secrets, encrypt_again

group = CommandGroup("secrets", help="Stored secrets that are encrypted with ENCRYPTION_KEY.")


@group.command("rotate")
def rotate() -> None:
    """Encrypt every stored secret with ENCRYPTION_KEY; what OLD_ENCRYPTION_KEYS encrypted is read with those.

    Ends with 1 if one cannot be read; it stays as it is. Safe to repeat.
    """
    counts = encrypt_again()
    click.echo(f"{counts.readable} secrets are now encrypted with ENCRYPTION_KEY.")
    _refuse_unreadable(counts.unreadable)


@group.command("check")
def check() -> None:
    """Say whether every stored secret can be read with the present keys; ends with 1 if one cannot."""
    counts = count_secrets()
    click.echo(f"{counts.readable} secrets can be read.")
    _refuse_unreadable(counts.unreadable)


def _refuse_unreadable(count: int) -> None:
    if count:
        raise click.ClickException(f"{count} secrets cannot be read: add the key they need to OLD_ENCRYPTION_KEYS.")
