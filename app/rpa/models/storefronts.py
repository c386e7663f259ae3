"""Shops that the farm visits."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Attributed, Base, BigId, Instant, PrimaryKey, Timestamps, UtcDateTime, key_text, utc_now


class VersionState(StrEnum):
    """What becomes of a version of a profile: DRAFT -> ACTIVE -> PAST; one is active."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    PAST = "PAST"


class Storefront(Timestamps, Base):
    """A shop that the farm visits, as its profile describes it. ``next_start_at`` serialises the claims of one shop."""

    __tablename__ = "storefront"

    id: Mapped[PrimaryKey]
    code: Mapped[str] = mapped_column(key_text(64), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    profile: Mapped[dict[str, Any]] = mapped_column(JSON)
    """That of the active version, which ``profile_version`` is the number of."""
    profile_version: Mapped[int] = mapped_column(default=1)
    gap_ms: Mapped[int]
    concurrency: Mapped[int]
    updated_at: Mapped[Instant] = mapped_column(default=utc_now)
    """When its name or profile was changed last; claims and pauses do not count."""
    next_start_at: Mapped[Instant]
    paused_until: Mapped[Instant | None] = mapped_column(UtcDateTime)


class ProfileVersion(Attributed, Base):
    """A storefront's profile as it once was or may become; its document never changes."""

    __tablename__ = "profile_version"
    __table_args__ = (UniqueConstraint("storefront_id", "number"),)

    id: Mapped[PrimaryKey]
    storefront_id: Mapped[int] = mapped_column(BigId, ForeignKey("storefront.id", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(key_text(8))
    profile: Mapped[dict[str, Any]] = mapped_column(JSON)
    note: Mapped[str | None] = mapped_column(String(500))
    copy_of: Mapped[int | None]
    """The number of the earlier version that this one brought back."""
    created_at: Mapped[Instant]
    activated_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
