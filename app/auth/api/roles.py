"""The roles' API: who may do what, as data."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.auth.queries import roles as queries
from app.auth.schemas.roles import CatalogueSchema, RoleChange, RoleIn, RolePage, RoleSchema
from app.auth.services import roles
from app.core.api import ApiBlueprint, current_principal, if_match, unless_known
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE

blp = ApiBlueprint("roles", __name__, description="Roles: named sets of permissions")


@blp.route("/permissions")
class Permissions(MethodView):
    """The catalogue."""

    @blp.requires("roles:read")
    @blp.answers(200, CatalogueSchema)
    def get(self) -> Any:
        """List all permissions there are, with what each allows."""
        return {"items": [{"name": name, "description": text} for name, text in CATALOGUE.items()]}


@blp.route("/roles")
class Roles(MethodView):
    """All roles."""

    @blp.requires("roles:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, RolePage)
    def get(self, page: dict[str, Any]) -> Any:
        """List roles, oldest first."""
        return queries.list_roles(**page)

    @blp.requires("roles:write", fresh=True)
    @blp.arguments(RoleIn)
    @blp.answers(201, RoleSchema, location=lambda row: url_for("roles.Role", role_id=row.id), etag=True)
    @blp.alt_response(409, description="Another role has this name")
    def post(self, sent: dict[str, Any]) -> Any:
        """Make a role; its permissions must be among your own."""
        return roles.create_role(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/roles/<int:role_id>")
class Role(MethodView):
    """One role."""

    @blp.requires("roles:read")
    @blp.answers(200, RoleSchema, etag=True)
    @blp.alt_response(304, description="If-None-Match names the version it has", success=True)
    def get(self, role_id: int) -> Any:
        """Get a role."""
        return unless_known(queries.get_role(role_id))

    @blp.requires("roles:write", fresh=True)
    @blp.arguments(RoleChange)
    @blp.answers(200, RoleSchema, etag=True)
    @blp.alt_response(409, description="The role is locked, comes with the product, or its new name is taken")
    @blp.alt_response(412, description="The role has changed since")
    def patch(self, sent: dict[str, Any], role_id: int) -> Any:
        """Change a role; what it allowed and what it shall allow must be among your own permissions."""
        return roles.update_role(
            actor=current_principal(), now=utc_now(), role_id=role_id, expected_version=if_match(), **sent
        )

    @blp.requires("roles:write", fresh=True)
    @blp.answers(204)
    @blp.alt_response(409, description="Users have the role (the answer says how many), or it comes with the product")
    @blp.alt_response(412, description="The role has changed since")
    def delete(self, role_id: int) -> None:
        """Delete a role that nobody has; If-Match names its version."""
        roles.delete_role(actor=current_principal(), role_id=role_id, expected_version=if_match())
