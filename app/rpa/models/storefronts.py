"""Shops that the farm visits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, Boolean, ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Attributed, Base, BigId, Instant, PrimaryKey, Timestamps, UtcDateTime, key_text, utc_now
from app.rpa.rules.cooling import Cooling


class VersionState(StrEnum):
    """What becomes of a version of a profile: DRAFT -> ACTIVE -> PAST; one is active."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    PAST = "PAST"


class Storefront(Timestamps, Base):
    """A shop that the farm visits, as its profile describes it. ``next_start_at`` serialises the claims of one shop."""

    __tablename__ = "storefront"
    __table_args__ = (Index("ix_storefront_updates_master", "updates_master", unique=True),)

    id: Mapped[PrimaryKey]
    code: Mapped[str] = mapped_column(key_text(64), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    profile: Mapped[dict[str, Any]] = mapped_column(JSON)
    """That of the active version, which ``profile_version`` is the number of."""
    profile_version: Mapped[int] = mapped_column(default=1)
    versions_made: Mapped[int] = mapped_column(default=0, server_default="0")
    """The highest number that a version of its profile has had; none comes twice, though drafts may be deleted."""
    gap_ms: Mapped[int]
    concurrency: Mapped[int]
    updated_at: Mapped[Instant] = mapped_column(default=utc_now)
    """When its name or profile was changed last; claims and pauses do not count."""
    next_start_at: Mapped[Instant]
    paused_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """The shop asked us to wait until then."""
    timezone: Mapped[str] = mapped_column(key_text(64), default="UTC")
    """Of the hours and of the day that the cap is for."""
    hours: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    """When it may be visited (``app.rpa.rules.hours``); None: always."""
    daily_cap: Mapped[int | None]
    pages_day: Mapped[str | None] = mapped_column(key_text(10))
    """The date in its time zone of which ``pages_count`` are the pages."""
    pages_count: Mapped[int] = mapped_column(default=0)
    obeys_robots: Mapped[bool] = mapped_column(default=True)
    override_reason: Mapped[str | None] = mapped_column(String(500))
    """Why its robots.txt is not obeyed, where it is not."""
    overridden_by: Mapped[str | None] = mapped_column(key_text(32))
    overridden_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    crawl_delay_ms: Mapped[int] = mapped_column(default=0)
    """What its robots.txt wants between two visits."""
    robots_retry_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """Its robots.txt could not be read, and is asked for again then."""
    blocks: Mapped[int] = mapped_column(default=0)
    """Visits in a row that it blocked."""
    cooldown_s: Mapped[int] = mapped_column(default=0)
    cooldown_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """While it cools down: when the next probe may start (``app.rpa.rules.cooling``)."""
    misses: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Parts of the profile that the last visits did not find (``app.rpa.rules.rotting``)."""
    updates_master: Mapped[bool | None] = mapped_column(Boolean)
    """True for the one storefront whose changes the product master follows, NULL for all others."""
    reviews_jumps: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Whether people look at price jumps that a second visit has confirmed."""

    waits: ClassVar[Any] = None
    """Why nothing of it starts now (``app.rpa.rules.standstill.Wait``); filled in by reads that show it."""
    pages_today: ClassVar[int] = 0
    """Like ``waits``."""

    @property
    def politeness(self) -> dict[str, Any]:
        """What is said of hours, cap and robots.txt, in the API's words."""
        return {
            "timezone": self.timezone or "UTC", "hours": self.hours or [], "daily_cap": self.daily_cap,
            "obeys_robots": self.obeys_robots is not False, "override_reason": self.override_reason,
        }  # fmt: skip

    @property
    def changes(self) -> dict[str, bool]:
        """What happens with the changes that are seen on it, in the API's words."""
        return {"update_master": bool(self.updates_master), "review_jumps": bool(self.reviews_jumps)}

    @property
    def robots_override(self) -> dict[str, Any] | None:
        """Who said that its robots.txt is not obeyed, why and when; None where it is."""
        if self.override_reason is None:
            return None
        return {"reason": self.override_reason, "by": self.overridden_by, "at": self.overridden_at}

    @property
    def cooling(self) -> Cooling:
        """How often in a row it has blocked us, and how it cools down."""
        return Cooling(self.blocks, self.cooldown_s, self.cooldown_until)

    @cooling.setter
    def cooling(self, cooling: Cooling) -> None:
        self.blocks, self.cooldown_s, self.cooldown_until = cooling.blocks, cooling.seconds, cooling.until


@dataclass(frozen=True, slots=True)
class Shop:
    """What of a storefront's row says whether it may be visited, and how: every visit reads it, so no more and no ORM.

    ``queries/shops.py`` reads it.
    """

    id: int
    version: int
    profile_version: int
    is_active: bool
    gap_ms: int
    concurrency: int
    next_start_at: datetime
    paused_until: datetime | None
    timezone: str
    hours: list[dict[str, Any]] | None
    daily_cap: int | None
    pages_day: str | None
    pages_count: int
    obeys_robots: bool
    crawl_delay_ms: int
    robots_retry_at: datetime | None
    blocks: int
    cooldown_until: datetime | None
    updates_master: bool | None
    reviews_jumps: bool


AnyShop = Storefront | Shop


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

    replayed: ClassVar[str | None] = None
    """What its replay said when it was activated just now."""
