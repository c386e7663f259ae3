"""Pages of users, for those who look after them."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from app.auth.agents import describe
from app.auth.forms.admin import NewUserForm, UserForm
from app.auth.queries.credentials import list_keys, list_sessions
from app.auth.queries.names import role_names
from app.auth.queries.users import UserRecord, get_user, list_users
from app.auth.services import users
from app.core.api import current_principal
from app.core.orm import utc_now
from app.core.pages import PageBlueprint, flash_outcome, text_argument

pages = PageBlueprint("admin_users", __name__, url_prefix="/admin/users")

_ACTIVE = {"yes": True, "no": False}


@pages.get("")
@pages.requires("users:read")
def index() -> Any:
    """List users, by the filters of the address."""
    page = list_users(
        limit=50,
        cursor=request.args.get("cursor"),
        q=text_argument("q"),
        role=text_argument("role"),
        is_active=_ACTIVE.get(request.args.get("active", "")),
    )
    return render_template("admin/users.html", page=page, role_names=role_names())


@pages.route("/new", methods=["GET", "POST"])
@pages.requires("users:write", fresh=True)
def create() -> Any:
    """Make an account for somebody, who is invited by mail."""
    form, made = NewUserForm(), list[UserRecord]()
    form.offer(role_names())
    if form.does(lambda: made.append(_create(form))):
        flash(f"{made[0].email} is invited by mail.", "success")
        return redirect(url_for("admin_users.show", user_id=made[0].id))
    return render_template("admin/user_new.html", form=form), form.status()


@pages.get("/<int:user_id>")
@pages.requires("users:read")
def show(user_id: int) -> Any:
    """Show a user with sessions and keys."""
    now, user = utc_now(), get_user(user_id)
    sessions = list_sessions(user_id, now=now, limit=20, cursor=request.args.get("cursor"))
    keys = list_keys(user_id, limit=50)
    return render_template("admin/user.html", user=user, sessions=sessions, keys=keys, now=now, describe=describe)


@pages.route("/<int:user_id>/edit", methods=["GET", "POST"])
@pages.requires("users:write", fresh=True)
def edit(user_id: int) -> Any:
    """Change a user's name, address and roles."""
    form = UserForm(lambda: _read(user_id))
    form.offer(role_names())
    if form.saves(lambda version: _update(form, user_id, version)):
        flash("The user is saved.", "success")
        return redirect(url_for("admin_users.show", user_id=user_id))
    return render_template("admin/user_edit.html", form=form, user=get_user(user_id)), form.status()


@pages.post("/<int:user_id>/active")
@pages.requires("users:write", fresh=True)
def set_active(user_id: int) -> Any:
    """Deactivate or activate a user."""
    wanted = request.form.get("active") == "yes"
    version = request.form.get("version", -1, type=int)
    with flash_outcome("The user may log in again." if wanted else "The user is deactivated and logged out."):
        users.update_user(
            actor=current_principal(), now=utc_now(), user_id=user_id, expected_version=version, is_active=wanted
        )
    return redirect(url_for("admin_users.show", user_id=user_id))


@pages.post("/<int:user_id>/invite")
@pages.requires("users:write", fresh=True)
def invite(user_id: int) -> Any:
    """Mail a new invitation."""
    with flash_outcome("A new invitation is on its way."):
        users.invite_again(actor=current_principal(), user_id=user_id)
    return redirect(url_for("admin_users.show", user_id=user_id))


@pages.post("/<int:user_id>/sessions/end")
@pages.requires("users:write")
def end_sessions(user_id: int) -> Any:
    """Log a user out everywhere."""
    with flash_outcome("The user is logged out everywhere."):
        users.end_sessions(actor=current_principal(), user_id=user_id, now=utc_now())
    return redirect(url_for("admin_users.show", user_id=user_id))


@pages.post("/<int:user_id>/sessions/<int:session_id>/end")
@pages.requires("users:write")
def end_session(user_id: int, session_id: int) -> Any:
    """Log a user out of one session."""
    with flash_outcome("That session is logged out."):
        users.end_session(actor=current_principal(), user_id=user_id, session_id=session_id, now=utc_now())
    return redirect(url_for("admin_users.show", user_id=user_id))


@pages.post("/<int:user_id>/keys/<int:key_id>/revoke")
@pages.requires("users:write")
def revoke_key(user_id: int, key_id: int) -> Any:
    """Revoke a key of a user."""
    with flash_outcome("The key is revoked."):
        users.revoke_key(actor=current_principal(), user_id=user_id, key_id=key_id, now=utc_now())
    return redirect(url_for("admin_users.show", user_id=user_id))


def _create(form: NewUserForm) -> UserRecord:
    return users.create_user(
        actor=current_principal(),
        now=utc_now(),
        email=form.email.data or "",
        name=form.name.data or "",
        roles=form.roles.data or [],
    )


def _read(user_id: int) -> tuple[int, dict[str, Any]]:
    user = get_user(user_id)
    return user.version, {"name": user.name, "email": user.email, "roles": user.roles}


def _update(form: UserForm, user_id: int, version: int) -> None:
    users.update_user(
        actor=current_principal(),
        now=utc_now(),
        user_id=user_id,
        expected_version=version,
        name=form.name.data,
        email=form.email.data,
        roles=form.roles.data or [],
    )
