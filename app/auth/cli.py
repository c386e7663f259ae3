"""``flask user``, ``flask role`` and ``flask oauth``: accounts and ways to log in, from the command line."""

from __future__ import annotations

import os
from typing import Any, Final

import click
from marshmallow import ValidationError

from app.auth import passwords
from app.auth.providers import MAX_PROVIDERS, PRESETS
from app.auth.queries.accounts import has_administrator
from app.auth.queries.providers import get_provider_by_code, list_providers
from app.auth.queries.roles import list_roles
from app.auth.queries.users import UserRecord, find_user_id, get_user, list_users
from app.auth.schemas.providers import NewProviderSchema
from app.auth.services import accounts, providers, second_factor, users
from app.auth.services import roles as roles_service
from app.core.commands import CommandGroup
from app.core.errors import Refusal
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.running import settings

group = CommandGroup("user", help="Users of the back office.")


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
        raise click.ClickException(_reasons(refusal)) from refusal
    click.echo(f"Administrator: {accounts.normalised_email(email)}")
    if chosen is None:
        click.echo(f"Password, shown only now: {secret}")


oauth_group = CommandGroup("oauth", help="OAuth providers that people may log in by.")


@oauth_group.command("add")
@click.argument("preset", type=click.Choice(PRESETS))
@click.option("--code", required=True, help="Stands in addresses: /login/with/CODE.")
@click.option("--name", required=True, help="As people read it on the log-in page.")
@click.option("--client-id", required=True, help="What the provider calls this installation.")
@click.option("--issuer", help="The provider's issuer; only for the preset oidc.")
def add_provider(**given: str | None) -> None:
    """Add an OAuth provider. Its client secret is taken from OAUTH_CLIENT_SECRET, or asked for."""
    secret = os.environ.get("OAUTH_CLIENT_SECRET") or click.prompt("Client secret", hide_input=True)
    sent = {name: value for name, value in given.items() if value is not None} | {"client_secret": secret}
    try:
        row = providers.create_provider(
            actor=system(), now=utc_now(), loopback=not settings().production, **NewProviderSchema().load(sent)
        )
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    except Refusal as refusal:
        raise click.ClickException(_reasons(refusal)) from refusal
    click.echo(f"Provider {row.code}; register there: {settings().public_url}/login/with/{row.code}/callback")


@oauth_group.command("list")
def show_providers() -> None:
    """List all OAuth providers."""
    for row in list_providers(limit=MAX_PROVIDERS, cursor=None).items:
        state = "on" if row.is_enabled else "off"
        click.echo(f"{row.code:<20} {row.preset:<7} {state:<4} {row.name} {row.issuer or ''}".rstrip())


@oauth_group.command("remove")
@click.argument("code")
@click.option("--with-identities", is_flag=True, help="Also when people log in by it: they are disconnected.")
def remove_provider(code: str, *, with_identities: bool) -> None:
    """Delete an OAuth provider."""
    try:
        row = get_provider_by_code(code)
        count = providers.delete_provider(
            actor=system(), provider_id=row.id, expected_version=row.version, with_identities=with_identities
        )
    except Refusal as refusal:
        raise click.ClickException(refusal.detail) from refusal
    click.echo(f"Provider {code} is deleted; {count} connected accounts went with it.")


def _reasons(refusal: Refusal) -> str:
    return "; ".join(f"{error.pointer.strip('/')} {error.detail}" for error in refusal.errors) or refusal.detail


@group.command("reset-second-factor")
@click.argument("email")
def reset_second_factor(email: str) -> None:
    """Take away the authenticator app, recovery codes, remembered devices and passkeys of somebody who lost them.

    The user is logged out everywhere; the password stays as it is.
    """
    address = accounts.normalised_email(email)
    user_id = find_user_id(address)
    if user_id is None:
        raise click.ClickException(f"Nobody has the address {address}.")
    second_factor.reset(actor=system(), user_id=user_id, now=utc_now())
    click.echo(f"{address} logs in with the password alone, and is logged out everywhere.")


@group.command("list")
@click.option("--q", help="What the address or the name begins with.")
@click.option("--role", help="Only who has this role.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@click.option("--cursor", help="Where the list before ended.")
def show_users(q: str | None, role: str | None, limit: int, cursor: str | None) -> None:
    """List users, oldest first."""
    page = list_users(limit=limit, cursor=cursor, q=q, role=role)
    for row in page.items:
        state = "active" if row.is_active else "closed"
        click.echo(f"{row.id:>8}  {state:<6}  {row.email}  {row.name} [{', '.join(row.roles) or '-'}]")
    if page.next_cursor:
        click.echo(f"More: --cursor {page.next_cursor}")


@group.command("deactivate")
@click.argument("email")
def deactivate(email: str) -> None:
    """Log a user out everywhere and let nothing of theirs work; refused for the last administrator."""
    _update(email, is_active=False)
    click.echo(f"{accounts.normalised_email(email)} is deactivated.")


@group.command("activate")
@click.argument("email")
def activate(email: str) -> None:
    """Let a user log in again; API keys work again, too."""
    _update(email, is_active=True)
    click.echo(f"{accounts.normalised_email(email)} is active.")


@group.command("set-roles")
@click.argument("email")
@click.argument("roles", nargs=-1)
def set_roles(email: str, roles: tuple[str, ...]) -> None:
    """Give a user just these ROLES; none takes all away. Refused for the last administrator."""
    record = _update(email, roles=list(roles))
    click.echo(f"{record.email}: {', '.join(record.roles) or 'no role'}")


role_group = CommandGroup("role", help="Roles: who may do what.")

GROUPS: Final = (group, role_group, oauth_group)


@role_group.command("list")
def show_roles() -> None:
    """List the first 100 roles with what they allow."""
    for row in list_roles(limit=100).items:
        allows = "everything" if row.is_locked else " ".join(row.permissions) or "-"
        click.echo(f"{row.name:<20} {row.user_count:>6} users  {allows}")


@role_group.command("restore")
def restore_roles() -> None:
    """Create those roles that come with the product and are not there; others stay as they are."""
    made = roles_service.restore_built_in(actor=system(), now=utc_now())
    click.echo(f"Restored: {', '.join(made)}" if made else "All roles of the product are there.")


def _update(email: str, **values: Any) -> UserRecord:
    address = accounts.normalised_email(email)
    user_id = find_user_id(address)
    if user_id is None:
        raise click.ClickException(f"Nobody has the address {address}.")
    version = get_user(user_id).version
    try:
        return users.update_user(actor=system(), now=utc_now(), user_id=user_id, expected_version=version, **values)
    except Refusal as refusal:
        raise click.ClickException(_reasons(refusal)) from refusal
