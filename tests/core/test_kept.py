"""Answers kept in Redis: right at once after a write, old for STALE_S at most where that fails, and never needed."""

from __future__ import annotations

import time

import pytest
from flask import Flask

from app.core import kept
from app.core.cache import cache
from app.core.kept import Kept, Place, etag_of, forget_now, look_at
from app.core.transactions import in_transaction
from tests.conftest import AppWith
from tests.servers import on_sqlite, private_folder, redis_server

pytestmark = on_sqlite


@pytest.fixture(autouse=True)
def _nobody_has_asked(context: Flask) -> None:
    kept._asked.clear()


def _look(key: str, names: list[str]) -> Place:
    """Look at a place that was asked for before."""
    look_at(key, names)
    return look_at(key, names)


def _keep(key: str, names: list[str], body: bytes) -> Place:
    place = _look(key, names)
    place.keep(etag_of(body), body)
    return place


def _found(key: str, names: list[str]) -> bytes | None:
    found = look_at(key, names).found
    return None if found is None else found.body


def test_what_was_kept_is_found_with_its_etag() -> None:
    _keep("/a", ["things"], b"old\nlines\n")
    assert look_at("/a", ["things"]).found == Kept(etag_of(b"old\nlines\n"), b"old\nlines\n")
    assert _found("/b", ["things"]) is None


def test_it_is_not_found_once_anything_it_depends_on_is_forgotten() -> None:
    for name in ("things", "thing:1"):
        _keep("/a", ["things", "thing:1"], b"old")
        assert _found("/a", ["things", "thing:1"]) == b"old"
        forget_now([name])
        assert _found("/a", ["things", "thing:1"]) is None


def test_other_things_stay_known() -> None:
    _keep("/1", ["thing:1"], b"one")
    _keep("/2", ["thing:2"], b"two")
    forget_now(["thing:1"])
    assert _found("/1", ["thing:1"]) is None
    assert _found("/2", ["thing:2"]) == b"two"


def test_a_reader_that_read_before_a_write_leaves_nothing_behind() -> None:
    reader = _look("/a", ["things"])  # ... and now it reads the database
    forget_now(["things"])  # somebody has written, and committed
    reader.keep("etag", b"old")
    assert _found("/a", ["things"]) is None


def test_a_reader_that_read_before_a_flush_leaves_nothing_behind() -> None:
    reader = _look("/a", ["things"])
    cache().redis.flushdb()
    reader.keep("etag", b"old")
    assert _found("/a", ["things"]) is None
    assert _found("/a", ["things"]) is None  # nor with the stamps that the question before made


def test_readers_in_between_do_not_bring_an_old_answer_back() -> None:
    slow = _look("/a", ["things"])
    forget_now(["things"])
    _keep("/a", ["things"], b"new")
    slow.keep("etag", b"old")
    assert _found("/a", ["things"]) in {None, b"new"}


def test_a_stamp_dies_by_itself_however_often_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "STALE_S", 1)
    began = time.monotonic()
    _keep("/a", ["things"], b"old")
    while (place := look_at("/a", ["things"])).found is not None:  # the write could not reach Redis
        place.keep(etag_of(b"old"), b"old")
        assert time.monotonic() - began < 2
    assert 0.9 < time.monotonic() - began < 2


def test_what_is_kept_longer_than_allowed_would_be_seen() -> None:
    _keep("/a", ["things"], b"old")
    left = cache().redis
    assert 0 < left.pttl("stamp:things") <= kept.STALE_S * 1000
    assert 0 < left.pttl("kept:/a") <= kept.STALE_S * 1000
    assert kept.STALE_S <= 5


def test_after_a_commit_it_is_forgotten_and_after_a_failure_it_is_not() -> None:
    @in_transaction
    def write(*, fails: bool) -> None:
        kept.forget(["things"])
        if fails:
            raise LookupError

    _keep("/a", ["things"], b"old")
    with pytest.raises(LookupError):
        write(fails=True)
    assert _found("/a", ["things"]) == b"old"
    write(fails=False)
    assert _found("/a", ["things"]) is None


def test_what_nobody_asked_for_before_is_neither_looked_up_nor_kept() -> None:
    assert look_at("/new", ["things"]).stamps is None
    assert cache().redis.keys() == []
    assert look_at("/new", ["things"]).stamps is not None


def test_an_endless_address_is_not_kept() -> None:
    assert _keep("/a?" + "x" * 2000, ["things"], b"old").stamps is None
    assert cache().redis.keys() == []


def test_what_could_not_be_forgotten_dies_in_time_and_the_write_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "STALE_S", 1)
    written = []

    @in_transaction
    def write() -> None:
        kept.forget(["things"])
        written.append(True)

    _keep("/a", ["things"], b"old")
    began = time.monotonic()
    cache().redis.client_pause(500)  # it answers later than anybody waits
    write()
    assert written == [True]
    assert _found("/a", ["things"]) is None  # nobody asks a Redis that did not answer a moment ago
    cache()._resting_until = 0.0
    while _found("/a", ["things"]) is not None:
        assert time.monotonic() - began < 2


def test_without_redis_nothing_is_kept_and_nothing_fails(app_with: AppWith) -> None:
    with private_folder() as folder, redis_server(folder) as url:
        app = app_with(redis_cache_url=f"{url}?db=1")
        with app.app_context():
            _keep("/a", ["things"], b"old")
            assert _found("/a", ["things"]) == b"old"
    with app.app_context():  # now it is gone
        assert _keep("/a", ["things"], b"new").stamps is None
        assert _found("/a", ["things"]) is None
        forget_now(["things"])


def test_a_redis_that_comes_back_empty_knows_nothing_old(app_with: AppWith) -> None:
    with private_folder() as folder:
        with redis_server(folder) as url:
            app = app_with(redis_cache_url=f"{url}?db=1")
            with app.app_context():
                _keep("/a", ["things"], b"old")
                reader = _look("/a", ["things"])
        with redis_server(folder), app.app_context():
            cache()._resting_until = 0.0
            reader.keep("etag", b"old")
            assert _found("/a", ["things"]) is None
            _keep("/a", ["things"], b"new")
            assert _found("/a", ["things"]) == b"new"
