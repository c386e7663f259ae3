"""What the outbox sets off about payments: refunds that are sent, notices of providers that are handled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from app.core import outbox
from app.core.orm import utc_now
from app.orders.services import notices, refunds, sending_refunds

_ROUNDS: Final = 100


def _now(work: Callable[..., object], **ids: int | str) -> None:
    work(now=utc_now(), **ids)


def _purge_notices() -> None:
    """Delete what is old, in short transactions; what is left after so many is for the next time."""
    for _ in range(_ROUNDS):
        if not notices.purge_notices(now=utc_now()):
            return


HANDLERS: Final[dict[str, outbox.Handler]] = {
    refunds.SEND: partial(_now, sending_refunds.send_refund),
    "check_refunds": partial(_now, sending_refunds.check_refunds),
    notices.HANDLE: partial(_now, notices.handle_notice),
    "purge_notices": _purge_notices,
}
