"""Why something about accounts is refused."""

from __future__ import annotations

from app.core.errors import Conflict, Forbidden, Invalid, NotFound, StaleVersion, Unauthenticated, Unavailable


class LogInRefused(Unauthenticated):
    """Email and password do not belong to an active user; it does not say which of them is wrong."""

    code = "LOGIN_REFUSED"


class SecondFactorRequired(Unauthenticated):
    """Email and password are right; a code of the authenticator app or a recovery code is needed, too."""

    code = "SECOND_FACTOR_REQUIRED"


class SecondFactorRefused(Unauthenticated):
    """The code is wrong, too old, or was used before."""

    code = "SECOND_FACTOR_REFUSED"


class SecondFactorNeeded(Conflict):
    """Without it, a role of the user would lack the second factor that it requires."""

    code = "SECOND_FACTOR_NEEDED"


class AuthenticatorAppSetUp(Conflict):
    """The user has an authenticator app; it must be switched off before another one is set up."""

    code = "TOTP_ALREADY_SET_UP"


class AuthenticatorAppMissing(Conflict):
    """The user has no authenticator app, or did not start to set one up a short while ago."""

    code = "TOTP_NOT_SET_UP"


class DeviceNotFound(NotFound):
    """This user has no remembered device with this id."""

    code = "DEVICE_NOT_FOUND"


class PasskeyRefused(Unauthenticated):
    """The passkey is unknown, its answer does not fit what was asked, or its owner is not active."""

    code = "PASSKEY_REFUSED"


class PasskeyNotAccepted(Invalid):
    """What the browser sent makes no passkey."""

    code = "PASSKEY_NOT_ACCEPTED"


class PasskeyKnown(Conflict):
    """The passkey is registered already."""

    code = "PASSKEY_KNOWN"


class TooManyPasskeys(Conflict):
    """The user has as many passkeys as there may be."""

    code = "TOO_MANY_PASSKEYS"


class PasskeyNotFound(NotFound):
    """This user has no passkey with this id."""

    code = "PASSKEY_NOT_FOUND"


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


class RegistrationClosed(Forbidden):
    """Nobody may register at present."""

    code = "REGISTRATION_CLOSED"


class EmailTaken(Conflict):
    """Another user has this email address."""

    code = "EMAIL_TAKEN"


class UserNotFound(NotFound):
    """No user has this id."""

    code = "USER_NOT_FOUND"


class SessionNotFound(NotFound):
    """This user has no session with this id."""

    code = "SESSION_NOT_FOUND"


class BrowserSessionNeeded(Forbidden):
    """Only a browser's session can be exchanged for tokens."""

    code = "BROWSER_SESSION_NEEDED"


class RoleNotFound(NotFound):
    """No role has this id or name."""

    code = "ROLE_NOT_FOUND"


class LastAdministrator(Conflict):
    """Nobody would be left who may do everything."""

    code = "LAST_ADMINISTRATOR"


class ProviderNotFound(NotFound):
    """There is no OAuth provider with this id or code, or it is switched off."""

    code = "PROVIDER_NOT_FOUND"


class ProviderCodeTaken(Conflict):
    """Another OAuth provider has this code."""

    code = "PROVIDER_CODE_TAKEN"


class ProviderInUse(Conflict):
    """People log in by this OAuth provider."""

    code = "PROVIDER_IN_USE"


class TooManyProviders(Conflict):
    """There are as many OAuth providers as there may be."""

    code = "TOO_MANY_PROVIDERS"


class ProviderStale(StaleVersion):
    """The OAuth provider has changed since."""

    code = "PROVIDER_STALE"


class ProviderUnavailable(Unavailable):
    """The OAuth provider does not answer, or not as it should; ``detail`` is for the log."""

    code = "PROVIDER_UNAVAILABLE"


class ProviderAnswerRefused(Unauthenticated):
    """What the OAuth provider says does not prove who somebody is; ``detail`` is for the log."""

    code = "PROVIDER_ANSWER_REFUSED"


class ProviderEmailNotVerified(Forbidden):
    """The OAuth provider vouches for no email address of this person."""

    code = "PROVIDER_EMAIL_NOT_VERIFIED"


class ProviderLogInRefused(Forbidden):
    """The person is known to the OAuth provider but may not log in here; ``detail`` is for them."""

    code = "PROVIDER_LOGIN_REFUSED"


class IdentityTaken(Conflict):
    """This account at the OAuth provider belongs to another user here."""

    code = "IDENTITY_TAKEN"


class IdentityNotFound(NotFound):
    """This user has no identity with this id."""

    code = "IDENTITY_NOT_FOUND"


class OnlyWayIn(Conflict):
    """Without this the user could not log in any more."""

    code = "ONLY_WAY_IN"


class UserChanged(StaleVersion):
    """Somebody has changed the user since."""

    code = "STALE_VERSION"


class EmailSettled(Conflict):
    """The user has shown that the address is theirs; from then on only they can change it."""

    code = "EMAIL_SETTLED"


class NothingToInvite(Conflict):
    """The user has used an invitation already, or may not log in."""

    code = "NOTHING_TO_INVITE"


class RoleChanged(StaleVersion):
    """Somebody has changed the role since."""

    code = "STALE_VERSION"


class RoleNameTaken(Conflict):
    """Another role has this name."""

    code = "ROLE_NAME_TAKEN"


class RoleLocked(Conflict):
    """The role of administrators is changed by nobody."""

    code = "ROLE_LOCKED"


class RoleBuiltIn(Conflict):
    """The role comes with the product: it is neither renamed nor deleted."""

    code = "ROLE_BUILT_IN"


class RoleInUse(Conflict):
    """Users have this role."""

    code = "ROLE_IN_USE"


class KeyNotFound(NotFound):
    """This user has no API key with this id."""

    code = "KEY_NOT_FOUND"


class KeyChanged(StaleVersion):
    """The API key has been changed since."""

    code = "STALE_VERSION"


class TooManyKeys(Conflict):
    """The user has as many API keys as one may have."""

    code = "TOO_MANY_KEYS"


class AuditEventNotFound(NotFound):
    """The audit log has no event with this id."""

    code = "AUDIT_EVENT_NOT_FOUND"
