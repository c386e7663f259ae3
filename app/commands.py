"""Every command group of the ``flask`` command line."""

from __future__ import annotations

from flask import Flask

from app.auth import cli as auth
from app.products import cli as products


def register(app: Flask) -> None:
    """Add the domains' command groups."""
    for domain in (auth, products):
        app.cli.add_command(domain.group)
