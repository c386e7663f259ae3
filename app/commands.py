"""Every command group of the ``flask`` command line."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the domains' command groups."""
