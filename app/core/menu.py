"""The menus of the pages; who may open an entry is what its view itself says, so that the two cannot differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, current_app, request, url_for

from app.core.permissions import Principal


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a menu; ``section`` is the part of the address below which it counts as the present one.

    On its own page it always does.
    """

    label: str
    endpoint: str
    icon: str
    section: str


MAIN: Final[dict[str, tuple[Entry, ...]]] = {
    "Figures": (
        Entry("Dashboard", "dashboard_pages.index", "layout-dashboard", ""),
        Entry("Sales", "sales_pages.index", "chart-column", "/admin/sales"),
        Entry("Farm", "farm_pages.index", "activity", "/admin/farm"),
        Entry("Stock", "stock_pages.index", "boxes", "/admin/stock"),
        Entry("Prices", "price_pages.index", "tag", "/admin/prices"),
        Entry("Reports", "report_pages.index", "scroll-text", "/admin/reports"),
    ),
    "Shop": (Entry("Products", "product_pages.index", "barcode", "/admin/products"),),
    "Accounts": (
        Entry("Users", "admin_users.index", "users", "/admin/users"),
        Entry("Roles", "admin_roles.index", "shield", "/admin/roles"),
        Entry("Log-in providers", "admin_providers.index", "log-in", "/admin/providers"),
        Entry("Audit log", "admin_audit.index", "scroll-text", "/admin/audit"),
    ),
    "Farm": (
        Entry("Jobs", "job_pages.index", "package", "/admin/jobs"),
        Entry("Workers", "worker_pages.index", "monitor", "/admin/workers"),
        Entry("Alerts", "alert_pages.index", "triangle-alert", "/admin/alerts"),
    ),
    "You": (Entry("Your account", "account.profile", "user", "/account"),),
}
ACCOUNT: Final = (
    Entry("Profile", "account.profile", "user", ""),
    Entry("Security", "account.security", "lock", "/account/security"),
    Entry("Sessions", "account.sessions", "monitor", "/account/sessions"),
    Entry("API keys", "keys.index", "key-round", "/account/keys"),
    Entry("Privacy", "account.privacy", "shield", "/account/privacy"),
)
ELSEWHERE: Final = "Security"
"""The entry of the account's menu that pages below /account belong to which have none of their own."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as a page shows it."""

    label: str
    href: str
    icon: str
    is_current: bool


def register_menu(app: Flask) -> None:
    """Give templates ``main_menu()`` and ``account_menu()``."""
    app.jinja_env.globals |= {"main_menu": main_menu, "account_menu": account_menu}


def main_menu(principal: Principal) -> list[tuple[str, list[Link]]]:
    """The groups of the main menu with the entries that this principal may open."""
    groups = [(title, list(_links(principal, entries))) for title, entries in MAIN.items()]
    return [(title, links) for title, links in groups if links]


def account_menu(principal: Principal) -> list[Link]:
    """The menu of the pages of one's own account; exactly one entry is the present one."""
    links = list(_links(principal, ACCOUNT))
    if any(link.is_current for link in links):
        return links
    here = "Profile" if request.path == "/account" else ELSEWHERE
    return [Link(link.label, link.href, link.icon, link.label == here) for link in links]


def home_of(principal: Principal) -> str:
    """The first page that this principal may open."""
    return next(link.href for _title, links in main_menu(principal) for link in links)


def _links(principal: Principal, entries: tuple[Entry, ...]) -> Iterator[Link]:
    for entry in entries:
        if _may_open(principal, entry):
            href = url_for(entry.endpoint)
            is_below = bool(entry.section) and f"{request.path}/".startswith(f"{entry.section}/")
            yield Link(entry.label, href, entry.icon, is_below or request.path == href)


def _may_open(principal: Principal, entry: Entry) -> bool:
    view: Any = current_app.view_functions.get(entry.endpoint)
    access = getattr(view, "access", None)
    return access in {"public", "authenticated"} or (access is not None and principal.may(access))
