"""Sales facts for pages of figures, and what pages say."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

from sqlalchemy import func, insert, select

from app.core.extensions import db
from app.core.orm import table_of, utc_now
from app.core.transactions import connection, in_transaction
from app.orders.models.sales import Sale
from app.orders.services.sales import day_of


def days_ago(days: int) -> date:
    """A day of the shop."""
    return day_of(utc_now()) - timedelta(days=days)


@in_transaction
def add_fact(on: date, *, net: int, units: int = 1, currency: str = "USD", **more: Any) -> None:
    """A fact of one day; what is negative is a refund. Amounts are minor units, without tax and shipping."""
    sold_at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
    number = (db.session.scalar(select(func.count()).select_from(Sale)) or 0) + 1
    row: dict[str, Any] = {
        "kind": "refund" if net < 0 else "sale",
        "sold_at": sold_at,
        "sold_on": on,
        "created_at": sold_at,
    }
    row |= {"unique_key": f"fact:{number}", "quantity": units, "currency": currency, "net_minor": net}
    row |= {"asin": "B000000001", "name": "Kettle", "brand": "Hearth", "order_id": number, "product_id": None}
    row |= {"gross_minor": net, "discount_minor": 0, "tax_minor": 0, "shipping_minor": 0, "total_minor": net}
    connection().execute(insert(table_of(Sale)), [row | more])


def text_of(page: str) -> str:
    """What a page says, without its tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


def tiles(page: str) -> dict[str, str]:
    """The tiles of a page: what each says, by its label."""
    found = re.findall(r'<li class="total">(.*?)</li>', page, re.DOTALL)
    said = [re.findall(r">([^<>]+)<", each.replace("\n", " ")) for each in found]
    words = [[unescape(part.strip()) for part in parts if part.strip()] for parts in said]
    return {parts[0]: " ".join(parts[1:]) for parts in words}
