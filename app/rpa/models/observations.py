"""What was seen of products on storefronts."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, PrimaryKey, UtcDateTime, key_text


class Observation(Base):
    """What one successful view of a product page read; append-only, one per task."""

    __tablename__ = "observation"
    __table_args__ = (
        Index("ix_observation_product", "product_id", "storefront_id", "id"),
        Index("ix_observation_observed", "observed_at", "id"),
    )

    id: Mapped[PrimaryKey]
    task_id: Mapped[int] = mapped_column(BigId, ForeignKey("task.id"), unique=True)
    product_id: Mapped[int] = mapped_column(BigId)
    storefront_id: Mapped[int] = mapped_column(BigId)
    observed_at: Mapped[Instant]
    name: Mapped[str | None] = mapped_column(Text)
    brand: Mapped[str | None] = mapped_column(Text)
    price_minor: Mapped[int | None] = mapped_column(BigId)
    currency: Mapped[str | None] = mapped_column(key_text(3))
    availability: Mapped[str | None] = mapped_column(key_text(16))
    sources: Mapped[dict[str, Any]] = mapped_column(JSON)
    profile_version: Mapped[int | None]
    """The number of the storefront's profile that read it; None for what is older than these numbers."""


class ObservationDay(Base):
    """What all observations of one product on one storefront on one day (UTC) come to; kept for ever."""

    __tablename__ = "observation_day"

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    storefront_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    priced_count: Mapped[int] = mapped_column(default=0)
    """How many of them knew the price, in whatever currency."""
    currency: Mapped[str | None] = mapped_column(key_text(3))
    """Of the last price, and of the four that follow: they begin anew when it changes."""
    first_minor: Mapped[int | None] = mapped_column(BigId)
    last_minor: Mapped[int | None] = mapped_column(BigId)
    lowest_minor: Mapped[int | None] = mapped_column(BigId)
    highest_minor: Mapped[int | None] = mapped_column(BigId)
    known_count: Mapped[int] = mapped_column(default=0)
    """How many of them knew the availability."""
    available_count: Mapped[int] = mapped_column(default=0)
    """How many of these could be bought."""


class ObservationFold(Base):
    """How far observations are summed up by day; its one row is the lock of who does it."""

    __tablename__ = "observation_fold"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    until: Mapped[Instant]
    """The days before it are complete."""
    observed_at: Mapped[Instant]
    """With the next: the last observation that is in."""
    observation_id: Mapped[int] = mapped_column(BigId)


class ObservationCurrent(Base):
    """The last known value of one attribute of one product on one storefront: what a change is measured against."""

    __tablename__ = "observation_current"

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    storefront_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    attribute: Mapped[str] = mapped_column(key_text(16), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    observed_at: Mapped[Instant]
    task_id: Mapped[int] = mapped_column(BigId)


class ReviewState(StrEnum):
    """What became of a change that was not believed at once; all but OPEN are final."""

    OPEN = "OPEN"
    """Somebody shall look at it."""
    ACCEPTED = "ACCEPTED"
    DISMISSED = "DISMISSED"
    NOTED = "NOTED"
    """Nobody need look at it: the second visit saw the old value again."""


class ObservedChange(Base):
    """A suspicious change of one attribute that two visits of a task have looked at, for people to decide upon."""

    __tablename__ = "observed_change"
    __table_args__ = (
        UniqueConstraint("task_id", "attribute"),
        Index("ix_observed_change_state", "state", "id"),
        Index("ix_observed_change_storefront", "storefront_id", "state", "id"),
        Index("ix_observed_change_product", "product_id", "state", "id"),
    )

    id: Mapped[PrimaryKey]
    product_id: Mapped[int] = mapped_column(BigId)
    asin: Mapped[str] = mapped_column(key_text(10))
    storefront_id: Mapped[int] = mapped_column(BigId)
    job_id: Mapped[int] = mapped_column(BigId)
    task_id: Mapped[int] = mapped_column(BigId)
    attribute: Mapped[str] = mapped_column(key_text(16))
    previous: Mapped[str | None] = mapped_column(Text)
    first_value: Mapped[str | None] = mapped_column(Text)
    """What the first visit read."""
    current: Mapped[str] = mapped_column(Text)
    """The last value that a visit read; accepting makes it the storefront's."""
    reason: Mapped[str] = mapped_column(key_text(16))
    verdict: Mapped[str] = mapped_column(key_text(12))
    state: Mapped[str] = mapped_column(key_text(12))
    update_id: Mapped[int | None] = mapped_column(BigId)
    """The row of the update history that it was recorded as."""
    observed_at: Mapped[Instant]
    decided_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[str | None] = mapped_column(key_text(32))
    """Who accepted or dismissed it: ``user:7``."""
