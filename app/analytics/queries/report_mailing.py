"""Mails of reports that did not get through: which, why, and when they are tried again.

What is still to be sent are rows of the outbox; those that were given up are kept there for a week.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.analytics.queries.reports import get_run
from app.core import outbox
from app.core.permissions import Principal

MAIL: Final = "mail_report"
_REFUSED: Final = "SMTPRecipientsRefused"
_REASONS: Final = {
    _REFUSED: "The mail server does not take mail for this address.",
    "SMTPAuthenticationError": "The mail server refuses our log-in.",
    "UnsafeHeader": "The address is none that mail can be sent to.",
}
_UNREACHABLE: Final = "The mail server could not be reached, or did not take the mail."


@dataclass(frozen=True, slots=True)
class FailedMail:
    """A mail of a run that was tried and did not get through."""

    run_id: int
    user_id: int
    attempts: int
    is_given_up: bool
    next_at: datetime | None
    """When it is tried again; None where it is given up."""
    reason: str
    """A sentence without the address."""


def key_of(run_id: int, user_id: int) -> str:
    """What makes a mail one: nobody gets a run twice."""
    return f"{MAIL}:{run_id}:{user_id}"


def list_failed_mails(actor: Principal, report_id: int, run_id: int) -> list[FailedMail]:
    """The mails of a run that did not get through so far; raises ReportNotFound or ReportRunNotFound."""
    get_run(actor, report_id, run_id)
    return find_failed_mails([run_id])


def find_failed_mails(run_ids: Collection[int]) -> list[FailedMail]:
    """The same of several runs."""
    troubled = outbox.list_troubled(MAIL, [key_of(run_id, 0)[:-1] for run_id in run_ids])
    return [_failed(each) for each in troubled]


def _failed(row: outbox.Troubled) -> FailedMail:
    reason = _REASONS.get(row.error.partition(":")[0], _UNREACHABLE)
    next_at = None if row.is_given_up else row.not_before
    return FailedMail(row.arguments["run_id"], row.arguments["user_id"], row.attempts, row.is_given_up, next_at, reason)
