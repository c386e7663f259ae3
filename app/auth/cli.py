"""``flask user``: accounts from the command line."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.auth import passwords
from app.auth.queries.accounts import has_administrator
from app.auth.services import accounts
from app.core.errors import Refusal
from app.core.orm import utc_now
from app.core.permissions import system

group = AppGroup("user", help="Users of the back office.")


@group.command("create-admin")
@click.option("--email", envvar="ADMIN_EMAIL", default="admin@localhost", show_default=True, help="[ADMIN_EMAIL]")
@click.option("--name", default="Administrator", show_default=True)
@click.option("--password", envvar="ADMIN_PASSWORD", help="8 to 128 characters. [ADMIN_PASSWORD]")
@click.option("--generate", is_flag=True, help="Make up a password, whatever ADMIN_PASSWORD says, and print it once.")
@click.option("--if-none", is_flag=True, help="Do nothing where there is an administrator.")
def create_admin(email: str, name: str, password: str | None, *, generate: bool, if_none: bool) -> None:
    """Create an administrator; without a password one is made up and printed once."""
    if if_none and has_administrator():
        return
    chosen = None if generate else password
    secret = chosen or passwords.generate_password()
    try:
        accounts.create_administrator(actor=system(), email=email, name=name, password=secret, now=utc_now())
    except Refusal as refusal:
        reasons = "; ".join(f"{error.pointer.strip('/')} {error.detail}" for error in refusal.errors)
        raise click.ClickException(reasons or refusal.detail) from refusal
    click.echo(f"Administrator: {accounts.normalised_email(email)}")
    if chosen is None:
        click.echo(f"Password, shown only now: {secret}")
