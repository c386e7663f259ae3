"""What the outbox sets off about payments: refunds that are sent, notices of providers that are handled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from app.core import outbox
from app.core.orm import utc_now
from app.orders.services import notices, refunds, sending_refunds


def _now(work: Callable[..., object], **ids: int | str) -> None:
    work(now=utc_now(), **ids)


HANDLERS: Final[dict[str, outbox.Handler]] = {
    refunds.SEND: partial(_now, sending_refunds.send_refund),
    "check_refunds": partial(_now, sending_refunds.check_refunds),
    notices.HANDLE: partial(_now, notices.handle_notice),
    "purge_notices": partial(_now, notices.purge_notices),
}
