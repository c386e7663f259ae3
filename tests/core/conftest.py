"""A small API of notes on the house's own foundations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.core.extensions import db
from tests.concurrency import at_once as at_once_in
from tests.conftest import Database
from tests.core.notes import authenticate_by_header, blp

AtOnce = Callable[..., list[Any]]


@pytest.fixture
def at_once(app: Flask) -> AtOnce:
    """Starts functions together, each in a thread and application context of its own."""
    return partial(at_once_in, app)


@pytest.fixture(scope="session")
def notes_application(database: Database) -> Iterator[Flask]:
    app = create_app(database.app.extensions["settings"])
    app.extensions["authenticate"] = authenticate_by_header
    app.register_blueprint(blp)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def notes_app(app: Flask, notes_application: Flask) -> Flask:
    """An application with the API of notes, on an empty database."""
    return notes_application


@pytest.fixture
def notes(notes_app: Flask) -> FlaskClient:
    """A client of the API of notes who may write."""
    client = notes_app.test_client()
    client.environ_base["HTTP_X_USER"] = "7"
    return client
