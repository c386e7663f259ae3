"""Why something about accounts is refused."""

from __future__ import annotations

from app.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated


class LogInRefused(Unauthenticated):
    """Email and password do not belong to an active user; it does not say which of them is wrong."""

    code = "LOGIN_REFUSED"


class SecondFactorRequired(Unauthenticated):
    """Email and password are right; a code of the authenticator app or a recovery code is needed, too."""

    code = "SECOND_FACTOR_REQUIRED"


class SecondFactorRefused(Unauthenticated):
    """The code is wrong, too old, or was used before."""

    code = "SECOND_FACTOR_REFUSED"


class EmailNotVerified(Forbidden):
    """The password is right, but the address has not been shown to be the user's."""

    code = "EMAIL_NOT_VERIFIED"


class TokenRefused(Unauthenticated):
    """The token is malformed, has expired, or belongs to nobody who is active."""

    code = "TOKEN_REFUSED"


class RefreshReused(Unauthenticated):
    """The refresh token was used before: somebody has a copy, and the whole family is revoked."""

    code = "REFRESH_REUSED"


class LinkRefused(Invalid):
    """The secret of a mail's link is unknown, used, or has expired."""

    code = "LINK_REFUSED"


class EmailTaken(Conflict):
    """Another user has this email address."""

    code = "EMAIL_TAKEN"


class UserNotFound(NotFound):
    """No user has this id."""

    code = "USER_NOT_FOUND"


class SessionNotFound(NotFound):
    """This user has no session with this id."""

    code = "SESSION_NOT_FOUND"


class RoleNotFound(NotFound):
    """No role has this id or name."""

    code = "ROLE_NOT_FOUND"


class LastAdministrator(Conflict):
    """Nobody would be left who may do everything."""

    code = "LAST_ADMINISTRATOR"
