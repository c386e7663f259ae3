"""Tables of the cart."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, JsonText, PrimaryKey, Timestamps, UtcDateTime, key_text

MAX_LINES: Final = 50
MAX_QUANTITY: Final = 999
MAX_NOTE: Final = 1000


class CartState(StrEnum):
    """Whether things can be put into it."""

    OPEN = "OPEN"
    ORDERED = "ORDERED"
    """It became an order; it is kept a while, so that sending it twice finds that order."""
    MERGED = "MERGED"
    """A guest's, whose contents went into the cart of who logged in."""


class Cart(Timestamps, Base):
    """One cart, of a person or of whoever holds its token."""

    __tablename__ = "cart"
    __table_args__ = (Index("ix_cart_expires", "expires_at", "id"), Index("ix_cart_user", "user_id", "id"))

    id: Mapped[PrimaryKey]
    user_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("user.id"))
    open_user_id: Mapped[int | None] = mapped_column(BigId, unique=True)
    """The same while it is open: a person has one open cart."""
    token_hash: Mapped[str | None] = mapped_column(key_text(64), unique=True)
    """SHA-256 of what a guest holds; it opens this cart and the order that it became."""
    state: Mapped[str] = mapped_column(key_text(8), default=CartState.OPEN)
    note: Mapped[str] = mapped_column(String(MAX_NOTE), default="")
    version: Mapped[int] = mapped_column(Integer, default=1)
    """Grows with every change of what is in it."""
    expires_at: Mapped[Instant] = mapped_column(UtcDateTime)
    """When it is deleted, unless it is touched before; a guest's token opens it no longer than that."""
    begun_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """When the first product was put into it, or into the guest's cart whose contents it got first."""
    merges: Mapped[list[dict[str, Any]] | None] = mapped_column(JsonText)
    """What came in from guests' carts at logins, and what found no room: to be told until the customer confirms it."""


class CartItem(Base):
    """One product in a cart, and what the customer was last told about it."""

    __tablename__ = "cart_item"
    __table_args__ = (
        UniqueConstraint("cart_id", "product_id"),
        CheckConstraint("quantity >= 1 AND quantity <= 999", name="quantity_in_range"),
        Index("ix_cart_item_product", "product_id"),
    )

    id: Mapped[PrimaryKey]
    cart_id: Mapped[int] = mapped_column(BigId, ForeignKey("cart.id"))
    product_id: Mapped[int] = mapped_column(BigId, ForeignKey("product.id"))
    quantity: Mapped[int] = mapped_column(Integer)
    added_at: Mapped[Instant]
    seen_price_minor: Mapped[int] = mapped_column(BigInteger)
    """What one of it cost when the customer last changed or confirmed the cart."""
    seen_is_available: Mapped[bool]
    """Whether there was enough of it then."""
