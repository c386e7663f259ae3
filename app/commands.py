"""Every command group of the ``flask`` command line."""

from __future__ import annotations

from flask import Flask

from app.auth import cli as auth
from app.core import cli as core
from app.notifications import cli as notifications
from app.products import category_cli as categories
from app.products import cli as products
from app.products import search_cli as search
from app.products import stock_cli as stock
from app.rpa import cli as rpa


def register(app: Flask) -> None:
    """Add the domains' command groups."""
    for group in (
        core.group,
        *auth.GROUPS,
        products.group,
        categories.group,
        search.group,
        stock.group,
        rpa.storefront_commands,
        rpa.job_commands, notifications.group,
    ):
        app.cli.add_command(group)
