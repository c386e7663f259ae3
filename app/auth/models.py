"""Tables of accounts: users and roles, their sessions and tokens, and everything else that lets somebody in."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.orm import Base, BigId, Instant, PrimaryKey, Timestamps, UtcDateTime, key_text
from app.core.vault import EncryptedText

MAX_EMAIL: Final = 254
"""Characters of an address: RFC 5321, 4.5.3.1.3, without the angle brackets."""
MAX_ADDRESS: Final = 45
"""Characters of an IPv6 address with an IPv4 one in it."""
MAX_USER_AGENT: Final = 255

_HASH: Final = 64
"""Hexadecimal digits of SHA-256, as which secrets are stored that nobody has to read again."""


class User(Timestamps, Base):
    """A person with an account. The email address is kept in lower case; it is the name used to log in."""

    __tablename__ = "user"

    id: Mapped[PrimaryKey]
    email: Mapped[str] = mapped_column(key_text(MAX_EMAIL), unique=True)
    email_verified_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    name: Mapped[str] = mapped_column(String(255), index=True)
    password_hash: Mapped[str] = mapped_column(String(255), default="")
    """Empty where there is no password: invited users before their first login, and those who come by OAuth only."""
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    language: Mapped[str] = mapped_column(key_text(35), default="en")
    """BCP 47 tag: how dates and numbers are written."""
    time_zone: Mapped[str | None] = mapped_column(key_text(64))
    """IANA name; None is the shop's."""
    theme: Mapped[str] = mapped_column(key_text(8), default="system")
    notifications: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What the user wants to hear of by mail: kind -> bool; None is what is usual."""
    erased_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    """When the person had everything about them erased; only the number is left, for histories to refer to."""


class Role(Timestamps, Base):
    """A named set of permissions. The locked one (admin) has all there are and is changed by nobody."""

    __tablename__ = "role"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(key_text(64), unique=True)
    description: Mapped[str] = mapped_column(String(255), default="")
    is_locked: Mapped[bool] = mapped_column(default=False)
    is_built_in: Mapped[bool] = mapped_column(default=False)
    """Comes with the product: it may be changed, but neither renamed nor deleted."""
    requires_second_factor: Mapped[bool | None]
    """None: as the operator set it for staff, that is, for every role with a permission."""
    version: Mapped[int] = mapped_column(default=1)


class RolePermission(Base):
    """One permission that a role gives; the names are those of the permission catalogue."""

    __tablename__ = "role_permission"

    role_id: Mapped[int] = mapped_column(BigId, ForeignKey("role.id", ondelete="CASCADE"), primary_key=True)
    permission: Mapped[str] = mapped_column(key_text(64), primary_key=True)


class UserRole(Base):
    """One role that a user has."""

    __tablename__ = "user_role"

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    role_id: Mapped[int] = mapped_column(BigId, ForeignKey("role.id"), primary_key=True, index=True)


class Session(Base):
    """One login, in a browser or of an API client (then it is the family of its refresh tokens)."""

    __tablename__ = "session"
    __table_args__ = (Index("ix_session_user_id_ended_at", "user_id", "ended_at"),)

    id: Mapped[PrimaryKey]
    sid: Mapped[str] = mapped_column(key_text(_HASH), unique=True)
    """``browser``: SHA-256 of the cookie's token. ``api``: a random name that the tokens carry; no secret."""
    kind: Mapped[str] = mapped_column(key_text(8))
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"))
    via: Mapped[str] = mapped_column(key_text(80))
    """``password``, ``passkey``, ``oauth:<provider>`` or ``session`` (an API login made out of a browser's)."""
    is_remembered: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Instant]
    last_seen_at: Mapped[Instant]
    authenticated_at: Mapped[Instant]
    """When the person last proved who they are; sensitive acts need this to be recent."""
    second_factor_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[Instant] = mapped_column(UtcDateTime, index=True)
    ended_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[str | None] = mapped_column(key_text(32))
    address: Mapped[str | None] = mapped_column(key_text(MAX_ADDRESS))
    user_agent: Mapped[str] = mapped_column(String(MAX_USER_AGENT), default="")


class RefreshToken(Base):
    """One refresh token of an API session; used once, it names the one that followed it."""

    __tablename__ = "refresh_token"

    id: Mapped[PrimaryKey]
    jti: Mapped[str] = mapped_column(key_text(32), unique=True)
    session_id: Mapped[int] = mapped_column(BigId, ForeignKey("session.id", ondelete="CASCADE"), index=True)
    issued_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    successor_jti: Mapped[str | None] = mapped_column(key_text(32))


class Registration(Base):
    """Somebody asked for an account; it exists once the address is shown to be theirs."""

    __tablename__ = "registration"

    id: Mapped[PrimaryKey]
    email: Mapped[str] = mapped_column(key_text(MAX_EMAIL), index=True)
    name: Mapped[str] = mapped_column(String(255))
    password_hash: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant] = mapped_column(UtcDateTime, index=True)


