"""What becomes of a task after an attempt: decided with plain values, written elsewhere."""

from __future__ import annotations

import random
from dataclasses import dataclass

from app.rpa.models.jobs import TaskState
from app.rpa.profiles.profile import RetryBudget
from app.rpa.rules.codes import RULES, Code, Retry

MAX_RETRY_AFTER_S = 3600.0
"""A shop that wants more is asked again after this: otherwise one wrong header would stop it for days."""


@dataclass(frozen=True, slots=True)
class Spent:
    """How much of each budget a task has used before this attempt."""

    attempts: int = 0
    losses: int = 0
    rate_limited: int = 0


@dataclass(frozen=True, slots=True)
class Next:
    """The task's next state, the code it carries, the pause before another try, and the budgets after it."""

    state: TaskState
    code: Code | None
    spent: Spent
    delay_s: float = 0.0
    storefront_pause_s: float = 0.0


def decide(
    code: Code | None, spent: Spent, budget: RetryBudget, *, retry_after_s: float | None = None, counts: bool = True
) -> Next:
    """Decide after an attempt that ended with ``code`` (None: success).

    Attempts, losses (browser or worker died) and rate limits are counted apart, so that a page that kills Chrome ends
    as POISON and a shop that says 429 does not use up the attempts. ``retry_after_s`` is what the shop asked for, with
    429 or another refusal: the whole storefront pauses so long, and the task does. A loss that does not count is one
    of a browser with pages of several tasks: the next visit is alone (``leases.claim_task``), so it happens once.
    """
    if code is None:
        return Next(TaskState.SUCCEEDED, None, Spent(spent.attempts + 1, spent.losses, spent.rate_limited))
    rule = RULES[code]
    if rule.retry is Retry.RATE_LIMIT:
        return _after_rate_limit(code, spent, budget, retry_after_s)
    if rule.retry is Retry.LOSSES:
        return _after_loss(code, spent, budget) if counts else Next(TaskState.READY, code, spent, delay_s=_soon())
    after = Spent(spent.attempts + 1, spent.losses, spent.rate_limited)
    allowed = {Retry.ATTEMPTS: budget.attempts, Retry.ONCE: min(2, budget.attempts)}.get(rule.retry, 1)
    pause = _bounded(retry_after_s or 0.0)
    if after.attempts < allowed:
        delay = max(pause, _backoff(budget, after.attempts))
        return Next(TaskState.READY, code, after, delay_s=delay, storefront_pause_s=pause)
    return Next(TaskState(rule.ending.value), code, after, storefront_pause_s=pause)


def visit_again(spent: Spent) -> Next:
    """After a visit that read something suspicious: once more, soon, and no attempt is counted."""
    return Next(TaskState.READY, None, spent, delay_s=random.uniform(1, 2))


def _after_loss(code: Code, spent: Spent, budget: RetryBudget) -> Next:
    after = Spent(spent.attempts, spent.losses + 1, spent.rate_limited)
    if after.losses <= budget.losses:
        return Next(TaskState.READY, code, after, delay_s=_soon())
    return Next(TaskState.FAILED, code if code is Code.CHROME_START else Code.POISON, after)


def _soon() -> float:
    return random.uniform(0.2, 1.0)


def _after_rate_limit(code: Code, spent: Spent, budget: RetryBudget, retry_after_s: float | None) -> Next:
    after = Spent(spent.attempts, spent.losses, spent.rate_limited + 1)
    asked = min(60.0, 2.0**after.rate_limited) if retry_after_s is None else retry_after_s
    pause = _bounded(asked)
    if after.rate_limited <= budget.rate_limited:
        return Next(TaskState.READY, code, after, delay_s=pause + random.uniform(0, 1), storefront_pause_s=pause)
    return Next(TaskState.FAILED, code, after, storefront_pause_s=pause)


def _bounded(pause_s: float) -> float:
    """A pause that a shop asks for, as far as we do as it says."""
    return max(0.0, min(pause_s, MAX_RETRY_AFTER_S))


def _backoff(budget: RetryBudget, attempts: int) -> float:
    """The pause after the n-th attempt, with jitter of half its length so that retries do not march in step."""
    base = budget.backoff_s[min(attempts, len(budget.backoff_s)) - 1]
    return base * random.uniform(0.75, 1.25)
