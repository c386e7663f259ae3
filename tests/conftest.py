"""What every test may ask for: real servers, an application on an empty database, and somebody who may do everything.

``app`` runs a test on SQLite, MariaDB and PostgreSQL; ``on_sqlite`` and ``on_servers`` of tests.servers choose.
Requests go through ``client``; services need ``context``, and a test that has both opens ``with app.app_context()``
itself, because a request inside an open context would share its ``g``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import flask_migrate
import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from app import create_app
from app.auth.services.accounts import create_administrator
from app.auth.services.roles import restore_built_in
from app.config import Files, Settings
from app.core.extensions import db
from app.core.orm import WRITE, utc_now
from app.core.permissions import system
from tests.servers import DATABASES, SERVERS, make_settings, private_folder, redis_server

# How fast examples are made says how busy the machine is, not whether the code is right.
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that differ from process to process: pytest-xdist runs nothing where its workers disagree."""
    for item in items:
        if "set({" in item.nodeid or " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid} is named by a set or an address: give its parameters ids.")


@dataclass(frozen=True)
class Database:
    """One database of the session, with the schema that the migrations make."""

    kind: str
    url: str
    app: Flask


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    with private_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def redis_url(server_folder: Path) -> Iterator[str]:
    """A Redis of this session, without a database number."""
    with redis_server(server_folder) as url:
        yield url


@pytest.fixture(scope="session")
def open_database(server_folder: Path, redis_url: str) -> Iterator[Callable[[str], Database]]:
    """Starts a database at its first use and keeps it for the session, in whatever order tests ask for which."""
    made: dict[str, Database] = {}
    with contextlib.ExitStack() as running:

        def opened(kind: str) -> Database:
            if kind not in made:
                made[kind] = running.enter_context(_running_database(kind, server_folder, redis_url))
            return made[kind]

        yield opened


@pytest.fixture(scope="session", params=DATABASES)
def database(request: pytest.FixtureRequest, open_database: Callable[[str], Database]) -> Database:
    return open_database(request.param)


@contextlib.contextmanager
def _running_database(kind: str, folder: Path, redis_url: str) -> Iterator[Database]:
    server = (
        contextlib.nullcontext(f"sqlite:///{folder / 'cartwright.db'}") if kind == "sqlite" else SERVERS[kind](folder)
    )
    with server as url:
        app = create_app(make_settings(url, redis_url, files=Files(url=f"file://{folder / 'files'}")))
        with app.app_context():
            flask_migrate.upgrade()
        yield Database(kind, url, app)
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def settings(database: Database) -> Settings:
    """The settings of ``app``; ``dataclasses.replace`` varies them for ``create_app`` and ``create_base``."""
    found: Settings = database.app.extensions["settings"]
    return found


@pytest.fixture
def app(database: Database, redis_url: str) -> Flask:
    """The application, on an empty database and an empty Redis."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    with database.app.app_context():
        empty_tables()
        restore_built_in(now=utc_now())
    return database.app


AppWith = Callable[..., Flask]


@pytest.fixture
def app_with(app: Flask, settings: Settings) -> Iterator[AppWith]:
    """Starts the application again on the same database, with other settings."""
    made: list[Flask] = []

    def start(**changes: object) -> Flask:
        made.append(create_app(dataclasses.replace(settings, **changes)))  # type: ignore[arg-type]  # by the callers
        return made[-1]

    yield start
    for other in made:
        with other.app_context():
            db.session.remove()
            db.engine.dispose()


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """An open application context, for tests of services and queries."""
    with app.app_context():
        yield app


@pytest.fixture
def kept_signals() -> Iterator[None]:
    """Gives SIGTERM and SIGINT back their handlers, which a worker that runs within the tests replaces."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """An HTTP client of the application."""
    return app.test_client()


def empty_tables() -> None:
    """Delete every row of every table but the migrations' own, children first; numbers begin anew on SQLite only."""
    with db.engine.connect().execution_options(**{WRITE: True}) as connection:
        existing = set(sa.inspect(connection).get_table_names())
        tables = [table for table in reversed(db.metadata.sorted_tables) if table.name in existing]
        filled = sa.union_all(
            *(sa.select(sa.literal(at)).where(sa.exists(sa.select(table))) for at, table in enumerate(tables))
        )
        found = sorted(connection.scalars(filled))
        if connection.dialect.name == "postgresql":
            # Without its triggers, which ask for each row once per key and keep a plan made for a table that was empty.
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for at in found:
            _cut_loose(connection, tables[at])
            connection.execute(tables[at].delete())
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("DELETE FROM sqlite_sequence")
        connection.commit()


def _cut_loose(connection: sa.Connection, table: sa.Table) -> None:
    """Let no row refer to another of its table: MariaDB deletes row by row, in an order of its own."""
    own = [column.name for column in table.columns if any(key.references(table) for key in column.foreign_keys)]
    if own:
        connection.execute(table.update().values(dict.fromkeys(own)))


@dataclass(frozen=True)
class Admin:
    """An administrator who can log in."""

    id: int
    email: str
    password: str


@pytest.fixture
def admin(app: Flask) -> Admin:
    """Somebody who may do everything."""
    email, password = "admin@example.org", "correct horse battery staple"
    with app.app_context():
        user_id = create_administrator(actor=system(), email=email, name="Ada Admin", password=password, now=utc_now())
    return Admin(user_id, email, password)


@pytest.fixture
def admin_token(app: Flask, admin: Admin) -> str:
    """An access token of the administrator, as a login gives it."""
    login = {"email": admin.email, "password": admin.password}
    answer = app.test_client().post("/api/v1/auth/login", json=login)
    token: str = answer.get_json()["access_token"]
    return token


@pytest.fixture
def auth_headers(admin_token: str) -> dict[str, str]:
    """Headers of a request by the administrator."""
    return {"Authorization": f"Bearer {admin_token}"}
