"""Reads of replays: the pages that are kept of a storefront, and what came of reading them by another version."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, select

from app.core.extensions import db
from app.core.files import evidence_store
from app.core.orm import database_now
from app.core.running import settings
from app.rpa.errors import TrialNotFound
from app.rpa.models.evidence import Evidence
from app.rpa.models.jobs import Action, Attempt, Job, Task
from app.rpa.models.trials import Trial, TrialKind, TrialState
from app.rpa.rules.evidence import MAX_HTML_BYTES
from app.rpa.rules.readings import Kind

MOST_PAGES: Final = 50
_GZIP: Final = 31
"""zlib's name for the format."""


@dataclass(frozen=True, slots=True)
class KeptPage:
    """The HTML of a product's page as a visit left it."""

    evidence_id: int
    asin: str
    path: str
    facts: Mapping[str, Any]
    """What the attempt noted of the visit: final_url, http_status."""
    was_read: bool
    """Whether the visit read the product; else it failed."""


def kept_pages(storefront_id: int) -> list[KeptPage]:
    """The newest pages of products that are kept of a storefront, MOST_PAGES at most: first those that were read well.

    Newest first.
    """
    well = _newest(storefront_id, Evidence.pages_of == storefront_id, most=settings().evidence.replay_samples)
    failed = _newest(storefront_id, Evidence.pages_of.is_(None), most=MOST_PAGES - len(well))
    return sorted([*well, *failed], key=lambda page: page.evidence_id, reverse=True)


def _newest(storefront_id: int, which: ColumnElement[bool], *, most: int) -> list[KeptPage]:
    query = (
        select(Evidence.id, Task.asin, Evidence.path, Attempt.facts, Evidence.pages_of)
        .join(Task, Task.id == Evidence.task_id)
        .join(Job, Job.id == Task.job_id)
        .join(Attempt, Attempt.id == Evidence.attempt_id)
        .where(Task.storefront_id == storefront_id, Job.action == Action.VIEW_PRODUCT)
        .where(which, Evidence.kind == Kind.HTML, Evidence.expires_at > database_now(db.session()))
        .order_by(Evidence.id.desc())
        .limit(most)
    )
    rows = db.session.execute(query)
    return [KeptPage(row.id, row.asin, row.path, row.facts or {}, row.pages_of is not None) for row in rows]


def read_page(page: KeptPage) -> bytes:
    """The document, at most MAX_HTML_BYTES of it; raises what the store raises, and zlib.error."""
    packed = b"".join(evidence_store().pieces(page.path))
    return zlib.decompressobj(_GZIP).decompress(packed, MAX_HTML_BYTES)


def find_replay(storefront_id: int, number: int) -> Trial | None:
    """The newest replay of a version."""
    query = (
        select(Trial)
        .where(Trial.kind == TrialKind.REPLAY, Trial.storefront_id == storefront_id, Trial.profile_version == number)
        .where(Trial.expires_at > database_now(db.session()))
        .order_by(Trial.id.desc())
    )
    return db.session.scalar(query.limit(1))


def get_replay(storefront_id: int, number: int) -> Trial:
    """The newest replay of a version; raises TrialNotFound."""
    row = find_replay(storefront_id, number)
    if row is None:
        raise TrialNotFound("This version was not replayed, or not in the last seven days.")
    return row


@dataclass(frozen=True, slots=True)
class Foresight:
    """What is known of a version before it takes the place of the active one."""

    said: str
    """In a sentence."""
    lost: Mapping[str, int]
    """On how many kept pages it no longer reads a field; ``code`` is the pages that it does not read at all."""
    could_be_replayed: bool = False
    """It was not replayed against the active version, and there are pages for that."""


def foresee(storefront_id: int, number: int, active: int) -> Foresight:
    """What the newest replay of a version against the active one found."""
    row = find_replay(storefront_id, number)
    if row is None or row.state != TrialState.DONE or row.result is None or row.asks["against"]["number"] != active:
        said = f"Not replayed against version {active}"
        if kept_pages(storefront_id):
            return Foresight(f"{said}.", {}, could_be_replayed=True)
        return Foresight(f"{said}: no page of the storefront is kept.", {})
    pages, lost = len(row.result["pages"]), row.result["lost"]
    said = f"Replayed on {pages} kept pages against version {active}: {lost or 'no'} values lost."
    return Foresight(said, {field: counts["lost"] for field, counts in row.result["counts"].items() if counts["lost"]})
