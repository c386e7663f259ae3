"""An application to measure, on SQLite and a Redis of its own, with an administrator; all of it is gone afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import flask_migrate
from flask import Flask

from app import create_app
from app.auth.services.accounts import create_administrator
from app.core.orm import utc_now
from app.core.permissions import system
from tests.servers import make_settings, private_folder, redis_server

EMAIL: Final = "admin@example.org"
PASSWORD: Final = "correct horse battery staple"


@contextmanager
def application(*, register: Callable[[Flask], object] = lambda _app: None) -> Iterator[Flask]:
    """The application with its rates so high that nothing is refused; ``register`` may add blueprints to it."""
    with private_folder() as folder, redis_server(folder) as redis_url:
        app = create_app(make_settings(f"sqlite:///{folder}/bench.db", redis_url, instance_dir=folder))
        register(app)
        logging.disable(logging.INFO)
        with app.app_context():
            flask_migrate.upgrade()
            create_administrator(actor=system(), email=EMAIL, name="Ada", password=PASSWORD, now=utc_now())
        yield app
