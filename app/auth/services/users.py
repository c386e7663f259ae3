"""What administrators do to other people's accounts.

Three rules hold in all of it: nobody changes a user who may do what they themselves may not, else a changed address
and a reset password would be a way up; nobody gives a role that allows what they may not; and somebody who may do
everything is always left. Locks are taken in the order user, roles (by id), so that two who demote each other wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from app.auth.errors import (
    EmailSettled,
    EmailTaken,
    LastAdministrator,
    NothingToInvite,
    UserChanged,
    UserNotFound,
)
from app.auth.models import OneTimeToken, Role, User, UserRole
from app.auth.queries.roles import permissions_of
from app.auth.queries.users import UserRecord, count_administrators, find_permissions, get_user
from app.auth.services import access, api_keys, mails, sessions
from app.auth.services.accounts import checked_email
from app.core import audit
from app.core.errors import FieldError, Invalid
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction


@in_transaction
def create_user(*, actor: Principal, now: datetime, email: str, name: str, roles: Sequence[str] = ()) -> UserRecord:
    """Make an account for somebody and mail them an invitation, by which they choose a password.

    Raises Invalid for a malformed address or unknown roles, EmailTaken, PermissionMissing for roles that allow what
    the actor does not hold.
    """
    address = checked_email(email)
    user = User(email=address, name=name, created_at=now, updated_at=now)
    db.session.add(user)
    _flush(address)
    _give(user, _lock_roles(roles), actor)
    audit.record(actor=actor, action="user.create", subject=("user", user.id), after={"roles": sorted(set(roles))})
    _invite(user)
    return get_user(user.id)


@in_transaction
def update_user(
    *,
    actor: Principal,
    now: datetime,
    user_id: int,
    expected_version: int,
    name: str | None = None,
    email: str | None = None,
    roles: Sequence[str] | None = None,
    is_active: bool | None = None,
) -> UserRecord:
    """Change what is given of a user.

    A user who is deactivated is logged out everywhere, API keys stop working, and links in mails are void; activated
    again, keys work again. An address can be changed only until its owner has shown that it is theirs, and is invited
    anew. Raises UserNotFound, UserChanged, PermissionMissing, Invalid, EmailTaken, EmailSettled, LastAdministrator.
    """
    user = _lock_user(user_id, expected_version)
    held = _roles_of(user)
    wanted = held if roles is None else list(roles)
    locked = _lock_roles(wanted, also=held)
    require_power(actor, user.id)
    before: dict[str, Any] = {"roles": sorted(held), "is_active": user.is_active}
    personal = _rename(user, name=name, email=email)
    _give(user, [role for role in locked if role.name in wanted], actor)
    user.is_active = user.is_active if is_active is None else is_active
    after = {"roles": sorted(set(wanted)), "is_active": user.is_active}
    if after != before:
        _keep_an_administrator(user, locked)
        access.forget_users([user.id])
    if before["is_active"] and not user.is_active:
        sessions.end_sessions.joined(actor=actor, user_id=user.id, now=now, reason="deactivated")
        _void_links(user)
    if after != before or personal:
        user.version += 1
        user.updated_at = now
        _record_update(actor, user, before, after, personal)
    if "email" in personal:
        _void_links(user)
        _invite(user)
    db.session.flush()
    return get_user(user.id)


@in_transaction
def invite_again(*, actor: Principal, user_id: int) -> None:
    """Mail a new invitation to a user who has not used the first one, which is void then.

    Raises UserNotFound, PermissionMissing, and NothingToInvite for who needs none or may not log in.
    """
    user = _lock_user(user_id)
    require_power(actor, user.id)
    if user.email_verified_at is not None or not user.is_active:
        raise NothingToInvite("Only a user who is active and has not used an invitation yet can be invited.")
    _void_links(user)
    user.version += 1
    audit.record(actor=actor, action="user.invite", subject=("user", user.id))
    _invite(user)


@in_transaction
def end_session(*, actor: Principal, user_id: int, session_id: int, now: datetime) -> None:
    """End a session of somebody else; raises UserNotFound, PermissionMissing, SessionNotFound."""
    require_power(actor, _lock_user(user_id).id)
    sessions.end_session.joined(
        actor=actor, user_id=user_id, session_id=session_id, now=now, reason="ended by an administrator"
    )


@in_transaction
def end_sessions(*, actor: Principal, user_id: int, now: datetime) -> int:
    """End all sessions of somebody else; returns how many. Raises UserNotFound, PermissionMissing."""
    require_power(actor, _lock_user(user_id).id)
    return sessions.end_sessions.joined(actor=actor, user_id=user_id, now=now, reason="ended by an administrator")


@in_transaction
def revoke_key(*, actor: Principal, user_id: int, key_id: int, now: datetime) -> None:
    """Revoke an API key of somebody else; raises UserNotFound, PermissionMissing, KeyNotFound."""
    require_power(actor, _lock_user(user_id).id)
    api_keys.revoke_key.joined(actor=actor, user_id=user_id, key_id=key_id, now=now)


def require_power(actor: Principal, user_id: int) -> None:
    """Raise PermissionMissing unless the actor holds all that this user may do; every change of a user begins so."""
    actor.require_all(find_permissions(user_id), to="change a user who has these permissions")


def keep_an_administrator(user: User) -> None:
    """Lock the roles of administrators and raise LastAdministrator unless one is left without this user."""
    session = db.session()
    held = select(UserRole.role_id).where(UserRole.user_id == user.id)
    locked = select(Role).where(Role.is_locked.is_(True), Role.id.in_(held)).order_by(Role.id).with_for_update()
    if session.scalars(locked).all() and not count_administrators(but=user.id):
        raise LastAdministrator("This is the last administrator; make another one first.")


def _keep_an_administrator(user: User, locked: Iterable[Role]) -> None:
    """Raise LastAdministrator where nobody is one any more, the roles that the user had and has being locked."""
    session = db.session()
    session.flush()
    is_one = user.is_active and {role.id for role in locked if role.is_locked} & set(
        session.scalars(select(UserRole.role_id).where(UserRole.user_id == user.id))
    )
    was_one = any(role.is_locked for role in locked)
    if was_one and not is_one and not count_administrators(but=user.id):
        raise LastAdministrator("This is the last administrator; make another one first.")


def _lock_user(user_id: int, expected_version: int | None = None) -> User:
    user = db.session().get(User, user_id, with_for_update=True)
    if user is None or user.erased_at is not None:
        raise UserNotFound(f"There is no user {user_id}.")
    if expected_version not in {None, user.version}:
        raise UserChanged(f"The user has version {user.version}; this was based on {expected_version}.")
    return user


def _lock_roles(names: Sequence[str], *, also: Sequence[str] = ()) -> list[Role]:
    """The roles of these names, so that nobody changes what they allow meanwhile; raises Invalid for unknown ones."""
    wanted = select(Role).where(Role.name.in_({*names, *also})).order_by(Role.id).with_for_update()
    roles = list(db.session.scalars(wanted))
    known = {role.name for role in roles}
    unknown = [FieldError(f"/roles/{at}", "is no role.") for at, name in enumerate(names) if name not in known]
    if unknown:
        raise Invalid("The request breaks a rule.", errors=tuple(unknown))
    return roles


def _roles_of(user: User) -> list[str]:
    names = select(Role.name).join(UserRole, UserRole.role_id == Role.id).where(UserRole.user_id == user.id)
    return list(db.session.scalars(names))


def _give(user: User, roles: Sequence[Role], actor: Principal) -> None:
    """Let a user have just these roles."""
    session = db.session()
    held = set(session.scalars(select(UserRole.role_id).where(UserRole.user_id == user.id)))
    for role in roles:
        if role.id not in held:
            actor.require_all(permissions_of(role), to=f"give somebody the role {role.name}")
            session.add(UserRole(user_id=user.id, role_id=role.id))
    lost = held - {role.id for role in roles}
    session.execute(delete(UserRole).where(UserRole.user_id == user.id, UserRole.role_id.in_(lost)))


def _rename(user: User, *, name: str | None, email: str | None) -> list[str]:
    """Give a user another name or address; which of them are other ones."""
    new = {"name": name, "email": None if email is None else checked_email(email)}
    changed = [field for field, value in new.items() if value is not None and value != getattr(user, field)]
    if "email" in changed and user.email_verified_at is not None:
        raise EmailSettled.at("/email", "The user has verified this address; only they can change it.")
    for field in changed:
        setattr(user, field, new[field])
    _flush(user.email)
    return changed


def _record_update(
    actor: Principal, user: User, before: dict[str, Any], after: dict[str, Any], personal: list[str]
) -> None:
    """Note what changed and nothing else; of name and address only that they did, because the log outlives them."""
    changed = [field for field in before if before[field] != after[field]]
    audit.record(
        actor=actor,
        action="user.update",
        subject=("user", user.id),
        before={field: before[field] for field in changed} or None,
        after={field: after[field] for field in changed} | ({"also_changed": personal} if personal else {}),
    )


def _void_links(user: User) -> None:
    db.session.execute(delete(OneTimeToken).where(OneTimeToken.user_id == user.id, OneTimeToken.used_at.is_(None)))


def _invite(user: User) -> None:
    if user.is_active:
        mails.request_invitation(user.id)


def _flush(address: str) -> None:
    """Write now, so that an address which somebody else took a moment ago is refused by name."""
    try:
        db.session.flush()
    except IntegrityError as error:
        raise EmailTaken.at("/email", f"{address} belongs to another user.") from error
