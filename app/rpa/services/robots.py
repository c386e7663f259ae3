"""Keeping what the servers of storefronts say in their robots.txt, and saying what follows from it for a task.

Whoever needs a file that is due reads it, one at a time and never inside a transaction; the others go by what was read
before, or come again in a second where there is nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Row, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core import audit, outbox
from app.core.extensions import db
from app.core.orm import count_changed, database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import StorefrontNotFound
from app.rpa.models.jobs import Action
from app.rpa.models.robots import RobotsFile
from app.rpa.models.storefronts import Storefront
from app.rpa.profiles.profile import Profile, read_profile
from app.rpa.rules.codes import Code
from app.rpa.rules.holds import find_hold
from app.rpa.rules.robots import (
    ALLOWED,
    KEPT,
    REFRESHED_AFTER,
    Rules,
    State,
    Verdict,
    address_in,
    origin_of,
    origins_of,
    pages_of,
    read_rules,
    retry_s,
    unread_code,
)
from app.rpa.services.robots_reading import DEADLINE_S, Reading, read_robots

REFRESH: Final = "refresh_robots"
"""The outbox kind."""
_IN_A_MOMENT: Final = timedelta(seconds=1)
_REFUSED_FOR: Final = timedelta(minutes=10)
"""A host's address may change."""
_READING: Final = timedelta(seconds=2 * DEADLINE_S)
"""How long one has for reading a file before another one may."""


def judge_task(known_of_task: Sequence[Row[Any]]) -> Verdict:
    """Say what robots.txt means for the pages of a task, of which ``claims.find_released`` has just told.

    What of it is due is read first. That takes the time of a request or two; no transaction may be open.
    """
    task = known_of_task[0] if known_of_task else None
    if task is None or not task.obeys_robots:
        return ALLOWED
    session = db.session()
    profile = read_profile(task.document)
    urls = pages_of(profile, Action(task.action), task.asin, task.quantity)
    known: Mapping[str, Any] = {file.origin: file for file in known_of_task}
    now, origins = task.now, _origins(urls)
    if _due(origins, known, now):
        known, now = _read_due(session.get_one(Storefront, task.storefront_id), profile, origins)
    verdict = _judge(urls, known, now)
    session.rollback()
    return verdict


def judge_pages(*, storefront_id: int, profile: Profile, urls: list[str]) -> Verdict:
    """The same for pages of a profile that need not be the storefront's own, and whose visit has its slot already."""
    shop = db.session.get(Storefront, storefront_id)
    verdict = ALLOWED
    if shop is not None and shop.obeys_robots:
        verdict = _judge(urls, *_read_due(shop, profile, _origins(urls), is_wanted=True))
    db.session.rollback()
    return verdict


def refresh_robots(*, storefront_id: int) -> None:
    """Read the robots.txt of all servers of a storefront that are due, as ``request_refresh`` wants it."""
    shop = db.session.get(Storefront, storefront_id)
    if shop is not None:
        profile = Profile.from_document(shop.profile)
        _read_due(shop, profile, origins_of(profile), is_wanted=True)
    db.session.rollback()


@in_transaction
def request_refresh(*, actor: Principal, storefront_id: int) -> None:
    """Have a storefront's robots.txt read again, soon and by a background worker; raises StorefrontNotFound."""
    session = db.session()
    shop = session.scalars(select(Storefront).where(Storefront.id == storefront_id).with_for_update()).one_or_none()
    if shop is None:
        raise StorefrontNotFound("There is no such storefront.")
    mine = update(RobotsFile).where(RobotsFile.storefront_id == storefront_id)
    count_changed(session, mine.values(due_at=database_now(session)))
    shop.robots_retry_at = None
    audit.record(actor=actor, action="storefront.robots_refresh", subject=("storefront", storefront_id))
    outbox.add(REFRESH, key=f"robots-{storefront_id}-{secrets.token_hex(8)}", storefront_id=storefront_id)


def _read_due(
    shop: Storefront, profile: Profile, origins: list[str], *, is_wanted: bool = False
) -> tuple[dict[str, RobotsFile], datetime]:
    """Read what is due and nobody reads; nothing on a storefront that is not to be visited now, unless it is wanted.

    Returns the files that are known then, by their origins, and when that was; a read is open.
    """
    session = db.session()
    storefront_id = shop.id
    known, now = _known(session, storefront_id)
    due = _due(origins, known, now)
    if not due or (not is_wanted and find_hold(shop, now) is not None):
        return known, now
    session.rollback()
    for origin in due:
        if _take(storefront_id=storefront_id, origin=origin):
            reading = read_robots(origin, profile.allowed_hosts)
            _keep(storefront_id=storefront_id, origin=origin, reading=reading)
    return _known(session, storefront_id)


def _known(session: Session, storefront_id: int) -> tuple[dict[str, RobotsFile], datetime]:
    """What is known of the servers of a storefront by their origins, and when."""
    now = database_now(session)
    return {file.origin: file for file in _files(session, storefront_id)}, now


