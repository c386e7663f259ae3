"""Keeping search up to date."""

from __future__ import annotations

from flask import Flask

from app.core.extensions import db
from app.products.search import upkeep


class Upkeep:
    """What a background worker does when the dispatcher rings for search."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def drain_search(self) -> None:
        """Index what is queued; a doubled message finds nothing to do."""
        with self._app.app_context():
            upkeep.drain()
            db.session.remove()
