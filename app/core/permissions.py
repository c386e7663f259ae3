"""Who may do what: the catalogue of permissions, and the principal that an action is done for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.core.errors import Forbidden, FreshLoginRequired

CATALOGUE: Final[dict[str, str]] = {
    "products:read": "Read the product master and its update history",
    "products:write": "Create, change and delete products and categories, import them and change many at once",
    "stock:read": "Read stock and its ledger",
    "stock:write": "Receive, count and adjust stock, and say when it is low",
    "orders:read": "Read orders of all customers, their payments and shipments",
    "orders:write": "Create, change, cancel, ship and take back orders, and record that they were paid",
    "refunds:write": "Give money back",
    "coupons:read": "Read coupons and their uses",
    "coupons:write": "Create, change and delete coupons",
    "sales:read": "Read sales",
    "sales:write": "Import sales of the past",
    "dashboard:read": "See the dashboard, with what one may read else",
    "reports:read": "Read saved reports, also those that others share",
    "reports:write": "Create, change, schedule, share and delete one's own saved reports",
    "storefronts:read": "Read storefront profiles",
    "storefronts:write": "Create, change and delete storefront profiles",
    "jobs:read": "Read farm jobs, their schedules, tasks and results",
    "jobs:write": "Submit, schedule, pause, change, cancel and repeat farm jobs, and run single errands",
    "farm:read": "Read the workers of the farm, and the metrics of the whole system",
    "farm:write": "Drain, resume and stop workers of the farm",
    "users:read": "Read users, their roles, sessions and keys",
    "users:write": "Create, change and deactivate users, give them roles, end their sessions",
    "roles:read": "Read roles and the catalogue of permissions",
    "roles:write": "Create, change and delete roles",
    "providers:read": "Read the OAuth providers that people may log in with",
    "providers:write": "Create, change and delete OAuth providers",
    "webhooks:read": "Read webhooks and their deliveries",
    "webhooks:write": "Create, change and delete webhooks, and send events again",
    "audit:read": "Read the audit log",
}
"""Every permission, ``<resource>:<read|write>``, with what it allows: routes, menus, roles and API keys use these."""


def by_resource() -> list[tuple[str, dict[str, str]]]:
    """The catalogue as (resource, {act: what it allows}), in its order."""
    found: dict[str, dict[str, str]] = {}
    for name, allows in CATALOGUE.items():
        resource, _, act = name.partition(":")
        found.setdefault(resource, {})[act] = allows
    return list(found.items())


class PermissionMissing(Forbidden):
    """The principal lacks a permission; the answer names it."""

    code = "PERMISSION_MISSING"


class SecondFactorMissing(Forbidden):
    """The principal's roles need a second factor and the login had none."""

    code = "SECOND_FACTOR_SETUP_REQUIRED"


class NotForKeys(Forbidden):
    """Only a person who is logged in may do this, no API key."""

    code = "NOT_FOR_KEYS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """For whom something is done: a user, an API key, the system itself, or a farm job."""

    kind: str
    """``user``, ``key``, ``system``, ``job`` or ``guest``."""
    id: int | None
    name: str
    permissions: frozenset[str]
    request_id: str | None = None
    address: str | None = None
    """The network address that the request came from."""
    user_id: int | None = None
    """The person behind it: the user, or the owner of the key."""
    session_id: int | None = None
    authenticated_at: datetime | None = None
    """When the person last proved who they are; None for everybody but users."""
    lacks_second_factor: bool = False
    """Nothing but setting one up is allowed."""

    def may(self, permission: str) -> bool:
        """Whether this principal holds the permission."""
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raise PermissionMissing unless this principal holds the permission."""
        self.require_complete_login()
        if not self.may(permission):
            raise PermissionMissing(f"This needs the permission {permission}.")

    def require_all(self, permissions: frozenset[str], *, to: str) -> None:
        """Raise PermissionMissing, which names them, unless this principal holds all of them; ``to`` says for what."""
        missing = sorted(permissions - self.permissions)
        if missing:
            raise PermissionMissing(f"To {to} you need to hold {', '.join(missing)} yourself.")

    def require_complete_login(self) -> None:
        """Raise SecondFactorMissing for who may do nothing but set up the second factor that their roles need."""
        if self.lacks_second_factor:
            raise SecondFactorMissing("Your roles need a second factor: set one up, or log in with it.")

    def require_person(self) -> int:
        """The id of the user who is logged in; raises NotForKeys for everybody else."""
        if self.kind != "user" or self.user_id is None:
            raise NotForKeys("Only a person who is logged in may do this; an API key may not.")
        return self.user_id

    def require_fresh(self, *, now: datetime, within: timedelta) -> None:
        """Raise FreshLoginRequired for a user whose login or confirmation is longer ago than ``within``."""
        if self.kind == "user" and (self.authenticated_at is None or self.authenticated_at + within < now):
            raise FreshLoginRequired(max_age_s=int(within.total_seconds()))

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


def guest(request_id: str | None = None, address: str | None = None) -> Principal:
    """Somebody unknown, who may do nothing; the audit trail names them so."""
    return Principal(
        kind="guest", id=None, name="guest", permissions=frozenset(), request_id=request_id, address=address
    )


def for_job(job_id: int) -> Principal:
    """A farm job recording what it found."""
    return Principal(kind="job", id=job_id, name=f"job {job_id}", permissions=frozenset())
