"""How a step of an errand says that it cannot go on."""

from __future__ import annotations

from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Reading


class TaskError(Exception):
    """An errand ended without success; ``code`` says why and ``detail`` is one sentence for the operator.

    ``retry_after_s`` is the number of seconds the shop asked us to wait: with RATE_LIMITED, HTTP_5XX or BLOCKED;
    ``reading`` and ``missing`` what is to be told beside the code (see ``TaskOutcome``). Where it does not count, none
    of the task's budgets is used up.
    """

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        reading: Reading | None = None,
        missing: str | None = None,
        counts: bool = True,
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else str(code))
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.reading = reading
        self.missing = missing
        self.counts = counts
