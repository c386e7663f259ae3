"""Shops that the farm visits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, Instant, PrimaryKey, Timestamps, UtcDateTime, key_text, utc_now


class Storefront(Timestamps, Base):
    """A shop that the farm visits, as its profile describes it. ``next_start_at`` serialises the claims of one shop."""

    __tablename__ = "storefront"

    id: Mapped[PrimaryKey]
    code: Mapped[str] = mapped_column(key_text(64), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    profile: Mapped[dict[str, Any]] = mapped_column(JSON)
    gap_ms: Mapped[int]
    concurrency: Mapped[int]
    updated_at: Mapped[Instant] = mapped_column(default=utc_now)
    """When its name or profile was changed last; claims and pauses do not count."""
    next_start_at: Mapped[Instant]
    paused_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
