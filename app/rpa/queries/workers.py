"""Reads of workers."""

from __future__ import annotations

from sqlalchemy import func, select

from app.core.extensions import db
from app.core.orm import database_now
from app.rpa.models.workers import Worker


def count_live_workers(*, silent_s: float) -> int:
    """Workers that were heard of within the last ``silent_s`` seconds."""
    since = database_now(db.session(), plus_s=-silent_s)
    alive = select(func.count()).where(Worker.heartbeat_at > since, Worker.stopped_at.is_(None))
    return db.session.scalar(alive) or 0
