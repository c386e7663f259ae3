"""How a step of an errand says that it cannot go on."""

from __future__ import annotations

from app.rpa.codes import Code


class TaskError(Exception):
    """An errand ended without a reading; ``code`` says why and ``detail`` is one sentence for the operator.

    ``retry_after_s`` is the number of seconds the shop asked us to wait: with RATE_LIMITED, HTTP_5XX or BLOCKED.
    """

    def __init__(self, code: Code, detail: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else str(code))
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