def _due(origins: list[str], known: Mapping[str, Any], now: datetime) -> list[str]:
    """Those servers of which something is to be read, by what is known of them."""
    return [origin for origin in origins if origin not in known or known[origin].due_at <= now]


def _origins(urls: list[str]) -> list[str]:
    return list(dict.fromkeys(origin_of(url) for url in urls))


def _judge(urls: list[str], known: Mapping[str, Any], now: datetime) -> Verdict:
    verdicts = [_verdict(known, url, now) for url in urls]
    ends = [verdict for verdict in verdicts if verdict.code is not None]
    waits = [verdict for verdict in verdicts if verdict.wait_until is not None]
    return ends[0] if ends else max(waits, key=lambda wait: wait.wait_until or now) if waits else ALLOWED


def _verdict(known: Mapping[str, Any], url: str, now: datetime) -> Verdict:
    origin = origin_of(url)
    file = known.get(origin)
    if file is None or file.expires_at is None or file.expires_at <= now:
        if file is None or not file.failures:
            return Verdict(wait_until=now + _IN_A_MOMENT)
        problem = file.problem or ""
        again_at = max(file.due_at, now + _IN_A_MOMENT)
        return Verdict(detail=problem, wait_until=again_at, unread=unread_code(file.status, problem))
    if file.state == State.REFUSED:
        return Verdict(Code.ADDRESS_REFUSED, file.problem or "")
    try:
        is_allowed = file.state == State.NONE or kept_rules(file.id, file.fetched_at).allows(url)
    except LookupError:
        return Verdict(wait_until=now + _IN_A_MOMENT)
    return ALLOWED if is_allowed else Verdict(Code.ROBOTS_DENIED, f"{address_in(origin)} disallows {url}.")


@lru_cache(maxsize=32)
def kept_rules(file_id: int, fetched_at: datetime | None) -> Rules:
    """The rules of a file as they were read at that time; the same ones again cost nothing. Raises LookupError."""
    body = select(RobotsFile.body).where(RobotsFile.id == file_id, RobotsFile.fetched_at == fetched_at)
    found = db.session.scalar(body)
    if found is None:
        raise LookupError("it was read again meanwhile")
    return read_rules(found)


@in_transaction
def _take(*, storefront_id: int, origin: str) -> bool:
    """Whether the caller may read a file that is due: nobody else does until it is kept or time is up."""
    session = db.session()
    now = database_now(session)
    file = RobotsFile.storefront_id == storefront_id, RobotsFile.origin == origin
    is_free = (RobotsFile.reading_until.is_(None)) | (RobotsFile.reading_until < now)
    mine = update(RobotsFile).where(*file, RobotsFile.due_at <= now, is_free)
    if count_changed(session, mine.values(reading_until=now + _READING)):
        return True
    if session.scalar(select(RobotsFile.id).where(*file)) is not None:
        return False
    new = RobotsFile(
        storefront_id=storefront_id, origin=origin, state=State.UNREAD, due_at=now, reading_until=now + _READING
    )
    try:
        with session.begin_nested():
            session.add(new)
    except IntegrityError:  # somebody else was faster, or the storefront is gone
        return False
    return True


@in_transaction
def _keep(*, storefront_id: int, origin: str, reading: Reading) -> None:
    session = db.session()
    shop = session.scalars(select(Storefront).where(Storefront.id == storefront_id).with_for_update()).one_or_none()
    mine = select(RobotsFile).where(RobotsFile.storefront_id == storefront_id, RobotsFile.origin == origin)
    file = session.scalars(mine).one_or_none()
    if shop is None or file is None:
        return
    now = database_now(session)
    file.status, file.problem, file.reading_until = reading.status, reading.problem, None
    if reading.state is None:
        file.failures += 1
        file.due_at = now + timedelta(seconds=retry_s(file.failures, reading.retry_after_s))
    else:
        is_refused = reading.state is State.REFUSED
        file.state, file.body, file.is_whole, file.failures = reading.state, reading.body, reading.is_whole, 0
        file.delay_ms = reading.delay_ms
        file.fetched_at, file.expires_at = now, now + (_REFUSED_FOR if is_refused else KEPT)
        file.due_at = now + (_REFUSED_FOR if is_refused else REFRESHED_AFTER)
    _tell(shop, list(_files(session, storefront_id)), now)


def _tell(shop: Storefront, files: list[RobotsFile], now: datetime) -> None:
    """Let the storefront know the longest delay that its servers want, and until when nothing is known of one."""
    origins = origins_of(Profile.from_document(shop.profile))
    used = [file for file in files if file.origin in origins]
    shop.crawl_delay_ms = max((file.delay_ms for file in used), default=0)
    unknown = [file.due_at for file in used if file.failures and (file.expires_at is None or file.expires_at <= now)]
    shop.robots_retry_at = max(unknown, default=None)


def _files(session: Session, storefront_id: int) -> list[RobotsFile]:
    found = select(RobotsFile).where(RobotsFile.storefront_id == storefront_id).order_by(RobotsFile.id)
    return list(session.scalars(found.execution_options(populate_existing=True)))
