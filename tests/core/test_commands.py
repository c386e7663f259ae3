"""What a command says where the database or Redis is not to be had."""

from __future__ import annotations

import dataclasses
import socket

import click
import pytest
from click.testing import CliRunner
from flask import Flask
from redis import Redis
from sqlalchemy import text

from app import create_app
from app.config import Settings
from app.core.commands import CommandGroup
from app.core.extensions import db
from tests.servers import on_sqlite


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@on_sqlite
@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/shop.db",
        "mysql+pymysql://ada:geheim@127.0.0.1:{port}/shop",
        "postgresql+psycopg://ada:geheim@127.0.0.1:{port}/shop",
    ],
    ids=["sqlite", "mariadb", "postgresql"],
)
def test_a_database_that_is_not_there_is_said_in_a_line(settings: Settings, url: str, closed_port: int) -> None:
    app = create_app(dataclasses.replace(settings, database_url=url.format(port=closed_port)))
    said = app.test_cli_runner().invoke(args=["farm", "workers"])
    assert said.exit_code == 1
    assert said.output.startswith("Error: The database cannot be used: ")
    assert said.output.count("\n") == 1
    assert "geheim" not in said.output


def test_redis_that_is_not_there_is_said_in_a_line(closed_port: int) -> None:
    group = CommandGroup("knock")

    @group.command("redis", with_appcontext=False)
    def knock() -> None:
        Redis(port=closed_port).ping()

    said = CliRunner().invoke(group, ["redis"])
    assert said.exit_code == 1
    assert said.output.startswith("Error: Redis cannot be used: ")
    assert said.output.count("\n") == 1


@on_sqlite
def test_a_statement_that_is_wrong_keeps_its_traceback(app: Flask) -> None:
    group = CommandGroup("ask")

    @group.command("nonsense")
    def ask() -> None:
        db.session.execute(text("SELEKT 1"))

    app.cli.add_command(group)
    said = app.test_cli_runner().invoke(args=["ask", "nonsense"])
    assert not isinstance(said.exception, (SystemExit, click.ClickException))
    assert "SELEKT" in str(said.exception)
