"""Who is at work, and which dispatcher leads."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, PrimaryKey, UtcDateTime, key_text


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


class Leader(Base):
    """Which dispatcher leads, until when; the others stand by."""

    __tablename__ = "leader"

    name: Mapped[str] = mapped_column(key_text(32), primary_key=True)
    owner: Mapped[str] = mapped_column(key_text(128))
    until: Mapped[Instant]
