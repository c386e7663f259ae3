"""Refusals: the kinds of "no" the product says. Domains subclass them with a name and a code of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field; ``pointer`` is a JSON pointer (RFC 6901) into the part of the request."""

    pointer: str
    detail: str
    place: str = "body"
    """``body``, ``query``, ``header`` or ``path``."""


class Refusal(Exception):
    """A request that is understood and refused, with a stable code and a sentence for the person who asked."""

    code = "REFUSED"
    facts: Mapping[str, Any] = {}
    """What a program needs to go on, as further members of the problem document (RFC 9457, 3.2)."""

    def __init__(self, detail: str, *, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors


class BadRequest(Refusal):
    """What was sent cannot be read, or does not come from whom it says."""

    code = "BAD_REQUEST"


class Unauthenticated(Refusal):
    """Nobody is known to be asking."""

    code = "UNAUTHENTICATED"


class Forbidden(Refusal):
    """The one who asks may not do this."""

    code = "FORBIDDEN"


class PaymentRequired(Refusal):
    """It must be paid for first, and was not."""

    code = "PAYMENT_REQUIRED"


class NotFound(Refusal):
    """The thing that was named does not exist."""

    code = "NOT_FOUND"


class Conflict(Refusal):
    """What was asked does not fit the present state."""

    code = "CONFLICT"

    @classmethod
    def at(cls, pointer: str, detail: str) -> Conflict:
        """Refuse because of one field of the body, which ``detail`` explains in a sentence."""
        return cls(detail, errors=(FieldError(pointer, detail),))


class StaleVersion(Refusal):
    """The record has changed since the version that the change was based on."""

    code = "STALE_VERSION"


class VersionRequired(Refusal):
    """A change must state (If-Match) which version it is based on."""

    code = "VERSION_REQUIRED"


class Invalid(Refusal):
    """The input breaks a rule; ``errors`` points at the fields."""

    code = "INVALID"

    @classmethod
    def field(cls, pointer: str, detail: str, *, place: str = "body") -> Invalid:
        """Refuse one field of the body, or of another place."""
        return cls("The request breaks a rule.", errors=(FieldError(pointer, detail, place),))


class TooManyRequests(Refusal):
    """It was asked for too often; ``retry_after_s`` says when to come back."""

    code = "RATE_LIMITED"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class FreshLoginRequired(Unauthenticated):
    """The login is too long ago for something this sensitive (RFC 9470)."""

    code = "FRESH_LOGIN_REQUIRED"

    def __init__(self, *, max_age_s: int) -> None:
        super().__init__("Confirm who you are first: POST /api/v1/auth/confirm with your password or a code.")
        self.max_age_s = max_age_s


class Unavailable(Refusal):
    """Something the answer depends on cannot be reached now."""

    code = "UNAVAILABLE"


class Busy(Unavailable):
    """Too many others are being served in the same way; ``retry_after_s`` says when to come back."""

    code = "BUSY"
    retry_after_s = 5


class UpstreamFailed(Refusal):
    """Another server, which has what was asked for, did not give it."""

    code = "UPSTREAM_FAILED"


class AddressRefused(Invalid):
    """An address that our server will not send requests to; the detail says why."""

    code = "ADDRESS_REFUSED"


class NotReachable(Unavailable):
    """Another server cannot be reached, or does not answer as it should."""

    code = "NOT_REACHABLE"
