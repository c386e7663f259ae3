"""Pages of roles."""

from __future__ import annotations

from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for

from app.auth.forms.admin import FACTORS, NewRoleForm, RoleForm
from app.auth.queries.roles import RoleRecord, get_role, list_roles
from app.auth.queries.users import UserRecord, list_users
from app.auth.services import roles
from app.core.api import current_principal
from app.core.forms import EditForm
from app.core.orm import utc_now
from app.core.pages import PageBlueprint

pages = PageBlueprint("admin_roles", __name__, url_prefix="/admin/roles")

_SHOWN: Final = 10
_FACTORS: dict[str, bool | None] = {"usual": None, "yes": True, "no": False}


@pages.get("")
@pages.requires("roles:read")
def index() -> Any:
    """List roles."""
    page = list_roles(limit=50, cursor=request.args.get("cursor"))
    return render_template("admin/roles.html", page=page)


@pages.route("/new", methods=["GET", "POST"])
@pages.requires("roles:write", fresh=True)
def create() -> Any:
    """Make a role."""
    form, made = NewRoleForm(), list[RoleRecord]()
    if form.does(lambda: made.append(_create(form))):
        flash(f"The role {made[0].name} is made.", "success")
        return redirect(url_for("admin_roles.show", role_id=made[0].id))
    return render_template("admin/role_form.html", form=form, role=None, held=_held()), form.status()


@pages.get("/<int:role_id>")
@pages.requires("roles:read")
def show(role_id: int) -> Any:
    """Show what a role allows."""
    role = get_role(role_id)
    return render_template("admin/role.html", role=role, factor=FACTORS[_factor(role)])


@pages.route("/<int:role_id>/edit", methods=["GET", "POST"])
@pages.requires("roles:write", fresh=True)
def edit(role_id: int) -> Any:
    """Change a role."""
    form = RoleForm(lambda: _read(role_id))
    if form.saves(lambda version: _update(form, role_id, version)):
        flash("The role is saved; whoever has it feels it within a minute.", "success")
        return redirect(url_for("admin_roles.show", role_id=role_id))
    return render_template("admin/role_form.html", form=form, role=get_role(role_id), held=_held()), form.status()


@pages.route("/<int:role_id>/delete", methods=["GET", "POST"])
@pages.requires("roles:write", fresh=True)
def delete(role_id: int) -> Any:
    """Delete a role, after asking."""
    form, role = EditForm(lambda: (get_role(role_id).version, {})), get_role(role_id)
    if form.saves(lambda version: _delete(role_id, version)):
        flash(f"The role {role.name} is deleted.", "success")
        return redirect(url_for("admin_roles.index"))
    return render_template("admin/role_delete.html", form=form, role=role, holders=_holders(role)), form.status()


def _held() -> frozenset[str]:
    return current_principal().permissions


def _holders(role: RoleRecord) -> list[UserRecord]:
    """Some of those who have a role, for who may see users."""
    return list_users(limit=_SHOWN, role=role.name).items if "users:read" in _held() else []


def _factor(role: RoleRecord) -> str:
    return next(choice for choice, value in _FACTORS.items() if value is role.requires_second_factor)


def _create(form: NewRoleForm) -> RoleRecord:
    return roles.create_role(
        actor=current_principal(),
        now=utc_now(),
        name=form.name.data or "",
        description=form.description.data or "",
        permissions=form.permissions.data or [],
        requires_second_factor=_FACTORS[form.second_factor.data],
    )


def _read(role_id: int) -> tuple[int, dict[str, Any]]:
    role = get_role(role_id)
    return role.version, {
        "name": role.name,
        "description": role.description,
        "permissions": role.permissions,
        "second_factor": _factor(role),
    }


def _update(form: RoleForm, role_id: int, version: int) -> None:
    roles.update_role(
        actor=current_principal(),
        now=utc_now(),
        role_id=role_id,
        expected_version=version,
        name=form.name.data,
        description=form.description.data,
        permissions=form.permissions.data or [],
        requires_second_factor=_FACTORS[form.second_factor.data],
    )


def _delete(role_id: int, version: int) -> None:
    roles.delete_role(actor=current_principal(), role_id=role_id, expected_version=version)
