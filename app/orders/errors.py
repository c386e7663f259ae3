"""Why something about orders is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.core.errors import BadRequest, Busy, Conflict, FieldError, Invalid, NotFound, PaymentRequired, StaleVersion
from app.core.money import Money
from app.orders.models.orders import Order
from app.orders.transitions import COLUMNS, TABLES
from app.products.errors import NotAllocated


class OrderNotFound(NotFound):
    """No order has this number, or it is somebody else's."""

    code = "ORDER_NOT_FOUND"


class OrderChanged(StaleVersion):
    """The order has changed since the version that the change was based on."""

    code = "ORDER_CHANGED"


class IllegalMove(Conflict):
    """This state cannot follow the present one; ``facts`` name the axis, the state and what may follow it."""

    code = "ILLEGAL_MOVE"

    def __init__(self, *, axis: str, state: str, asked: str, allowed: Iterable[str]) -> None:
        named = sorted(map(str, allowed))
        may = f"it can become {', '.join(named)}" if named else "that is where it ends"
        super().__init__(f"The state of the {axis} is {state}; {may}, not {asked}.")
        self.facts = {"axis": str(axis), "state": str(state), "allowed": named}


class StateRefusal(Conflict):
    """What was asked does not fit the states an order is in; ``facts`` name them, and what may follow on each axis.

    ``order`` has the present states by name, ``allowed`` the next ones by axis. For answers to those who may see it.
    """

    def __init__(self, order: Order, detail: str, *, errors: tuple[FieldError, ...] = (), **facts: Any) -> None:
        super().__init__(detail, errors=errors)
        states = {axis: str(getattr(order, column)) for axis, column in COLUMNS.items()}
        present = {COLUMNS[axis]: state for axis, state in states.items()}
        allowed = {str(axis): sorted(map(str, TABLES[axis][state])) for axis, state in states.items()}
        self.facts = facts | {"order": present, "allowed": allowed}


class CartEmpty(Conflict):
    """There is nothing in the cart to order."""

    code = "CART_EMPTY"


class AlreadyOrdered(Conflict):
    """The cart has become an order that is another one than this, or is cancelled; ``facts`` say which and how."""

    code = "ALREADY_ORDERED"

    def __init__(self, *, number: str, state: str, differs: Sequence[str] = ()) -> None:
        why = f"with another {', '.join(differs)}" if differs else "and cancelled"
        super().__init__(f"This cart was ordered {why}: it is order {number}. Put things into a new cart.")
        self.errors = tuple(FieldError(f"/{name}", f"is another one in order {number}.") for name in differs)
        self.facts = {"order": number, "state": state, "differs": list(differs)}


class TotalChanged(Conflict):
    """The order would cost something else than the customer was shown; ``facts`` have both totals."""

    code = "TOTAL_CHANGED"

    def __init__(self, *, expected: Money, total: Money) -> None:
        super().__init__(f"The total is {total} now, not {expected}. Look at it again and confirm it.")
        self.errors = (FieldError("/expected_total", f"the total is {total}."),)
        self.facts = {"expected": _amount(expected), "total": _amount(total)}


class TotalTooLarge(Conflict):
    """The goods of the order would cost more than those of one order may; ``facts["largest"]`` is what they may."""

    code = "TOTAL_TOO_LARGE"

    def __init__(self, largest: Money) -> None:
        detail = f"The goods of one order may cost {largest} at most; order in several parts."
        super().__init__(detail, errors=(FieldError("/items", detail),))
        self.facts = {"largest": _amount(largest)}


class UnknownProducts(Invalid):
    """Something is ordered that never was a product; ``products`` are the ids by their place in the order."""

    code = "UNKNOWN_PRODUCT"

    def __init__(self, products: Mapping[int, int]) -> None:
        named = {at: f"There is no product with the id {product_id}." for at, product_id in products.items()}
        errors = tuple(FieldError(f"/items/{at}/product_id", said) for at, said in named.items())
        super().__init__(" ".join(dict.fromkeys(named.values())), errors=errors)


class ProductsUnavailable(Conflict):
    """Products of the order are not sold any more; ``facts["products"]`` are those."""

    code = "PRODUCT_UNAVAILABLE"

    def __init__(self, products: Sequence[Mapping[str, Any]]) -> None:
        named = ", ".join(product["name"] for product in products)
        super().__init__(f"No longer sold: {named}. Leave it out.")
        self.errors = (FieldError("/items", f"no longer sold: {named}."),)
        self.facts = {"products": list(products)}


