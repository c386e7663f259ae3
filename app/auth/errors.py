"""Why something about accounts is refused."""

from __future__ import annotations

from app.core.errors import Conflict, NotFound, Unauthenticated


class LogInRefused(Unauthenticated):
    """Email and password do not belong to an active user; it does not say which of them is wrong."""

    code = "LOGIN_REFUSED"


class TokenRefused(Unauthenticated):
    """The access token is malformed, has expired, or belongs to nobody who is active."""

    code = "TOKEN_REFUSED"


class EmailTaken(Conflict):
    """Another user has this email address."""

    code = "EMAIL_TAKEN"


class UserNotFound(NotFound):
    """No user has this id."""

    code = "USER_NOT_FOUND"
