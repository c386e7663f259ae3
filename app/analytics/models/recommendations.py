"""Tables of recommendations: what was counted of which order, how often products went together, and what came of it."""

from __future__ import annotations

from datetime import date
from typing import Final

from sqlalchemy import Boolean, Date, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, JsonText, UtcDateTime, key_text
from app.products.models.products import MAX_BRAND

_SCOPE: Final = MAX_BRAND + 10


class BoughtBasket(Base):
    """What is counted of one order: what becomes of it later is counted as the difference from this."""

    __tablename__ = "bought_basket"
    __table_args__ = (Index("ix_bought_basket_paid", "paid_on", "order_id"),)

    order_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    paid_on: Mapped[date] = mapped_column(Date)
    products: Mapped[list[int]] = mapped_column(JsonText)
    """Ids in ascending order, of those that were paid and not all given back."""


class BoughtProduct(Base):
    """In how many of these orders a product is."""

    __tablename__ = "bought_product"
    __table_args__ = (Index("ix_bought_product_stale", "is_stale", "product_id"),)

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    orders: Mapped[int] = mapped_column(Integer)
    is_stale: Mapped[bool] = mapped_column(Boolean)
    """Whether its recommendations have yet to follow what was counted."""


class BoughtPair(Base):
    """How many of these orders have a product and another one, both ways; of each product those of most orders."""

    __tablename__ = "bought_pair"

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    other_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    orders: Mapped[int] = mapped_column(Integer)


class Recommendation(Base):
    """One of the products that go best with a product."""

    __tablename__ = "recommendation"

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    other_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    score_ppm: Mapped[int] = mapped_column(Integer)
    """Millionths of 1."""


class RecommendationState(Base):
    """How far sales were counted; its one row is the lock of who counts."""

    __tablename__ = "recommendation_state"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    round_no: Mapped[int] = mapped_column(Integer)
    """Grows when counting begins anew, so that who counts meanwhile notices."""
    is_emptying: Mapped[bool] = mapped_column(Boolean)
    """Whether what was counted is being forgotten; nothing is counted meanwhile."""
    sold_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """Up to where, by the sales' own time; None: nothing was counted yet."""


class ProductDemand(Base):
    """Units of a product that were sold in the last days, less those that came back."""

    __tablename__ = "product_demand"

    product_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    units: Mapped[int] = mapped_column(Integer)


class BestSeller(Base):
    """One of the products that sell best in a category, of a brand or in the shop; those that sell nothing are last."""

    __tablename__ = "best_seller"

    scope: Mapped[str] = mapped_column(key_text(_SCOPE), primary_key=True)
    """``category:17``, ``brand:Lumo`` or ``shop``."""
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(BigId)
    units: Mapped[int] = mapped_column(Integer)
    ranked_at: Mapped[Instant] = mapped_column(UtcDateTime)