class SoldOut(Conflict):
    """Less is available than was ordered; ``facts["products"]`` say of what, what was wanted and what is left."""

    code = "OUT_OF_STOCK"

    def __init__(self, products: Sequence[Mapping[str, Any]]) -> None:
        named = "; ".join(f"{each['available']} of {each['name']}, not {each['wanted']}" for each in products)
        super().__init__(f"Less is available than you want: {named}.")
        self.errors = (FieldError("/items", f"available: {named}."),)
        self.facts = {"products": list(products)}


class PaymentDeclined(PaymentRequired):
    """The payment was refused and nothing was charged; ``facts["reason"]`` is the provider's own word for why."""

    code = "PAYMENT_DECLINED"

    def __init__(self, *, reason: str | None, order_number: str) -> None:
        super().__init__("The payment was declined; nothing was charged. Try again, or pay in another way.")
        self.facts = {"reason": reason, "order": order_number}


class PaymentUnknown(Busy):
    """The provider does not say whether it was paid; sent again, the same request finds out and never pays twice."""

    code = "PAYMENT_UNKNOWN"


class PaymentNotFound(NotFound):
    """The order has no payment that could be shown."""

    code = "PAYMENT_NOT_FOUND"


class ProviderNotFound(NotFound):
    """No payment provider has this name, or it is not configured."""

    code = "PROVIDER_NOT_FOUND"


class ProviderEventNotFound(NotFound):
    """No notice of a provider has this id, or it was purged."""

    code = "PROVIDER_EVENT_NOT_FOUND"


class NoticeRefused(BadRequest):
    """A webhook that does not come from the provider, is too old, or cannot be read; nothing of it is kept."""

    code = "NOTICE_REFUSED"


class NothingToPay(StateRefusal):
    """Nothing of the order is to be paid to staff: it is paid, over, or paid at a provider; ``facts`` say how far."""

    code = "NOTHING_TO_PAY"

    def __init__(self, order: Order) -> None:
        state, payment_state, method = order.state, order.payment_state, order.payment_method
        detail = f"Nothing is to be paid: the order is {state}, its payment by {method} is {payment_state}."
        super().__init__(order, detail, state=state, payment_state=payment_state, payment_method=method)


class AmountNotDue(Conflict):
    """Another amount was paid than is due; ``facts["due"]`` is what is."""

    code = "AMOUNT_NOT_DUE"

    def __init__(self, due: Money) -> None:
        super().__init__(f"{due} is due; an order is paid as a whole.")
        self.errors = (FieldError("/amount", f"{due} is due."),)
        self.facts = {"due": _amount(due)}


class NothingToRefund(StateRefusal):
    """Nothing was paid for the order, or all of it went back."""

    code = "NOTHING_TO_REFUND"


class RefundTooLarge(Conflict):
    """More was to go back than was paid and did not go back yet; ``facts["refundable"]`` is what may."""

    code = "REFUND_TOO_LARGE"

    def __init__(self, refundable: Money) -> None:
        super().__init__(f"No more than {refundable} can go back.")
        self.errors = (FieldError("/amount", f"at most {refundable}."),)
        self.facts = {"refundable": _amount(refundable)}


class RefundNotFound(NotFound):
    """The order has no refund with this id."""

    code = "REFUND_NOT_FOUND"


class RefundNotFailed(Conflict):
    """Only a refund that failed is tried again, and once; ``facts`` say how far this one is."""

    code = "REFUND_NOT_FAILED"

    def __init__(self, *, status: str, retried_by: int | None) -> None:
        said = f"Refund {retried_by} has taken its place." if retried_by else f"It is {status}."
        super().__init__(f"Only a refund that failed is tried again, and once. {said}")
        self.facts = {"status": status, "retried_by": retried_by}


class ShipmentNotFound(NotFound):
    """The order has no shipment with this id."""

    code = "SHIPMENT_NOT_FOUND"


class ShipmentChanged(StaleVersion):
    """The shipment has changed since the version that the change was based on."""

    code = "SHIPMENT_CHANGED"


class ReturnNotFound(NotFound):
    """The order has no return with this id."""

    code = "RETURN_NOT_FOUND"


class OrderNotPlaced(StateRefusal):
    """The order was not placed, or is over: nothing of it is shipped or promised."""

    code = "ORDER_NOT_PLACED"


class OrderNotPaid(StateRefusal):
    """The order has to be paid before it is shipped; or its money went back."""

    code = "ORDER_NOT_PAID"


class AlreadyShipped(StateRefusal):
    """Something of the order was shipped, and this can be done only before."""

    code = "ALREADY_SHIPPED"


class OrderOver(StateRefusal):
    """The order was cancelled, completed or shipped, or the checkout has expired: nothing is left to cancel."""

    code = "ORDER_OVER"

    def __init__(self, order: Order, *, is_so: str | None = None) -> None:
        said = (
            f"Order {order.number} is {is_so or order.state}; there is nothing left to cancel, and nothing was changed."
        )
        super().__init__(order, said, state=order.state)


