"""An order as its schemas show it, ready to be sent."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import String, cast, literal

from app.core.reading import instant, raw_json
from app.orders.models.orders import FIRST_NUMBER, Order

ORDER: Final = Order.__table__.c

NUMBER: Final = cast(ORDER.id + literal(FIRST_NUMBER, literal_execute=True), String(20)).label("number")
COLUMNS: Final[tuple[Any, ...]] = (
    ORDER.id,
    NUMBER,
    ORDER.cart_id,
    ORDER.user_id,
    ORDER.email,
    ORDER.state,
    ORDER.payment_state,
    ORDER.fulfilment_state,
    ORDER.payment_method,
    ORDER.attention,
    ORDER.currency,
    ORDER.tax_rate_ppm,
    ORDER.tax_included,
    ORDER.subtotal_minor,
    ORDER.discount_minor,
    ORDER.shipping_minor,
    ORDER.tax_minor,
    ORDER.total_minor,
    ORDER.cancelled_minor,
    ORDER.coupon_code,
    ORDER.note,
    raw_json(ORDER.shipping_address),
    raw_json(ORDER.billing_address),
    instant(ORDER.created_at),
    instant(ORDER.updated_at),
    instant(ORDER.placed_at),
    ORDER.placed_on,
    instant(ORDER.paid_at),
    instant(ORDER.ended_at),
    ORDER.version,
)
