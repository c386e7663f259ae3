"""What tests of faults share: a provider with books, and web servers in processes of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from app.config import Accounts, Settings
from app.core.extensions import db
from tests.conftest import Database
from tests.faults.servers import WebServer, web_server
from tests.faults.sizes import LONG_S
from tests.faults.stage import Stage
from tests.orders.shopping import Shop
from tests.orders.stripe_books import Books
from tests.orders.stripe_server import StripeServer

OpenServer = Callable[..., WebServer]
OpenApp = Callable[[Database], Flask]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests here the time that they need at full size."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONG_S))


@pytest.fixture(scope="session")
def session_double() -> Iterator[StripeServer]:
    with StripeServer() as server:
        yield server


@pytest.fixture
def double(session_double: StripeServer) -> StripeServer:
    """A double of Stripe with empty books, the one that web servers of the session know."""
    session_double.calm()
    session_double.forget_keys()
    session_double.books = Books()
    session_double.requests.clear()
    return session_double


@pytest.fixture(scope="session")
def card_settings(session_double: StripeServer) -> Callable[[Settings], Settings]:
    """Settings with which cards are taken, at the double."""
    return lambda settings: dataclasses.replace(settings, payments=session_double.payments())


@pytest.fixture(scope="session")
def open_web_server(
    server_folder: Path, card_settings: Callable[[Settings], Settings]
) -> Iterator[Callable[[Database, str], WebServer]]:
    """Starts a web server on a database of the session at its first use and keeps it."""
    made: dict[tuple[str, str], WebServer] = {}
    with contextlib.ExitStack() as running:

        def opened(database: Database, application: str) -> WebServer:
            key = (database.kind, application)
            if key not in made:
                folder = server_folder / f"web-{database.kind}-{len(made)}"
                folder.mkdir()
                settings = card_settings(database.app.extensions["settings"])
                made[key] = running.enter_context(web_server(settings, folder, application=application))
            return made[key]

        yield opened


@pytest.fixture
def web(app: Flask, double: StripeServer, database: Database, open_web_server: OpenServer) -> WebServer:
    """The web server, in processes of its own, on the database of the test."""
    return open_web_server(database, "wsgi:application")


@pytest.fixture
def unguarded_web(app: Flask, double: StripeServer, database: Database, open_web_server: OpenServer) -> WebServer:
    """The same without what keeps stock from being promised twice."""
    return open_web_server(database, "tests.faults.unguarded:application")


@pytest.fixture(scope="session")
def open_card_app(card_settings: Callable[[Settings], Settings]) -> Iterator[Callable[[Database], Flask]]:
    """Starts the application that takes cards on a database of the session at its first use and keeps it."""
    made: dict[str, Flask] = {}

    def opened(database: Database) -> Flask:
        if database.kind not in made:
            settings = card_settings(database.app.extensions["settings"])
            made[database.kind] = create_app(dataclasses.replace(settings, accounts=Accounts(access_minutes=1440)))
        return made[database.kind]

    yield opened
    for app in made.values():
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def card_app(app: Flask, double: StripeServer, database: Database, open_card_app: OpenApp) -> Flask:
    """The application in this process, on the database of the test, taking cards at the double."""
    return open_card_app(database)


@pytest.fixture
def shop(app: Flask) -> Shop:
    """The shop of the test's database."""
    return Shop(app)


@pytest.fixture
def stage(card_app: Flask, double: StripeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A shop that takes cards, with staff; it logs nothing, since what goes wrong on it goes wrong on purpose."""
    log = logging.getLogger("app")
    level = log.level
    log.setLevel(logging.CRITICAL)
    yield Stage(card_app, double, monkeypatch)
    log.setLevel(level)