class NothingLeft(StateRefusal):
    """Everything of the order was shipped or cancelled."""

    code = "NOTHING_LEFT"


class NothingShipped(StateRefusal):
    """Nothing of the order was shipped yet."""

    code = "NOTHING_SHIPPED"


class MoreThanLeft(Conflict):
    """More was to be shipped, or to come back, than there is; ``facts["lines"]`` say how many there are (``left``)."""

    code = "MORE_THAN_LEFT"

    def __init__(self, lines: Sequence[Mapping[str, Any]]) -> None:
        named = "; ".join(f"{each['left']} of {each['asin']}, not {each['wanted']}" for each in lines)
        super().__init__(f"There are fewer: {named}.")
        self.errors = tuple(FieldError(f"/lines/{each['at']}/quantity", f"at most {each['left']}.") for each in lines)
        self.facts = {"lines": [{name: each[name] for name in ("line_id", "asin", "wanted", "left")} for each in lines]}


class StockTaken(NotAllocated):
    """Promised stock was taken away; ``facts["lines"]`` say how many of each line can be shipped (``shippable``)."""

    def __init__(self, lines: Sequence[Mapping[str, Any]], *, is_named: bool) -> None:
        named = "; ".join(f"{each['shippable']} of {each['asin']}, not {each['wanted']}" for each in lines)
        at = [(f"/lines/{each['at']}/quantity", f"at most {each['shippable']} of {each['asin']}.") for each in lines]
        errors = tuple(FieldError(pointer, detail) for pointer, detail in at) if is_named else ()
        super().__init__(f"Stock of the order was taken away; what can be shipped is {named}.", errors=errors)
        names = ("line_id", "asin", "wanted", "shippable")
        self.facts = {"lines": [{name: each[name] for name in names} for each in lines]}


class LinkNotValid(NotFound):
    """No order is shown by this link: it has expired, or was not copied as a whole."""

    code = "ORDER_LINK_NOT_VALID"


class OrdersUnderWay(Conflict):
    """Somebody cannot be erased while goods have to be sent to them; ``facts["orders"]`` are the orders' numbers."""

    code = "ORDERS_UNDER_WAY"

    def __init__(self, numbers: Sequence[str]) -> None:
        named = ", ".join(numbers)
        super().__init__(f"Cancel what you ordered, or wait until it was shipped: {named}.")
        self.facts = {"orders": list(numbers)}


class UnknownCoupon(Invalid):
    """No coupon has this code, or it counts no longer."""

    code = "UNKNOWN_COUPON"

    def __init__(self) -> None:
        super().__init__("The request breaks a rule.", errors=(FieldError("/coupon", "is no coupon of this shop."),))


class CouponNotUsable(Conflict):
    """The coupon does not count for this order; ``facts["reason"]`` says why.

    ``expired``, ``not_started``, ``used_up``, ``used_by_customer``, ``minimum`` or ``currency``.
    """

    code = "COUPON_NOT_USABLE"

    def __init__(self, detail: str, *, reason: str, **facts: Any) -> None:
        super().__init__(detail, errors=(FieldError("/coupon", detail),))
        self.facts = {"reason": reason, **facts}


class CouponNotFound(NotFound):
    """No coupon has this id, or it was deleted."""

    code = "COUPON_NOT_FOUND"


class CouponChanged(StaleVersion):
    """The coupon has changed since the version that the change was based on."""

    code = "COUPON_CHANGED"


class CouponCodeTaken(Conflict):
    """Another coupon has this code; ``facts`` name it and say whether it was deleted."""

    code = "COUPON_CODE_TAKEN"

    def __init__(self, coupon_code: str, *, coupon_id: int, is_deleted: bool) -> None:
        said = (
            "Coupon {} had the code {} and was deleted; bring it back." if is_deleted else "Coupon {} has the code {}."
        )
        detail = said.format(coupon_id, coupon_code)
        super().__init__(detail, errors=(FieldError("/code", detail),))
        self.facts = {"coupon_id": coupon_id, "is_deleted": is_deleted}


class CouponUsedMoreOften(Conflict):
    """The coupon was used more often than it is to be usable; ``facts["used"]`` is how often."""

    code = "COUPON_USED_MORE_OFTEN"

    def __init__(self, used: int) -> None:
        detail = f"It was used {used} times already; the limit cannot be below that."
        super().__init__(detail, errors=(FieldError("/max_uses", detail),))
        self.facts = {"used": used}


class CouponNotDeleted(Conflict):
    """The coupon is there; it need not be brought back."""

    code = "COUPON_NOT_DELETED"


def _amount(money: Money) -> dict[str, str]:
    return {"amount": money.decimal_string(), "currency": money.currency}
