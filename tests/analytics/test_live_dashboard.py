"""The dashboard as it changes, from real processes: who is let in, what they are sent, and when they are shown out."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import psutil
import pytest
import redis
import requests
import websocket
from flask import Flask
from sqlalchemy import delete, update

from app.analytics.live.frames import EVENTS, Audience
from app.analytics.services.snapshots import Snapshot
from app.auth.models import ApiKey, RolePermission, Session, UserRole
from app.auth.services.second_factor import hash_of
from app.config import Settings, SettingsError
from app.core.cache import cache
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.transactions import in_transaction
from tests.analytics.live_process import API, LIMIT_S, events, listening, live_server, refusal, until
from tests.analytics.test_dashboard import add_sale, headers_of
from tests.browsing import Visitor
from tests.calls import add_person, token_of
from tests.faults.servers import WebServer
from tests.servers import on_sqlite, redis_server

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


@pytest.fixture
def live(app: Flask, settings: Settings, tmp_path: Path) -> Iterator[WebServer]:
    with live_server(settings, tmp_path) as server:
        yield server


@pytest.fixture
def headers(app: Flask) -> dict[str, str]:
    """Of an API client that sees sales and stock."""
    return headers_of(app, "dashboard:read", "sales:read", "stock:read")


def cookie_of(app: Flask, *permissions: str) -> str:
    """The session cookie of a browser, logged in as somebody with these permissions."""
    with app.app_context():
        add_person(email="browser@example.org", permissions=frozenset(permissions))
        db.session.commit()
    visitor = Visitor(app, "browser@example.org")
    kept = visitor.client.get_cookie("cartwright")
    assert kept is not None
    return f"cartwright={kept.value}"


@in_transaction
def do(*statements: Any) -> None:
    """Change rows behind the back of every process."""
    for statement in statements:
        db.session.execute(statement)


def test_a_websocket_gets_everything_first_and_then_every_change(
    app: Flask, live: WebServer, headers: dict[str, str]
) -> None:
    with listening(live, header=headers) as listener:
        assert listener.hear()["kind"] == "full"
        assert listener.figures["sales.today.orders"] == 0
        assert {name.partition(".")[0] for name in listener.figures} == {"sales", "stock"}
        with app.app_context():
            add_sale(sold_at=utc_now(), total_minor=1999, quantity=2, key="line:1")
        change = listener.hear()
        assert change["kind"] == "change"
        assert change["figures"].keys() == {"sales.today.units", "sales.today.total"}
        assert change["figures"]["sales.today.total"] == {"amount": "19.99", "currency": "USD"}


def test_server_sent_events_say_the_same(app: Flask, live: WebServer, headers: dict[str, str]) -> None:
    heard = events(live, headers=headers)
    name, first = next(heard)
    assert (name, first["kind"]) == ("message", "full")
    with app.app_context():
        add_sale(sold_at=utc_now(), total_minor=500, key="line:1")
    _name, change = next(heard)
    assert (change["kind"], change["seq"]) == ("change", first["seq"] + 1)
    assert change["figures"]["sales.today.total"]["amount"] == "5.00"
    heard.close()  # type: ignore[attr-defined]  # of a generator


def test_whoever_has_lost_a_frame_asks_for_all(app: Flask, live: WebServer, headers: dict[str, str]) -> None:
    with listening(live, header=headers) as listener:
        listener.hear()
        with app.app_context():
            add_sale(sold_at=utc_now(), total_minor=500, key="line:1")
        listener.hear()
        listener.socket.send('{"send": "full"}')
        again = listener.hear()
        assert again["kind"] == "full"
        assert again["seq"] == listener.seq
        assert again["figures"]["sales.today.total"]["amount"] == "5.00"


def test_handshakes_that_nobody_may_do_are_refused(app: Flask, live: WebServer) -> None:
    token = headers_of(app, "dashboard:read")["Authorization"].removeprefix("Bearer ")
    cookie = cookie_of(app, "dashboard:read")
    own = f"http://127.0.0.1:{live.port}"
    assert refusal(live) == (401, "UNAUTHENTICATED")
    assert refusal(live, header=headers_of(app, "sales:read")) == (403, "PERMISSION_MISSING")
    assert refusal(live, cookie=cookie, suppress_origin=False, origin="https://evil.example") == (403, "ORIGIN_REFUSED")
    assert refusal(live, cookie=cookie, suppress_origin=False, origin=f"{own}.evil.example") == (403, "ORIGIN_REFUSED")
    assert refusal(live, cookie=cookie) == (403, "ORIGIN_REFUSED")
    with listening(live, cookie=cookie, suppress_origin=False, origin=own) as listener:
        assert listener.hear()["kind"] == "full"
    for address in (f"{API}/ws/dashboard?token={token}", f"{API}/events/dashboard?access_token={token}&jwt={token}"):
        assert requests.get(own + address, timeout=10).status_code == 401, "a token in an address lets nobody in"
    strange = {"Cookie": cookie, "Sec-Fetch-Site": "cross-site"}
    assert requests.get(f"{own}{API}/events/dashboard", headers=strange, timeout=10).status_code == 403
    no_handshake = requests.get(f"{own}{API}/ws/dashboard", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert (no_handshake.status_code, no_handshake.json()["code"]) == (400, "NO_WEBSOCKET")


def test_a_ticket_opens_one_connection_within_its_time(app: Flask, live: WebServer, headers: dict[str, str]) -> None:
    def ticket() -> str:
        answer = app.test_client().post(f"{API}/tickets", headers=headers)
        assert answer.status_code == 201
        return f"ticket.{answer.get_json()['ticket']}"

    with app.app_context():
        stored = cache().redis
        mine = ticket()
        names = [str(name) for name in stored.keys("ticket:*")]
        assert len(names) == 1
        assert mine.removeprefix("ticket.") not in names[0]
        assert 25 < stored.ttl(stored.keys("ticket:*")[0]) <= 30
    offered = ["cartwright.figures", mine]
    with listening(live, subprotocols=offered, suppress_origin=False, origin="https://elsewhere.example") as listener:
        assert listener.socket.getsubprotocol() == "cartwright.figures"
        assert {name.partition(".")[0] for name in listener.hear()["figures"]} == {"sales", "stock"}
    assert refusal(live, subprotocols=offered) == (401, "TICKET_REFUSED")
    old = ticket()
    with app.app_context():
        stored.pexpire(stored.keys("ticket:*")[0], 0)
    assert refusal(live, subprotocols=["cartwright.figures", old]) == (401, "TICKET_REFUSED")
    stranger = socket.create_connection(("127.0.0.1", live.port), source_address=("127.0.0.2", 0))
    stolen = ["cartwright.figures", ticket()]
    assert refusal(live, subprotocols=stolen, socket=stranger) == (401, "TICKET_REFUSED")
    assert refusal(live, subprotocols=stolen) == (401, "TICKET_REFUSED"), "who it was stolen from learns of it"
    ended = ticket()
    with app.app_context():
        do(update(Session).values(ended_at=utc_now()))
    assert refusal(live, subprotocols=["cartwright.figures", ended]) == (401, "TICKET_REFUSED")


def test_a_permission_that_is_taken_away_takes_its_figures_along(
    app: Flask, live: WebServer, headers: dict[str, str]
) -> None:
    with listening(live, header=headers) as listener:
        listener.hear()
        with app.app_context():
            do(delete(RolePermission).where(RolePermission.permission == "sales:read"))
        listener.hear_until(lambda figures: figures == {"stock.low": 0})
        with app.app_context():
            do(delete(RolePermission).where(RolePermission.permission == "dashboard:read"))
        assert listener.closing() == (1008, "unauthenticated")


@pytest.mark.parametrize("ending", ["revoked", "expired", "owner"])
def test_who_may_no_longer_see_it_is_shown_out(app: Flask, live: WebServer, ending: str) -> None:
    with app.app_context():
        me = add_person(email="ada@example.org", permissions=frozenset({"dashboard:read", "stock:read"}))
        key = ApiKey(user_id=me, name="watcher", prefix="cw_abcdefg", secret_hash=hash_of("cw_watcher"))
        key.scopes, key.created_at = ["dashboard:read", "stock:read"], utc_now()
        db.session.add(key)
        db.session.commit()
        session_headers = {"Authorization": f"Bearer {token_of(app, me)}"}
    with (
        listening(live, header={"Authorization": "Bearer cw_watcher"}) as by_key,
        contextlib.closing(events(live, headers=session_headers)) as by_session,  # type: ignore[type-var]
    ):
        assert by_key.hear()["figures"] == {"stock.low": 0}
        assert next(by_session)[0] == "message"
        before = utc_now() - timedelta(seconds=1)
        ways = {
            "revoked": (update(ApiKey).values(revoked_at=before), update(Session).values(ended_at=before)),
            "expired": (update(ApiKey).values(expires_at=before), update(Session).values(expires_at=before)),
            "owner": (delete(RolePermission),),
        }
        with app.app_context():
            do(*ways[ending])
        assert by_key.closing() == (1008, "unauthenticated")
        assert until(lambda: next(by_session)) == ("closed", {"reason": "unauthenticated"})
        assert next(by_session, None) is None


@pytest.mark.parametrize("ending", ["expired", "logged out", "role lost"])
def test_an_access_token_that_ends_takes_its_connections_along(
    app: Flask, live: WebServer, settings: Settings, ending: str
) -> None:
    mine = headers_of(app, "dashboard:read", "stock:read")
    if ending == "expired":
        mine = _ending_soon(mine, settings)
    with (
        listening(live, header=mine) as by_socket,
        contextlib.closing(events(live, headers=mine)) as by_events,  # type: ignore[type-var]
    ):
        assert by_socket.hear()["figures"] == {"stock.low": 0}
        assert next(by_events)[0] == "message"
        if ending == "logged out":
            assert app.test_client().post("/api/v1/auth/logout", headers=mine).status_code in {200, 204}
        elif ending == "role lost":
            with app.app_context():
                do(delete(UserRole))
        assert by_socket.closing() == (1008, "unauthenticated")
        assert until(lambda: next(by_events)) == ("closed", {"reason": "unauthenticated"})
        assert next(by_events, None) is None


def _ending_soon(headers: dict[str, str], settings: Settings) -> dict[str, str]:
    """The same access token with a few seconds left."""
    token = headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    claims["exp"] = int(time.time()) + 8
    head = jwt.get_unverified_header(token)
    return {"Authorization": f"Bearer {jwt.encode(claims, settings.jwt_secret_key, 'HS256', headers=head)}"}


def test_it_is_looked_often_enough_who_may_still_be_there(settings: Settings) -> None:
    assert settings.live.recheck_s <= 45
    with pytest.raises(SettingsError, match="LIVE_RECHECK_S"):
        Settings.from_env({"LIVE_RECHECK_S": "60"})


def test_who_takes_nothing_is_dropped_and_costs_no_memory(
    app: Flask, settings: Settings, headers: dict[str, str], tmp_path: Path
) -> None:
    fast = {"LIVE_TICK_S": "0.1", "LIVE_USER_CLIENTS": "1"}
    done = threading.Event()
    with contextlib.ExitStack() as open_, socket.socket() as slow:
        server = open_.enter_context(live_server(settings, tmp_path, environ=fast))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        slow.connect(("127.0.0.1", server.port))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        slow.sendall(f"GET {API}/events/dashboard HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
        process = psutil.Process(server.process.pid)
        slow.settimeout(LIMIT_S)
        assert slow.recv(15) == b"HTTP/1.1 200 OK"
        assert refusal(server, header=headers) == (429, "TOO_MANY_OF_ONE_PERSON")
        before = process.memory_info().rss
        writer = threading.Thread(target=_sell_on, args=(app, done))
        writer.start()
        open_.callback(writer.join)
        open_.callback(done.set)
        until(lambda: _can_open(server, headers), "who takes nothing keeps its place", limit_s=90)
        assert process.memory_info().rss - before < 16_000_000


def _sell_on(app: Flask, done: threading.Event) -> None:
    number = 0
    while not done.wait(0.05):
        number += 1
        with app.app_context():
            add_sale(sold_at=utc_now(), total_minor=100, key=f"line:{number}")


def test_who_is_behind_gets_the_newest_figures_in_full() -> None:
    audience = Audience(frozenset({"stock"}))
    for seq in (5, 6, 7, 9):
        audience.update(Snapshot(seq, "2026-11-22T10:00:00+00:00", {"stock.low": seq, "sales.today.units": seq}))
        if seq == 7:
            assert _sent(audience, 6) == {"seq": 7, "kind": "change", "figures": {"stock.low": 7}}
            assert _sent(audience, 5) == {"seq": 7, "kind": "full", "figures": {"stock.low": 7}}
            assert _sent(audience, None) == _sent(audience, 5)
            assert audience.frame(EVENTS, 7) is None
    assert _sent(audience, 7) == {"seq": 9, "kind": "full", "figures": {"stock.low": 9}}, "8 was never heard"


def _sent(audience: Audience, known: int | None) -> dict[str, Any]:
    frame = audience.frame(EVENTS, known)
    assert frame is not None
    found: dict[str, Any] = json.loads(frame.partition(b"data: ")[2])
    assert found.pop("at")
    return found


def test_a_number_that_is_missing_makes_the_next_frame_a_full_one(
    app: Flask, live: WebServer, headers: dict[str, str]
) -> None:
    with listening(live, header=headers) as listener:
        first = listener.hear()["seq"]
        with app.app_context():
            cache().redis.incrby("dashboard:number", 3)
            add_sale(sold_at=utc_now(), total_minor=100, key="line:1")
        frame = listener.hear()
        assert (frame["kind"], frame["seq"]) == ("full", first + 4)
        assert frame["figures"]["sales.today.units"] == 1


def test_two_processes_read_the_figures_once_a_tick_for_all(
    app: Flask, settings: Settings, headers: dict[str, str], tmp_path: Path
) -> None:
    slow = {"LIVE_TICK_S": "1"}
    with (
        live_server(settings, tmp_path, environ=slow) as one,
        live_server(settings, tmp_path, environ=slow) as other,
        contextlib.ExitStack() as open_,
    ):
        listeners = [open_.enter_context(listening(each, header=headers)) for each in (one, other) for _ in range(3)]
        for listener in listeners:
            listener.hear()
        for at in range(3):
            with app.app_context():
                add_sale(sold_at=utc_now(), total_minor=100, key=f"line:{at}")
            for listener in listeners:
                listener.hear_until(partial(_has_sold, at + 1))
        assert len({listener.seq for listener in listeners}) == 1, "all have the same frames"
        assert all(listener.kinds == listeners[0].kinds for listener in listeners)


def test_a_redis_that_starts_again_is_found_again(
    app: Flask, settings: Settings, headers: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    with contextlib.ExitStack() as first, contextlib.ExitStack() as later:
        url = first.enter_context(redis_server(folder))
        server = later.enter_context(live_server(settings, tmp_path, environ={"REDIS_CACHE_URL": f"{url}?db=1"}))
        listener = later.enter_context(listening(server, header=headers))
        listener.hear()
        first.close()
        with app.app_context():
            add_sale(sold_at=utc_now(), total_minor=100, key="line:1")
        listener.hear_until(partial(_has_sold, 1))
        later.enter_context(redis_server(folder))
        with redis.Redis.from_url(f"{url}?db=1") as again:
            until(lambda: again.exists("dashboard:live"), "the process does not come back")
            until(again.pubsub_channels, "it does not subscribe")
        with app.app_context():
            add_sale(sold_at=utc_now(), total_minor=100, key="line:2")
        listener.hear_until(partial(_has_sold, 2))
        assert "full" in listener.kinds[1:]


def test_there_are_as_many_connections_as_there_may_be(
    app: Flask, settings: Settings, headers: dict[str, str], tmp_path: Path
) -> None:
    limits = {"LIVE_MAX_CLIENTS": "3", "LIVE_USER_CLIENTS": "2"}
    with live_server(settings, tmp_path, environ=limits) as server, contextlib.ExitStack() as open_:
        mine = [open_.enter_context(listening(server, header=headers)) for _ in range(2)]
        for listener in mine:
            listener.hear()
        assert refusal(server, header=headers) == (429, "TOO_MANY_OF_ONE_PERSON")
        others = headers_of(app, "dashboard:read")
        open_.enter_context(listening(server, header=others)).hear()
        assert refusal(server, header=headers_of(app, "dashboard:read", "jobs:read")) == (503, "TOO_MANY_CONNECTIONS")
        mine[0].socket.shutdown()
        until(lambda: _can_open(server, headers), "the place of one that has left is given to nobody")


def _has_sold(units: int, figures: dict[str, Any]) -> bool:
    return bool(figures["sales.today.units"] == units)


def _can_open(server: WebServer, headers: dict[str, str]) -> bool:
    try:
        with listening(server, header=headers) as listener:
            return bool(listener.hear())
    except websocket.WebSocketBadStatusException:
        return False


def test_a_process_that_ends_says_so(app: Flask, live: WebServer, headers: dict[str, str]) -> None:
    heard = events(live, headers=headers)
    next(heard)
    with listening(live, header=headers) as listener:
        listener.hear()
        live.process.send_signal(signal.SIGTERM)
        assert listener.closing() == (1001, "going away")
        assert list(heard) == [("closed", {"reason": "going away"})]
    assert live.process.wait(10) == 0
    assert live.complaints() == ""


def test_what_clients_say_is_bounded(live: WebServer, headers: dict[str, str]) -> None:
    with listening(live, header=headers) as listener:
        listener.hear()
        listener.socket.ping("hello")
        opcode, data = listener.socket.recv_data(control_frame=True)
        assert (opcode, data) == (websocket.ABNF.OPCODE_PONG, b"hello")
        listener.socket.send("x" * 5000)
        assert listener.closing() == (1008, "too much")
    with listening(live, header=headers) as listener:
        listener.hear()
        assert listener.socket.sock is not None
        listener.socket.sock.sendall(b"\xff\xff\xff\xff not a frame")
        assert listener.closing()[0] == 1002


def test_where_nothing_is_kept_open_a_page_is_told_to_poll(app: Flask, headers: dict[str, str]) -> None:
    client = app.test_client()
    assert client.get(f"{API}/events/dashboard", headers=headers).status_code == 204
    handshake = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    answer = client.get(f"{API}/ws/dashboard", headers=headers | handshake | key)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "NOT_KEPT_OPEN")
    assert client.get(f"{API}/dashboard", headers=headers).get_json()["live"] is False
