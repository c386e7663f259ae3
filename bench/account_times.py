"""Whether the time of an answer tells that an address has an account: medians of both branches, taken in turns.

    python -m bench.account_times --accounts 60

Sends logins with a wrong password, requests for a reset and registrations to the application itself (WSGI, no network)
on SQLite and a Redis of its own: once for an address with an account, once for one without. Prints medians and how
often the slower half of all answers was one of a known address (0.5 is no sign at all).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

from flask import Flask
from flask.testing import FlaskClient

from app.auth.models import User
from app.auth.passwords import hash_password
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from bench.accounts import PASSWORD, application

Body = Callable[[str], dict[str, Any]]

ASKED: Final[dict[str, tuple[str, Body]]] = {
    "login": ("/api/v1/auth/login", lambda email: {"email": email, "password": "a wrong password"}),
    "reset": ("/api/v1/auth/forgot-password", lambda email: {"email": email}),
    "registration": (
        "/api/v1/auth/register",
        lambda email: {"email": email, "name": "Ada", "password": "a long enough passphrase"},
    ),
}


@in_transaction
def add_accounts(count: int, password_hash: str) -> None:
    """Verified accounts known0@example.org and so on."""
    now = utc_now()
    db.session.add_all(
        User(email=f"known{number}@example.org", name="K", password_hash=password_hash, email_verified_at=now)
        for number in range(count)
    )


def took_ms(client: FlaskClient, path: str, body: dict[str, Any]) -> float:
    """How long one answer takes, in ms."""
    began = time.perf_counter()
    answer = client.post(path, json=body)
    took = (time.perf_counter() - began) * 1000
    if answer.status_code not in {200, 202, 204, 401}:
        raise SystemExit(f"{path} answered {answer.status_code}: {answer.text}")
    return took


def compare(app: Flask, name: str, count: int) -> None:
    """Print the medians of both branches of one thing that can be asked."""
    path, body = ASKED[name]
    client = app.test_client()
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    for number in range(count):
        for kind in sorted(times, reverse=bool(number % 2)):  # neither is always the first
            times[kind].append(took_ms(client, path, body(f"{kind}{number}@example.org")))
    known, unknown = (statistics.median(times[kind]) for kind in ("known", "unknown"))
    middle = statistics.median(times["known"] + times["unknown"])
    share = sum(one > middle for one in times["known"]) / max(
        1, sum(one > middle for both in times.values() for one in both)
    )
    print(f"{name:>12}: known {known:7.2f} ms, unknown {unknown:7.2f} ms, {share:.2f} of the slower half are known")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=60)
    chosen = parser.parse_args()
    with application() as app:
        with app.app_context():
            add_accounts(chosen.accounts, hash_password(PASSWORD, email="known@example.org"))
        for name in ASKED:
            compare(app, name, chosen.accounts)


if __name__ == "__main__":
    main()
