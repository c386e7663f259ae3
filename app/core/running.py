"""The settings of the application that is running, for code that is not handed them."""

from __future__ import annotations

from flask import current_app

from app.config import Settings


def settings() -> Settings:
    """The settings of the current application."""
    found: Settings = current_app.extensions["settings"]
    return found
