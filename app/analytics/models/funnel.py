"""How many carts become orders: marks as they are made, and what they come to by day."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Date
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, PrimaryKey, key_text


class FunnelMark(Base):
    """One cart or order that came to a step just now: only ever added, so that nobody waits for anybody.

    The timetable adds them to their days and deletes them.
    """

    __tablename__ = "funnel_mark"

    id: Mapped[PrimaryKey]
    step: Mapped[str] = mapped_column(key_text(12))
    """``app.analytics.rules.funnel.Step``."""
    day: Mapped[date] = mapped_column(Date)
    """The shop's."""


class FunnelDay(Base):
    """How many came to each step on a day, but for marks that are not added yet; kept for ever."""

    __tablename__ = "funnel_day"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    carts: Mapped[int] = mapped_column(default=0)
    checkouts: Mapped[int] = mapped_column(default=0)
    placed: Mapped[int] = mapped_column(default=0)
    paid: Mapped[int] = mapped_column(default=0)
    delivered: Mapped[int] = mapped_column(default=0)
