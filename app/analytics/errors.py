"""Refusals of the figures."""

from __future__ import annotations

from datetime import date

from app.core.errors import (
    BadRequest,
    Busy,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    StaleVersion,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)


class PeriodTooWide(Invalid):
    """What was asked would take the database too long; the refusal names a narrower period where there is one."""

    code = "PERIOD_TOO_WIDE"

    @classmethod
    def whatever(cls) -> PeriodTooWide:
        """Say that nothing narrower is known."""
        said = "Summing this up takes too long. Ask for fewer days or fewer filters."
        return cls(said, errors=(FieldError("/from", "must be later, or there must be fewer filters.", "query"),))

    @classmethod
    def instead(cls, first_on: date, last_on: date) -> PeriodTooWide:
        """Say which period is narrow enough."""
        narrower = f"{first_on} to {last_on}"
        said = f"Summing this up takes too long. Ask for a narrower period, such as {narrower}, or for fewer filters."
        refusal = cls(said, errors=(FieldError("/from", f"must be later, such as {narrower}.", "query"),))
        refusal.facts = {"narrower": {"from": str(first_on), "to": str(last_on)}}
        return refusal


class ReportNotFound(NotFound):
    """No report has this id, or it is neither yours nor sent to you; or a link leads to none (any more)."""

    code = "REPORT_NOT_FOUND"


class ReportKindNotFound(NotFound):
    """There are no reports of this kind."""

    code = "REPORT_KIND_NOT_FOUND"


class ReportRunNotFound(NotFound):
    """The report has no such run, or its files were deleted."""

    code = "REPORT_RUN_NOT_FOUND"


class ReportStale(StaleVersion):
    """The report has changed since it was read."""

    code = "STALE_VERSION"


class ReportNotLeft(Conflict):
    """Whose report it is still makes it: it is theirs to hand over or to delete."""

    code = "REPORT_NOT_LEFT"


class ReportNotYours(Forbidden):
    """Only who made a report may change it."""

    code = "REPORT_NOT_YOURS"


class TooManyReports(Conflict):
    """Nobody may have more reports."""

    code = "TOO_MANY_REPORTS"


class TooManyShares(Conflict):
    """A report cannot have more links."""

    code = "TOO_MANY_SHARES"


class ReportUnscheduled(Conflict):
    """What has no schedule cannot be paused or resumed."""

    code = "REPORT_UNSCHEDULED"


class ReportRunOpen(Conflict):
    """The last run of the report has not ended."""

    code = "REPORT_RUN_OPEN"


class NotAddedUpYet(Busy):
    """The figures are being added up for the first time, or anew; ``retry_after_s`` says when to come back."""

    code = "NOT_ADDED_UP_YET"
    retry_after_s = 30


class TicketRefused(Unauthenticated):
    """The ticket was used before, has expired, or never was one."""

    code = "TICKET_REFUSED"


class OriginRefused(Forbidden):
    """A page of another site wants to use the session of a browser."""

    code = "ORIGIN_REFUSED"


class NoWebSocket(BadRequest):
    """The request is no handshake of a WebSocket (RFC 6455, 4.2.1)."""

    code = "NO_WEBSOCKET"


class NotKeptOpen(Unavailable):
    """This process answers requests and keeps no connections open."""

    code = "NOT_KEPT_OPEN"


class TooManyConnections(Busy):
    """The process keeps as many connections open as it may."""

    code = "TOO_MANY_CONNECTIONS"


class TooManyOfOnePerson(TooManyRequests):
    """One person has as many connections open as they may."""

    code = "TOO_MANY_OF_ONE_PERSON"
