"""What the farm did, added up by minute, hour and day, and how it stood from time to time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, String, false
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, JsonText, UtcDateTime, key_text


class FarmBucket(Base):
    """Counts of a stretch of time, of one storefront and kind of errand or of all (``rules.farm_buckets.keys_of``).

    Buckets of workers are there beside those of everybody (0); ``services.farm_upkeep`` says how long each is kept.
    """

    __tablename__ = "farm_bucket"
    __table_args__ = (Index("ix_farm_bucket_at", "grain", "at"),)

    grain: Mapped[str] = mapped_column(key_text(6), primary_key=True)
    worker_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    storefront_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    action: Mapped[str] = mapped_column(key_text(16), primary_key=True)
    at: Mapped[Instant] = mapped_column(UtcDateTime, primary_key=True)
    succeeded: Mapped[int]
    refused: Mapped[int]
    failed: Mapped[int]
    skipped: Mapped[int]
    cancelled: Mapped[int]
    detail: Mapped[dict[str, Any]] = mapped_column(JsonText)
    """All other counts, by their flat keys."""


class FarmMark(Base):
    """How far the farm is added up; there is at most one row."""

    __tablename__ = "farm_mark"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    version: Mapped[int]
    """Counts the steps: who writes one says which it goes on from."""
    zone: Mapped[str] = mapped_column(key_text(64))
    """Whose hours and days they are."""
    until: Mapped[Instant]
    """What ended before it is in."""
    attempt_id: Mapped[int] = mapped_column(BigId)
    """Attempts with lower numbers had ended a while before it."""
    update_id: Mapped[int] = mapped_column(BigId)
    """Likewise of the products' history."""


class FarmWorker(Base):
    """A worker that buckets refer to: the farm forgets those that are gone after a day."""

    __tablename__ = "farm_worker"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(key_text(128))
    host: Mapped[str] = mapped_column(String(255))


class FarmSample(Base):
    """How the whole farm stood at one moment."""

    __tablename__ = "farm_sample"
    __table_args__ = (Index("ix_farm_sample_coarse", "is_coarse", "at"),)

    at: Mapped[Instant] = mapped_column(UtcDateTime, primary_key=True)
    is_coarse: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it is one of those that are kept for longer."""
    waiting: Mapped[int] = mapped_column(BigId)
    """Tasks of open jobs that are neither released nor held."""
    queued: Mapped[int]
    """Tasks that are released to workers."""
    running: Mapped[int]
    """Tasks that workers hold."""
    idle: Mapped[int]
    busy: Mapped[int]
    draining: Mapped[int]
    """Workers that finish their task, or wait until they are resumed."""
