"""Logging in while Redis is away: it works, in time, and guesses are slowed down all the same.

A server process of its own, because the limits count per process; its Redis is really stopped, or really hangs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
import redis
import requests
from sqlalchemy import select

from app.auth.models import Session
from app.config import Rates, Settings
from app.core.extensions import db
from tests.conftest import Admin, Database
from tests.servers import on_sqlite, private_folder, redis_server

LONGEST_S: Final = 2.0
"""What a person may have to wait when Redis has just gone."""
LOGIN: Final = "/api/v1/auth/login"
SERVER: Final = """
import dataclasses, pickle, sys
from werkzeug.serving import make_server
from app import create_app
settings = pickle.loads(bytes.fromhex(sys.stdin.readline()))
server = make_server("127.0.0.1", 0, create_app(settings), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""

pytestmark = on_sqlite


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """A server process with these settings; yields its address."""
    command = [sys.executable, "-c", SERVER]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path.cwd(), text=True
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(pickle.dumps(settings).hex() + "\n")
    process.stdin.flush()
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def redis_of_its_own() -> Iterator[tuple[str, psutil.Process]]:
    """A Redis that may be stopped: its URL and its process."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with private_folder() as folder, redis_server(folder) as url:
        (process,) = (child for child in psutil.Process().children(recursive=True) if child.pid not in before)
        yield url, process
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)


@pytest.fixture
def server(
    database: Database, admin: Admin, settings: Settings, redis_of_its_own: tuple[str, psutil.Process]
) -> Iterator[str]:
    url, _ = redis_of_its_own
    own = dataclasses.replace(
        settings, redis_cache_url=f"{url}?db=1", redis_queue_url=f"{url}?db=0", rates=Rates(login="12 per minute")
    )
    with serving(own) as address:
        yield address


def away(process: psutil.Process, how: str) -> None:
    process.send_signal(signal.SIGKILL if how == "stopped" else signal.SIGSTOP)
    if how == "stopped":
        process.wait(5)


def post(server: str, path: str, body: dict[str, Any], **headers: str) -> requests.Response:
    """Send a request; fails when it takes longer than anybody should wait."""
    began = time.monotonic()
    answer = requests.post(server + path, json=body, headers=headers, timeout=30)
    assert time.monotonic() - began < LONGEST_S
    return answer


@pytest.mark.parametrize("how", ["stopped", "hanging"])
def test_people_log_in_and_stay_logged_in(
    server: str, admin: Admin, database: Database, redis_of_its_own: tuple[str, psutil.Process], how: str
) -> None:
    login = {"email": admin.email, "password": admin.password}
    early = post(server, LOGIN, login).json()
    away(redis_of_its_own[1], how)
    late = post(server, LOGIN, login)
    assert late.status_code == 200
    assert int(late.headers["RateLimit-Limit"]) == 12
    for tokens in (early, late.json()):
        began = time.monotonic()
        me = requests.get(
            f"{server}/api/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}, timeout=30
        )
        assert time.monotonic() - began < LONGEST_S
        assert me.json()["email"] == admin.email
    refreshed = post(server, "/api/v1/auth/refresh", {"refresh_token": late.json()["refresh_token"]})
    assert refreshed.status_code == 200
    token = refreshed.json()["access_token"]
    assert post(server, "/api/v1/auth/logout-everywhere", {}, Authorization=f"Bearer {token}").status_code == 204
    with database.app.app_context():
        assert all(db.session.scalars(select(Session.ended_at)))


@pytest.mark.parametrize("how", ["stopped", "hanging"])
def test_guesses_are_slowed_down_by_the_process_itself(
    server: str, admin: Admin, redis_of_its_own: tuple[str, psutil.Process], how: str
) -> None:
    away(redis_of_its_own[1], how)
    wrong = {"email": admin.email, "password": "wrong password"}
    answers = [post(server, LOGIN, wrong) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    codes = [post(server, LOGIN, wrong | {"email": f"{number}@example.org"}).status_code for number in range(7)]
    assert codes == [401] * 6 + [429]  # twelve from one address, whichever accounts they were for


def test_a_redis_that_comes_back_counts_again(
    server: str, admin: Admin, redis_of_its_own: tuple[str, psutil.Process]
) -> None:
    url, process = redis_of_its_own
    login = {"email": admin.email, "password": admin.password}
    away(process, "hanging")
    assert post(server, LOGIN, login).status_code == 200
    process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 30
    with redis.Redis.from_url(f"{url}?db=1") as client:
        assert not client.keys("LIMITS*")
        while not client.keys("LIMITS*") and time.monotonic() < deadline:
            time.sleep(0.5)
            post(server, LOGIN, login)
        assert client.keys("LIMITS*")