class OneTimeToken(Base):
    """A secret that a mail carried; works once, for one purpose, for a while."""

    __tablename__ = "one_time_token"

    id: Mapped[PrimaryKey]
    purpose: Mapped[str] = mapped_column(key_text(16))
    """``register``, ``reset_password``, ``change_email`` or ``invite``."""
    token_hash: Mapped[str] = mapped_column(key_text(_HASH), unique=True)
    email: Mapped[str] = mapped_column(key_text(MAX_EMAIL))
    """The address it was sent to."""
    user_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"), index=True)
    registration_id: Mapped[int | None] = mapped_column(
        BigId, ForeignKey("registration.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant] = mapped_column(UtcDateTime, index=True)
    used_at: Mapped[Instant | None] = mapped_column(UtcDateTime)


class OauthProvider(Timestamps, Base):
    """An OAuth2 or OpenID Connect provider that people may log in with."""

    __tablename__ = "oauth_provider"

    id: Mapped[PrimaryKey]
    code: Mapped[str] = mapped_column(key_text(64), unique=True)
    """Stands in addresses: /login/with/<code>."""
    name: Mapped[str] = mapped_column(String(64))
    preset: Mapped[str] = mapped_column(key_text(16))
    """``oidc``, ``google`` or ``github``."""
    issuer: Mapped[str | None] = mapped_column(String(255))
    client_id: Mapped[str] = mapped_column(String(255))
    client_secret: Mapped[str] = mapped_column(EncryptedText)
    is_enabled: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)


class OauthIdentity(Base):
    """Somebody's account at a provider, by which they log in here."""

    __tablename__ = "oauth_identity"
    __table_args__ = (UniqueConstraint("provider_id", "subject"),)

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"), index=True)
    provider_id: Mapped[int] = mapped_column(BigId, ForeignKey("oauth_provider.id", ondelete="CASCADE"))
    subject: Mapped[str] = mapped_column(key_text(255))
    email: Mapped[str] = mapped_column(key_text(MAX_EMAIL))
    created_at: Mapped[Instant]
    last_used_at: Mapped[Instant]


class Totp(Base):
    """A user's authenticator app (RFC 6238); counts once it is confirmed by a code."""

    __tablename__ = "totp"

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[str] = mapped_column(EncryptedText)
    created_at: Mapped[Instant]
    confirmed_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    last_step: Mapped[int | None] = mapped_column(BigId)
    """The time step of the last code that was accepted: a code works once (RFC 6238, 5.2)."""


class RecoveryCode(Base):
    """One code that replaces the authenticator app, once."""

    __tablename__ = "recovery_code"

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(key_text(_HASH))
    created_at: Mapped[Instant]
    used_at: Mapped[Instant | None] = mapped_column(UtcDateTime)


class RememberedDevice(Base):
    """A browser or client that needs no second factor for a while."""

    __tablename__ = "remembered_device"

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(key_text(_HASH), unique=True)
    user_agent: Mapped[str] = mapped_column(String(MAX_USER_AGENT), default="")
    address: Mapped[str | None] = mapped_column(key_text(MAX_ADDRESS))
    created_at: Mapped[Instant]
    last_used_at: Mapped[Instant]
    expires_at: Mapped[Instant] = mapped_column(UtcDateTime, index=True)


class Passkey(Base):
    """A WebAuthn credential: logs in alone, being possession and person in one."""

    __tablename__ = "passkey"

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"), index=True)
    credential_hash: Mapped[str] = mapped_column(key_text(_HASH), unique=True)
    """SHA-256 of the credential's id, which may be longer than an index takes (up to 1,023 bytes)."""
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023))
    public_key: Mapped[bytes] = mapped_column(LargeBinary(2048))
    sign_count: Mapped[int] = mapped_column(BigId, default=0)
    transports: Mapped[list[str]] = mapped_column(JSON, default=list)
    name: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Instant]
    last_used_at: Mapped[Instant | None] = mapped_column(UtcDateTime)


class Challenge(Base):
    """What a passkey has to sign, once and soon; kept here so that no answer can be used twice."""

    __tablename__ = "challenge"

    id: Mapped[PrimaryKey]
    token: Mapped[str] = mapped_column(key_text(32), unique=True)
    purpose: Mapped[str] = mapped_column(key_text(16))
    """``register`` or ``log_in``."""
    challenge: Mapped[bytes] = mapped_column(LargeBinary(64))
    user_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[Instant] = mapped_column(UtcDateTime, index=True)


class ApiKey(Base):
    """A key for programs: some of its owner's permissions, shown once and stored as a hash."""

    __tablename__ = "api_key"

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    prefix: Mapped[str] = mapped_column(key_text(16))
    """The secret's beginning, by which people tell keys apart."""
    secret_hash: Mapped[str] = mapped_column(key_text(_HASH), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[Instant | None] = mapped_column(UtcDateTime)
    last_used_address: Mapped[str | None] = mapped_column(key_text(MAX_ADDRESS))
    version: Mapped[int] = mapped_column(default=1)
