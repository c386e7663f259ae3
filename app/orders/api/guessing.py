"""Nobody finds the code of a coupon by trying: unknown ones are counted by client address."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, request

from app.core.rates import limited
from app.orders.errors import UnknownCoupon


def guards_coupons(view: Any) -> Any:
    """Let nobody name more unknown coupons than ``COUPON_RATE`` says; stands directly below who may enter.

    Only requests with a ``coupon`` in their body or query are held up then: who has none can still buy.
    """
    return limited("coupon", unless=_names_no_coupon, counting=_was_unknown)(view)


def _names_no_coupon() -> bool:
    if request.method == "GET":
        return not request.args.get("coupon")
    body = request.get_json(silent=True)
    return not (isinstance(body, dict) and body.get("coupon"))


def _was_unknown(response: Response) -> bool:
    if response.status_code != 422:
        return False
    problem = orjson.loads(response.get_data())
    return bool(problem.get("code") == UnknownCoupon.code)
