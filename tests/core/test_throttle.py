"""Growing delays between guesses: five are free, then each waits longer, and nobody is ever locked out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from flask import Flask

from app import create_base
from app.config import Settings
from app.core import throttle
from app.core.errors import TooManyRequests
from app.core.extensions import db
from app.core.throttle import FORGET_AFTER_S, FREE_ATTEMPTS, LONGEST_DELAY_S, attempt, succeeded
from tests.concurrency import at_once
from tests.servers import on_sqlite

pytestmark = on_sqlite

SCHEDULE = [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
"""Seconds to wait after each attempt."""


def refused_for(key: str, address: str | None = None) -> int:
    """How many seconds an attempt has to wait now; 0 when it is let through."""
    try:
        attempt(key, address=address)
    except TooManyRequests as refusal:
        return refusal.retry_after_s
    return 0


@pytest.fixture
def stored(context: Flask, settings: Settings) -> Iterator[redis.Redis]:
    """The Redis in which attempts are counted."""
    with redis.Redis.from_url(settings.redis_cache_url) as client:
        yield client


@pytest.fixture
def alone(context: Flask, settings: Settings, tmp_path: Path) -> Iterator[Flask]:
    """An application whose Redis is away, and which has counted nothing yet."""
    throttle._here.clear()
    throttle._known_here.clear()
    base = create_base(dataclasses.replace(settings, redis_cache_url=f"unix://{tmp_path}/nobody.sock"))
    with base.app_context():
        yield base
        db.engine.dispose()
    throttle._here.clear()


def wait_over(stored: redis.Redis, key: str) -> int:
    """End the present delay as time would; returns how many ms it had. Redis' clock is the one that counts."""
    name, (s, us) = throttle._name(key), stored.time()
    left = int(stored.hget(name, "next") or 0) - (s * 1000 + us // 1000)
    stored.hset(name, "next", 0)
    return left


def test_five_attempts_are_free_and_then_each_waits_longer_up_to_a_minute(stored: redis.Redis) -> None:
    for delay in SCHEDULE:
        assert refused_for("a") == 0
        assert delay * 1000 - 500 < wait_over(stored, "a") <= delay * 1000
    assert len([delay for delay in SCHEDULE if delay == 0]) + 1 == FREE_ATTEMPTS
    assert max(SCHEDULE) == LONGEST_DELAY_S


def test_without_redis_the_delays_are_the_same(alone: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("app.core.throttle.time", SimpleNamespace(monotonic=lambda: now))
    for delay in SCHEDULE:
        assert refused_for("a") == 0
        if delay:
            assert refused_for("a") == delay
            now += delay - 0.01
            assert refused_for("a") == 1
            now += 0.02
    assert refused_for("b") == 0


def test_an_attempt_that_comes_too_soon_makes_the_delay_no_longer(stored: redis.Redis) -> None:
    for _ in range(FREE_ATTEMPTS):
        attempt("a")
    assert {refused_for("a") for _ in range(50)} == {1}
    assert int(stored.hget(throttle._name("a"), "count") or 0) == FREE_ATTEMPTS
    wait_over(stored, "a")
    assert refused_for("a") == 0


def test_a_delay_really_ends_by_the_clock_of_redis(stored: redis.Redis) -> None:
    for _ in range(FREE_ATTEMPTS):
        attempt("a")
    assert refused_for("a") == 1
    time.sleep(1.05)
    assert refused_for("a") == 0


def test_a_success_forgets_and_other_accounts_do_not_wait(stored: redis.Redis) -> None:
    for _ in range(FREE_ATTEMPTS):
        attempt("a")
    assert refused_for("b") == 0
    succeeded("a")
    assert [refused_for("a") for _ in range(FREE_ATTEMPTS)] == [0] * FREE_ATTEMPTS
    assert refused_for("a") == 1


@pytest.mark.parametrize("where", ["context", "alone"])
def test_strangers_who_guess_without_end_do_not_keep_the_owner_out(
    request: pytest.FixtureRequest, app: Flask, where: str
) -> None:
    request.getfixturevalue(where)
    attempt("ada", address="192.0.2.1")
    succeeded("ada", address="192.0.2.1")
    waits = [refused_for("ada", f"198.51.100.{at}") for at in range(FREE_ATTEMPTS + 1)]
    assert waits[-1] > 0
    assert refused_for("ada", "192.0.2.1") == 0
    assert refused_for("ada", "203.0.113.9") > 0


def test_who_has_known_a_secret_is_delayed_by_their_own_wrong_attempts(stored: redis.Redis) -> None:
    succeeded("ada", address="2001:db8::1")
    waits = [refused_for("ada", f"2001:db8::{at}") for at in range(FREE_ATTEMPTS + 1)]
    assert waits[-1] > 0
    assert refused_for("ada", "192.0.2.1") == 0


def test_with_another_secret_nobody_has_known_it(stored: redis.Redis) -> None:
    succeeded("ada", address="192.0.2.1")
    throttle.forget("ada")
    assert [refused_for("ada", "198.51.100.1") for _ in range(FREE_ATTEMPTS + 1)][-1] > 0
    assert refused_for("ada", "192.0.2.1") > 0


def test_only_so_many_networks_are_remembered(stored: redis.Redis) -> None:
    for at in range(throttle.MOST_KNOWN + 5):
        succeeded("ada", address=f"192.0.2.{at}")
    assert stored.scard("known:ada") == throttle.MOST_KNOWN
    assert 0 < stored.ttl("known:ada") <= throttle.KNOWN_FOR_S


def test_without_redis_a_success_forgets_too(alone: Flask) -> None:
    for _ in range(FREE_ATTEMPTS):
        attempt("a")
    assert refused_for("a") == 1
    succeeded("a")
    assert refused_for("a") == 0


def test_what_is_counted_is_forgotten_after_half_a_day(stored: redis.Redis) -> None:
    attempt("a")
    assert 0 < FORGET_AFTER_S - int(stored.ttl(throttle._name("a"))) + 1 <= 5


@pytest.mark.parametrize("where", ["stored", "alone"])
def test_twenty_guesses_at_once_share_one_count(request: pytest.FixtureRequest, app: Flask, where: str) -> None:
    fixture = request.getfixturevalue(where)
    inside = fixture if isinstance(fixture, Flask) else app
    waits = at_once(inside, *[partial(refused_for, "a")] * 20)
    assert sorted(waits) == [0] * FREE_ATTEMPTS + [1] * (20 - FREE_ATTEMPTS)
