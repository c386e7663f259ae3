"""Waiting inside a request."""

from __future__ import annotations

import threading
import time

from app.rpa.waiting import WaitingRoom


def test_a_waiter_learns_of_the_end_and_gives_its_connection_back_before_every_pause() -> None:
    answers = iter([False, False, True])
    rests: list[int] = []
    assert WaitingRoom(16).wait(lambda: next(answers), lambda: rests.append(1), seconds=5)
    assert len(rests) == 2


def test_a_waiter_goes_home_when_time_is_up() -> None:
    started = time.monotonic()
    assert not WaitingRoom(16).wait(lambda: False, lambda: None, seconds=0.2)
    assert 0.2 <= time.monotonic() - started < 2


def test_only_a_quarter_of_the_threads_may_wait_and_the_next_one_is_sent_away_at_once() -> None:
    room = WaitingRoom(8)
    over = threading.Event()
    waiters = [
        threading.Thread(target=room.wait, args=(over.is_set, lambda: None), kwargs={"seconds": 10}) for _ in range(2)
    ]
    for waiter in waiters:
        waiter.start()
    time.sleep(0.1)
    started = time.monotonic()
    assert not room.wait(lambda: True, lambda: None, seconds=10)
    assert time.monotonic() - started < 1
    over.set()
    for waiter in waiters:
        waiter.join(timeout=5)
    assert room.wait(lambda: True, lambda: None, seconds=1)
