"""What is counted of webhooks."""

from __future__ import annotations

from typing import Final

from app.core.metrics import counter

_NO_ANSWER: Final = "no_answer"
_OTHER: Final = "other"

ATTEMPTS: Final = counter(
    "cartwright_webhook_attempts",
    "Requests to receivers, by the kind of status that they answered: 2xx (it has it), 3xx, 4xx, 5xx; no_answer",
    ("outcome",),
)
ENDED: Final = counter(
    "cartwright_webhook_deliveries", "Deliveries that ended: delivered, or failed after the last attempt", ("state",)
)
DISABLED: Final = counter("cartwright_webhooks_disabled", "Webhooks that were switched off because they failed")


def outcome_of(status: int | None) -> str:
    """The word for an answer's status; None where there was no answer."""
    if status is None:
        return _NO_ANSWER
    return f"{status // 100}xx" if 200 <= status < 600 else _OTHER
