"""How much CPU a request costs more because its access token and its permission are checked.

    python -m bench.access_check --requests 100 --repeats 100

Calls the application itself (WSGI, no network) on SQLite and a Redis of its own: a view that everybody may enter, the
same view behind ``requires("products:read")`` with a JWT, and with a browser's session instead. The variants take turns
in every repeat. Prints the median of what the guard adds with the quartiles of the repeats, the difference of the best
repeats, and how many SQL statements the guarded requests made: one in a minute notes that a session is in use. Ends
with 1 where the median for a JWT is above 0.25 ms, or where more than one request in a hundred asked the database.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from flask import Flask
from flask.views import MethodView
from sqlalchemy import event

from app.core.api import ApiBlueprint
from bench.accounts import EMAIL, PASSWORD, application

TARGET_MS: Final = 0.25

blp = ApiBlueprint("bench", __name__)


@blp.route("/public")
class Public(MethodView):
    """What everybody may see."""

    @blp.public
    @blp.answers(204)
    def get(self) -> None:
        """Answer nothing."""


@blp.route("/guarded")
class Guarded(MethodView):
    """The same behind a permission."""

    @blp.requires("products:read")
    @blp.answers(204)
    def get(self) -> None:
        """Answer nothing."""


def environ(path: str, **headers: str) -> dict[str, Any]:
    """What a server hands to the application."""
    return {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "SCRIPT_NAME": "", "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http", "wsgi.version": (1, 0), "wsgi.multithread": True,
        "wsgi.multiprocess": True, "wsgi.run_once": False, "HTTP_HOST": "localhost:8000", **headers,
    }  # fmt: skip


def call(app: Flask, sent: dict[str, Any]) -> str:
    """Send one request; returns its status."""
    seen: list[str] = []

    def start(status: str, _headers: Any, _error: Any = None) -> Callable[[bytes], object]:
        seen.append(status)
        return lambda _data: None

    for _ in app.wsgi_app(dict(sent), start):
        pass
    return seen[0]


def cpu_ms(app: Flask, sent: dict[str, Any], count: int) -> float:
    """CPU of one request, in ms."""
    began = time.process_time()
    for _ in range(count):
        call(app, sent)
    return (time.process_time() - began) * 1000 / count


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """Every SQL statement of a block."""
    from app.core.extensions import db

    asked: list[str] = []
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    yield asked


def log_in(app: Flask) -> tuple[str, str]:
    """An access token and the cookie of a browser, both of the administrator."""
    client = app.test_client()
    login = {"email": EMAIL, "password": PASSWORD}
    token: str = client.post("/api/v1/auth/login", json=login).get_json()["access_token"]
    form = client.get("/login").text.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
    client.post("/login", data=login | {"csrf_token": form})
    cookie = client.get_cookie("cartwright")
    if cookie is None:
        raise SystemExit("the browser could not log in")
    return token, cookie.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100, help="per variant and repeat")
    parser.add_argument("--repeats", type=int, default=100)
    chosen = parser.parse_args()
    with application(register=lambda app: app.register_blueprint(blp)) as app:
        token, cookie = log_in(app)
        variants = {
            "public": environ("/public"),
            "JWT": environ("/guarded", HTTP_AUTHORIZATION=f"Bearer {token}"),
            "session": environ("/guarded", HTTP_COOKIE=f"cartwright={cookie}"),
        }
        for name, sent in variants.items():
            if not call(app, sent).startswith("204"):
                raise SystemExit(f"{name} does not get in")
            cpu_ms(app, sent, 200)
        times: dict[str, list[float]] = {name: [] for name in variants}
        with statements(app) as asked:
            for _ in range(chosen.repeats):
                for name, sent in variants.items():
                    times[name].append(cpu_ms(app, sent, chosen.requests))
    plain = times["public"]
    print(f"public view: {statistics.median(plain):.3f} ms of CPU a request, {min(plain):.3f} ms at best")
    added = {name: [one - base for one, base in zip(times[name], times["public"], strict=True)] for name in times}
    for name in ("JWT", "session"):
        found = added[name]
        low, middle, high = statistics.quantiles(found, n=4)
        best = min(times[name]) - min(times["public"])
        print(f"{name:>8} adds {middle:.3f} ms (half of the repeats: {low:.3f} to {high:.3f}); {best:.3f} ms at best")
    questions = chosen.repeats * chosen.requests * 2
    print(f"{len(asked)} SQL statements in {questions} guarded requests")
    if statistics.median(added["JWT"]) > TARGET_MS or len(asked) > questions / 100:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
