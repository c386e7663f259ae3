"""What was seen of products on storefronts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, PrimaryKey, key_text


class Observation(Base):
    """What one successful view of a product page read; append-only, one per task."""

    __tablename__ = "observation"
    __table_args__ = (Index("ix_observation_product", "product_id", "storefront_id", "id"),)

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


class ObservationCurrent(Base):
    """The last known value of one attribute of one product on one storefront: what a change is measured against."""

    __tablename__ = "observation_current"

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    storefront_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    attribute: Mapped[str] = mapped_column(key_text(16), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    observed_at: Mapped[Instant]
    task_id: Mapped[int] = mapped_column(BigId)
