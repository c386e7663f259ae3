"""What becomes of a task after an attempt."""

from __future__ import annotations

import pytest

from app.rpa.models.jobs import TaskState
from app.rpa.profiles.profile import RetryBudget
from app.rpa.rules.codes import RULES, Code, Ending, Retry
from app.rpa.rules.retrying import MAX_RETRY_AFTER_S, Spent, decide

BUDGET = RetryBudget(attempts=3, losses=2, rate_limited=2, backoff_s=(10, 30, 90))


def test_success_ends_a_task() -> None:
    after = decide(None, Spent(), BUDGET)
    assert (after.state, after.code, after.spent) == (TaskState.SUCCEEDED, None, Spent(attempts=1))


def test_a_timeout_is_tried_as_often_as_the_profile_says_with_growing_pauses() -> None:
    first = decide(Code.NAV_TIMEOUT, Spent(), BUDGET)
    second = decide(Code.NAV_TIMEOUT, first.spent, BUDGET)
    third = decide(Code.NAV_TIMEOUT, second.spent, BUDGET)
    assert [first.state, second.state, third.state] == [TaskState.READY, TaskState.READY, TaskState.FAILED]
    assert 7.5 <= first.delay_s <= 12.5
    assert 22.5 <= second.delay_s <= 37.5
    assert third.code is Code.NAV_TIMEOUT


def test_a_missing_selector_is_looked_at_once_more_in_a_fresh_context() -> None:
    first = decide(Code.SELECTOR_MISSING, Spent(), BUDGET)
    assert first.state is TaskState.READY
    assert decide(Code.SELECTOR_MISSING, first.spent, BUDGET).state is TaskState.FAILED


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.retry is Retry.NEVER])
def test_what_is_never_retried_ends_at_once_as_its_rule_says(code: Code) -> None:
    after = decide(code, Spent(), BUDGET)
    assert after.state.value == RULES[code].ending.value
    assert after.code is code


def test_a_page_that_takes_the_worker_down_every_time_ends_as_poison() -> None:
    spent = Spent()
    for _ in range(BUDGET.losses):
        after = decide(Code.WORKER_LOST, spent, BUDGET)
        assert after.state is TaskState.READY
        spent = after.spent
    last = decide(Code.CHROME_CRASH, spent, BUDGET)
    assert (last.state, last.code) == (TaskState.FAILED, Code.POISON)
    assert last.spent.attempts == 0


def test_a_browser_that_never_starts_is_not_blamed_on_the_page() -> None:
    last = decide(Code.CHROME_START, Spent(losses=2), BUDGET)
    assert (last.state, last.code) == (TaskState.FAILED, Code.CHROME_START)


def test_a_rate_limit_counts_no_attempt_and_pauses_the_storefront() -> None:
    after = decide(Code.RATE_LIMITED, Spent(attempts=1), BUDGET, retry_after_s=7)
    assert after.state is TaskState.READY
    assert after.spent == Spent(attempts=1, rate_limited=1)
    assert after.storefront_pause_s == 7
    assert 7 <= after.delay_s <= 8


def test_a_rate_limit_has_a_budget_of_its_own() -> None:
    assert decide(Code.RATE_LIMITED, Spent(rate_limited=2), BUDGET).state is TaskState.FAILED


def test_an_absurd_retry_after_is_cut_to_an_hour() -> None:
    assert decide(Code.RATE_LIMITED, Spent(), BUDGET, retry_after_s=1e9).storefront_pause_s == MAX_RETRY_AFTER_S


def test_every_code_has_a_rule_with_advice() -> None:
    assert set(RULES) == set(Code)
    assert all(rule.advice.endswith(".") for rule in RULES.values())
    assert {RULES[code].ending for code in (Code.NOT_FOUND, Code.OUT_OF_STOCK, Code.VARIANT_REQUIRED)} == {
        Ending.REFUSED
    }
