"""Every command group of the ``flask`` command line, each loaded when it is asked for: web workers never do."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, Final

from flask import Flask
from werkzeug.local import LocalProxy

GROUPS: Final = {
    "analytics": "app.analytics.cli.analytics:analytics_commands",
    "category": "app.products.category_cli:group",
    "db": "flask_migrate.cli:db",
    "farm": "app.rpa.cli.farm:farm_commands",
    "job": "app.rpa.cli.jobs:job_commands",
    "oauth": "app.auth.cli:oauth_group",
    "product": "app.products.cli:group",
    "role": "app.auth.cli:role_group",
    "schedule": "app.rpa.cli.schedules:group",
    "search": "app.products.search_cli:group",
    "secrets": "app.core.cli:group",
    "stock": "app.products.stock_cli:group",
    "storefront": "app.rpa.cli.politeness:storefront_commands",
    "user": "app.auth.cli:group",
    "webhook": "app.notifications.cli:group",
}
"""Where the group of each name is."""


def register(app: Flask) -> None:
    """Add the domains' command groups."""
    for name, place in GROUPS.items():
        # add_command would look into the group, and so load it
        app.cli.commands[name] = LocalProxy(partial(_load, place))  # type: ignore[assignment]


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
