"""What the servers of storefronts say in their robots.txt."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, LongText, PrimaryKey, UtcDateTime, key_text


class RobotsFile(Base):
    """What one of a storefront's servers says in its robots.txt, as it was read last."""

    __tablename__ = "robots_file"
    __table_args__ = (UniqueConstraint("storefront_id", "origin"),)

    id: Mapped[PrimaryKey]
    storefront_id: Mapped[int] = mapped_column(BigId, ForeignKey("storefront.id", ondelete="CASCADE"))
    origin: Mapped[str] = mapped_column(key_text(300))
    """Scheme, host and port: ``https://shop.example:443``."""
    state: Mapped[str] = mapped_column(key_text(12))
    """``app.rpa.rules.robots.State``."""
    status: Mapped[int | None]
    """The last answer's HTTP status, None where there was none."""
    body: Mapped[str | None] = mapped_column(LongText, deferred=True)
    is_whole: Mapped[bool] = mapped_column(default=True)
    delay_ms: Mapped[int] = mapped_column(default=0)
    """What it wants between two visits."""
    problem: Mapped[str | None] = mapped_column(String(500))
    """Why it could not be read the last time; what was read before is still there."""
    failures: Mapped[int] = mapped_column(default=0)
    """How often in a row it could not be read."""
    fetched_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """When what stands here was read."""
    expires_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """Until when it counts."""
    due_at: Mapped[Instant]
    """When it is to be read again, by whoever needs it then."""
    reading_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """Somebody is reading it and has time until then."""
