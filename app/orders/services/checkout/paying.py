"""PAYMENT, the second phase of a checkout: what is written before a provider is asked, and asking it.

The hold is PAYING and the payment's row is there, both committed, before anybody is charged: whatever is interrupted
then, the sweeper knows that somebody may have paid. A provider is always asked with the row's own key and contents, so
that asking again is the same payment. It is called outside of any transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.orders.models.orders import HoldState, PaymentState
from app.orders.models.payments import PaymentStatus
from app.orders.providers.port import Answer, ProviderState
from app.orders.providers.registry import name_for
from app.orders.services import charging
from app.orders.services.checkout import holds, placing
from app.orders.services.checkout.errors import Overtaken
from app.orders.services.checkout.settling import settle
from app.orders.services.checkout.wanted import CheckedOut
from app.orders.services.moving import lock_order, move
from app.orders.transitions import Axis


@in_transaction
def start_payment(
    *, order_id: int, version: int, source: str | None, return_url: str | None, actor: Principal, now: datetime
) -> int:
    """Begin to pay for a draft whose stock is held: from now on only the provider's word ends it. The payment's id.

    Raises Overtaken where the draft is no longer what it was in this version, or its hold has ended.
    """
    order = lock_order(order_id)
    until = holds.paying_until()
    if order.version != version or not holds.change_hold(
        order_id, [HoldState.HELD], HoldState.PAYING, now=now, expires_at=until
    ):
        raise Overtaken
    move(order, Axis.PAYMENT, PaymentState.PENDING, actor=actor, now=now)
    return placing.add_payment(
        order,
        attempt=placing.next_attempt(order_id),
        provider=name_for(order.payment_method),
        status=PaymentStatus.CREATED,
        now=now,
        source_ref=source,
        return_url=return_url,
    )


def pay(
    *, order_id: int, payment_id: int, actor: Principal, clock: Callable[[], datetime]
) -> tuple[CheckedOut, Answer]:
    """Ask the provider for a payment that was begun, or how far it is, and write down what it says.

    Raises ProviderUnreachable; then nothing is known, nothing changes, and it may be asked again.
    """
    answer = charging.charge(payment_id)
    is_last = answer.state in {ProviderState.CAPTURED, ProviderState.WAITING}
    done = settle(order_id=order_id, payment_id=payment_id, answer=answer, actor=actor, now=clock(), aside=not is_last)
    return done, answer


def end_payment(*, order_id: int, payment_id: int, actor: Principal, clock: Callable[[], datetime]) -> Answer:
    """End a payment that is under way, and write down what came of it; what the provider says of it by then.

    WAITING where nobody can end it now, because a bank is at it; what was captured is an order from now on. Raises
    ProviderUnreachable; then nothing is known and nothing is let go.
    """
    answer = charging.cancel(payment_id)
    settle(order_id=order_id, payment_id=payment_id, answer=answer, actor=actor, now=clock(), aside=True)
    return answer
