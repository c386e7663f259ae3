"""Flask-Migrate, loaded by who migrates: Alembic takes 12 MB, and web workers never need it."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from flask import Flask
from werkzeug.local import LocalProxy

from app.core.extensions import db


def register_migrations(app: Flask) -> None:
    """Have ``flask db`` and ``flask_migrate.upgrade()`` find the migrations of this application."""
    directory = os.path.join(os.path.dirname(app.root_path), "migrations")

    @cache
    def load() -> Any:
        from flask_migrate import Migrate

        other = Flask("migrations")
        Migrate().init_app(other, db, directory=directory)
        return other.extensions["migrate"]

    app.extensions["migrate"] = LocalProxy(load)
