"""The hub of a process: takes part in reading the figures, hears what others read, and has its clients sent it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import gevent
from flask import Flask
from gevent.event import Event
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import RedisError
from redis.retry import Retry

from app.analytics.errors import TooManyConnections, TooManyOfOnePerson
from app.analytics.live.client import GOING_AWAY, UNAUTHENTICATED, Client
from app.analytics.live.frames import Audience
from app.analytics.rules.figures import parts_of
from app.analytics.services.snapshots import HEARTBEAT, Snapshot, channel, newest_snapshot, read_snapshot, say_alive
from app.analytics.services.tickets import credential_of
from app.auth.queries.access import Access, list_access
from app.config import Settings
from app.core.orm import utc_now
from app.core.permissions import Principal

PERMISSION: Final = "dashboard:read"
_REDIS_TIMEOUT_S: Final = 5.0
_BATCH: Final = 500
"""Sessions or keys that are asked about in one statement."""
_PAUSE_S: Final = 1.0
"""Between two tries while Redis or the database is away."""
_COME_BACK_S: Final = 10

log = logging.getLogger(__name__)


class Hub:
    """All clients of a process. Greenlets are never interrupted between two waits, so it needs no locks."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._settings: Settings = app.extensions["settings"]
        self._clients: set[Client] = set()
        self._of_user = Counter[int | None]()
        self._audiences: dict[frozenset[str], Audience] = {}
        self._snapshot: Snapshot | None = None
        self._heard_at = self._asked_at = 0.0
        self._stopping = Event()
        self._greenlets: list[gevent.Greenlet] = []

    def start(self) -> None:
        """Begin to follow the figures and to look who may still see them."""
        self._greenlets = [gevent.spawn(self._repeat, self._follow), gevent.spawn(self._repeat, self._recheck)]

    def stop(self) -> None:
        """Tell all clients that the process ends; they connect to another one, or later."""
        self._stopping.set()
        for client in list(self._clients):
            client.end(GOING_AWAY)

    def connect(self, principal: Principal, *, socket: Any, wire: str, expires_at: datetime | None) -> Client:
        """A new client with a place of its own; raises TooManyConnections and TooManyOfOnePerson."""
        limits = self._settings.live
        if len(self._clients) >= limits.max_clients or self._stopping.is_set():
            raise TooManyConnections("This process keeps no more connections open: poll the figures, or come later.")
        if self._of_user[principal.user_id] >= limits.user_clients:
            said = f"You have {limits.user_clients} connections open, which is as many as you may: close one."
            raise TooManyOfOnePerson(said, retry_after_s=_COME_BACK_S)
        if time.monotonic() - self._asked_at > 2 * limits.tick_s:
            self._ask()  # nobody was there for whom the figures would have been read
        about: dict[str, Any] = {"credential": credential_of(principal), "user_id": principal.user_id}
        client = Client(hub=self, socket=socket, wire=wire, expires_at=expires_at, **about)
        client.audience = self._audience(parts_of(principal.permissions))
        self._clients.add(client)
        self._of_user[client.user_id] += 1
        return client

    def leave(self, client: Client) -> None:
        """Give a client's place to others, however often it is said."""
        if client in self._clients:
            self._clients.remove(client)
            self._of_user[client.user_id] -= 1
            if self._of_user[client.user_id] == 0:
                del self._of_user[client.user_id]

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._clients)

    def _audience(self, parts: frozenset[str]) -> Audience:
        if parts not in self._audiences:
            self._audiences[parts] = Audience(parts)
            if self._snapshot is not None:
                self._audiences[parts].update(self._snapshot)
        return self._audiences[parts]

    def _repeat(self, turn: Any) -> None:
        while not self._stopping.is_set():
            try:
                turn()
            except Exception as error:  # noqa: BLE001  # whatever it is, the connections stay
                log.warning("the live figures have a pause: %s", error)
                self._stopping.wait(_PAUSE_S)

    def _follow(self) -> None:
        """Hear what is published, and have a tick's figures read where nobody else has; until Redis goes away."""
        try:
            with self._subscription() as published:
                while not self._stopping.is_set():
                    self._tick()
                    self._hear(published)
        except (RedisError, OSError) as error:
            log.warning("Redis does not answer, figures are read here: %s", error)
            self._tick()
            self._stopping.wait(_PAUSE_S)

    @contextmanager
    def _subscription(self) -> Iterator[PubSub]:
        timeouts = {"socket_timeout": _REDIS_TIMEOUT_S, "socket_connect_timeout": _REDIS_TIMEOUT_S}
        with Redis.from_url(self._settings.redis_cache_url, retry=Retry(NoBackoff(), 0), **timeouts) as client:
            published = client.pubsub(ignore_subscribe_messages=True)
            try:
                with self._app.app_context():
                    published.subscribe(channel())
                yield published
            finally:
                published.close()

    def _hear(self, published: PubSub) -> None:
        until = time.monotonic() + self._settings.live.tick_s
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            message = published.get_message(timeout=left)
            if message is not None:
                self._deliver(read_snapshot(message["data"]))

    def _tick(self) -> None:
        with self._app.app_context():
            say_alive()
            if self._clients:
                self._ask()

    def _ask(self) -> None:
        self._asked_at = time.monotonic()
        self._deliver(newest_snapshot())

    def _deliver(self, snapshot: Snapshot | None) -> None:
        """Have all clients sent a snapshot that is new to this process."""
        if snapshot is None:
            return
        known = self._snapshot
        if snapshot.seq == 0 and known is not None:
            if snapshot.figures == known.figures and time.monotonic() - self._heard_at < HEARTBEAT.total_seconds():
                return
            snapshot = replace(snapshot, seq=known.seq + 1)
        elif known is not None and (snapshot.at < known.at or snapshot.seq == known.seq):
            return
        self._snapshot, self._heard_at = snapshot, time.monotonic()
        used = {client.audience.parts for client in self._clients}
        self._audiences = {parts: audience for parts, audience in self._audiences.items() if parts in used}
        for audience in self._audiences.values():
            audience.update(snapshot)
        for client in self._clients:
            client.bell.set()

    def _recheck(self) -> None:
        """Look, in few statements, what the sessions and keys of all clients allow now."""
        self._stopping.wait(self._settings.live.recheck_s)
        clients, now = list(self._clients), utc_now()
        credentials = sorted({client.credential for client in clients})
        found: dict[tuple[str, int], Access] = {}
        required = self._settings.accounts.staff_second_factor
        for at in range(0, len(credentials), _BATCH):
            with self._app.app_context():
                found |= list_access(credentials[at : at + _BATCH], now=now, staff_second_factor=required)
        for client in clients:
            self._judge(client, found.get(client.credential), now)

    def _judge(self, client: Client, access: Access | None, now: datetime) -> None:
        has_expired = client.expires_at is not None and client.expires_at <= now
        if has_expired or access is None or access.lacks_second_factor or PERMISSION not in access.permissions:
            client.end(UNAUTHENTICATED)
            return
        parts = parts_of(access.permissions)
        if parts != client.audience.parts:
            client.audience, client.seq = self._audience(parts), None
            client.bell.set()
