"""Who is at work, and which dispatcher leads."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, PrimaryKey, UtcDateTime, key_text


class Wanted(StrEnum):
    """What operators want of a worker; it hears of it with its next heartbeat."""

    WORK = "work"
    DRAIN = "drain"
    """To finish its task and begin no other."""
    STOP = "stop"
    """The same, and then to end."""


class WorkerState(StrEnum):
    """What a worker does, as far as anybody knows."""

    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    DRAINED = "drained"
    STOPPED = "stopped"
    LOST = "lost"


class Worker(Base):
    """One slot of a worker pool and when it was last heard of."""

    __tablename__ = "worker"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(key_text(128), unique=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    started_at: Mapped[Instant]
    heartbeat_at: Mapped[Instant] = mapped_column(UtcDateTime, index=True)
    task_id: Mapped[int | None] = mapped_column(BigId)
    stopped_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    wanted: Mapped[str] = mapped_column(key_text(8), default=Wanted.WORK, server_default=Wanted.WORK)
    vitals: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What it tells of itself with a heartbeat (``workers/duty.py``)."""

    state: ClassVar[WorkerState]
    """Filled in by the reads of ``app/rpa/queries/workers.py``, as are the two below."""
    task: ClassVar[Any] = None
    browsers: ClassVar[list[dict[str, Any]]]


class Leader(Base):
    """Which dispatcher leads, until when; the others stand by."""

    __tablename__ = "leader"

    name: Mapped[str] = mapped_column(key_text(32), primary_key=True)
    owner: Mapped[str] = mapped_column(key_text(128))
    until: Mapped[Instant]
    since: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """When this one took the leadership."""
