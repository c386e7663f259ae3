"""What a browser does for who writes a profile: try it on a product, suggest one, replay one over kept pages."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Attributed, Base, BigId, Instant, JsonText, PrimaryKey, UtcDateTime, key_text


class TrialKind(StrEnum):
    """What is done."""

    TRY = "try"
    SUGGEST = "suggest"
    REPLAY = "replay"


class TrialState(StrEnum):
    """WAITING -> RUNNING -> DONE | FAILED; what lost its worker is FAILED and can be asked for again."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


class Trial(Attributed, Base):
    """One of these. It records nothing about products; every change of state is a compare-and-set."""

    __tablename__ = "trial"
    __table_args__ = (
        Index("ix_trial_open", "state", "not_before", "id"),
        Index("ix_trial_storefront", "storefront_id", "kind", "state", "id"),
        Index("ix_trial_expires", "expires_at", "id"),
    )

    id: Mapped[PrimaryKey]
    kind: Mapped[str] = mapped_column(key_text(8))
    state: Mapped[str] = mapped_column(key_text(8))
    storefront_id: Mapped[int | None] = mapped_column(BigId)
    """None of a suggestion. Its storefront may be gone."""
    profile_version: Mapped[int | None]
    """The number of what is tried or replayed; None where the profile came with the request, or there is none yet."""
    asks: Mapped[dict[str, Any]] = mapped_column(JsonText)
    """All that the worker needs to know."""
    result: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    code: Mapped[str | None] = mapped_column(key_text(24))
    detail: Mapped[str | None] = mapped_column(Text)
    has_screenshot: Mapped[bool] = mapped_column(default=False)
    lease_token: Mapped[str | None] = mapped_column(key_text(32))
    leased_until: Mapped[Instant | None] = mapped_column(UtcDateTime)
    not_before: Mapped[Instant]
    rung_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """When a worker was last told of it; None: it is to be told."""
    created_at: Mapped[Instant]
    finished_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[Instant]
    """From then on nobody is shown it, and soon after it is deleted."""
