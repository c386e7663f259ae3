"""Who may do what: the catalogue of permissions, and the principal that an action is done for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from app.core.errors import Forbidden

CATALOGUE: Final[dict[str, str]] = {
    "products:read": "Read the product master and its update history",
    "products:write": "Create, change and delete products, and import them",
    "storefronts:read": "Read storefront profiles",
    "storefronts:write": "Create, change and delete storefront profiles",
    "jobs:read": "Read farm jobs, their tasks and results",
    "jobs:write": "Submit and cancel farm jobs and single errands",
    "users:read": "Read users and their roles",
    "users:write": "Create and change users and their roles",
}


class PermissionMissing(Forbidden):
    """The principal lacks a permission; the answer names it."""

    code = "PERMISSION_MISSING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """For whom something is done: a user, an API key, the system itself, or a farm job."""

    kind: str
    """``user``, ``key``, ``system``, ``job`` or ``guest``."""
    id: int | None
    name: str
    permissions: frozenset[str]
    request_id: str | None = None

    def may(self, permission: str) -> bool:
        """Whether this principal holds the permission."""
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raise PermissionMissing unless this principal holds the permission."""
        if not self.may(permission):
            raise PermissionMissing(f"This needs the permission {permission}.")

    @property
    def key(self) -> str:
        """A short text that is this principal's alone (``user:7``)."""
        return self.kind if self.id is None else f"{self.kind}:{self.id}"

    def attribution(self) -> dict[str, Any]:
        """The columns of ``Attributed``, for a row that this principal causes."""
        return {"actor_kind": self.kind, "actor_id": self.id, "request_id": self.request_id}


def system(request_id: str | None = None) -> Principal:
    """The product itself, acting on a timer or for the operator at the command line; it may do everything."""
    return Principal(kind="system", id=None, name="system", permissions=frozenset(CATALOGUE), request_id=request_id)


def guest(request_id: str | None = None) -> Principal:
    """Somebody unknown, who may do nothing; the audit trail names them so."""
    return Principal(kind="guest", id=None, name="guest", permissions=frozenset(), request_id=request_id)


def for_job(job_id: int) -> Principal:
    """A farm job recording what it found."""
    return Principal(kind="job", id=job_id, name=f"job {job_id}", permissions=frozenset())
