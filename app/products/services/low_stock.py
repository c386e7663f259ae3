"""Who is told that a product has become low: other domains at once, people by mail once a minute."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from app.auth import preferences
from app.auth.queries.access import Holder, list_holders
from app.core import events, mail, outbox
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.transactions import in_transaction
from app.products.events import StockLow
from app.products.models.products import Product
from app.products.models.stock import LowStockNotice

LISTED: Final = 50
"""Products that one mail names; of the others it says how many they are."""
_KEPT: Final = timedelta(days=1)
"""How long a mail that cannot be sent may still find what it is about."""


def tell(*, product_id: int, asin: str, name: str, available: int, threshold: int, now: datetime) -> None:
    """Publish StockLow and have the next mails tell of it, in the open transaction; once per crossing."""
    db.session.execute(
        insert(LowStockNotice),
        {"product_id": product_id, "available": available, "threshold": threshold, "created_at": now},
    )
    events.publish(StockLow(product_id, asin, name, available, threshold))


@in_transaction
def request_mails(*, now: datetime) -> int:
    """Ask for one mail to each who wants to know, about all products that became low since the last ones.

    However many products those are, it is one mail each; returns how many mails. Called once a minute. Two callers at
    once share the products out among them.
    """
    db.session.execute(delete(LowStockNotice).where(LowStockNotice.created_at < now - _KEPT))
    untold = LowStockNotice.digest.is_(None)
    digest = db.session.scalar(select(func.max(LowStockNotice.id)).where(untold))
    if digest is None:
        return 0
    mine = update(LowStockNotice).where(untold, LowStockNotice.id <= digest).values(digest=digest)
    count = count_changed(db.session(), mine)
    last = _nth(digest)
    if last is not None:
        rest = delete(LowStockNotice).where(LowStockNotice.digest == digest, LowStockNotice.id > last)
        count_changed(db.session(), rest)
    to = [holder for holder in list_holders("stock:write") if _wants(holder)] if count else []
    for holder in to:
        key = f"mail_low_stock:{digest}:{holder.user_id}"
        outbox.add("mail_low_stock", key=key, user_id=holder.user_id, digest=digest, count=count)
    return len(to)


def send_low_stock(*, user_id: int, digest: int, count: int, now: datetime) -> None:
    """Tell one person which products have become low; nothing to who does not want to know or may not any more."""
    holder = next((each for each in list_holders("stock:write", user_id=user_id) if _wants(each)), None)
    rows = db.session.execute(
        select(Product.asin, Product.name, LowStockNotice.available, LowStockNotice.threshold)
        .join(Product, Product.id == LowStockNotice.product_id)
        .where(LowStockNotice.digest == digest)
        .order_by(LowStockNotice.id)
        .limit(LISTED)
    ).all()
    db.session.rollback()  # a mail server may take its time: nothing is held meanwhile
    if holder is None or not rows:
        return
    subject = f"Low stock: {rows[0].asin}" if count == 1 else f"Low stock: {count} products"
    values = {"name": holder.name, "products": rows, "more": count - len(rows)}
    mail.send_mail(holder.email, subject, "low_stock", date=now, **values)


def _nth(digest: int) -> int | None:
    """The last row of a digest that its mails name, where it has more."""
    beyond = select(LowStockNotice.id).where(LowStockNotice.digest == digest).order_by(LowStockNotice.id)
    found: int | None = db.session.scalar(beyond.offset(LISTED - 1).limit(1))
    return found


def _wants(holder: Holder) -> bool:
    return preferences.wants(holder.notifications, "stock")
