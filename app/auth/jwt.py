"""JSON Web Tokens of the API: how they are signed, with which keys, and what they say."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import jwt as pyjwt
import orjson
from flask import Flask
from flask_jwt_extended import create_access_token, create_refresh_token
from jwt import PyJWK
from jwt.exceptions import DecodeError, InvalidKeyError, InvalidTokenError
from jwt.types import Options
from jwt.utils import base64url_decode, base64url_encode

from app.auth.services.tokens import Grant
from app.config import Settings
from app.core.extensions import jwt
from app.core.running import settings

ALGORITHM: Final = "HS256"
AUDIENCE: Final = "cartwright-api"
ISSUER: Final = "cartwright"
LEEWAY_S: Final = 5
"""How far the clocks of two machines may be apart: tokens are not yet refused so shortly before or after their time."""
REFRESH_PATH: Final = "/api/v1/auth"
_STRICT: Final[Options] = {"require": ["exp", "iat", "aud", "iss", "sub", "sid", "type"]}


def register_jwt(app: Flask, configured: Settings) -> None:
    """Configure flask-jwt-extended: HS256 only, audience and issuer checked, keys told apart by ``kid``."""
    secure = configured.is_https
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_DECODE_LEEWAY=LEEWAY_S,
        JWT_TOKEN_LOCATION=["headers", "cookies", "json"],
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=configured.accounts.access_minutes),
        JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=configured.accounts.refresh_days),
        JWT_REFRESH_COOKIE_NAME="__Secure-cartwright-refresh" if secure else "cartwright-refresh",
        JWT_REFRESH_COOKIE_PATH=REFRESH_PATH,
        JWT_REFRESH_CSRF_COOKIE_NAME="cartwright-refresh-csrf",
        JWT_COOKIE_SECURE=secure,
        JWT_COOKIE_SAMESITE="Strict",
        JWT_SESSION_COOKIE=False,
        JWT_COOKIE_CSRF_PROTECT=True,
    )
    jwt.init_app(app)


@lru_cache(maxsize=16)
def key_id(secret: str) -> str:
    """The public name of a signing key; it stands in the header of what the key signed."""
    return hashlib.sha256(b"cartwright kid " + secret.encode()).hexdigest()[:12]


@jwt.encode_key_loader
def _signing_key(_identity: Any) -> str:
    return settings().jwt_secret_key


@jwt.decode_key_loader
def _verifying_key(header: dict[str, Any], _claims: dict[str, Any]) -> str:
    known = (settings().jwt_secret_key, *settings().old_jwt_secret_keys)
    for secret in known:
        if header.get("kid") == key_id(secret):
            return secret
    raise InvalidKeyError("it was signed with a key that is not in use")


def verified_claims(token: str) -> dict[str, Any]:
    """What an access token says; raises PyJWTError, also for refresh tokens.

    By PyJWT itself: flask-jwt-extended takes every token apart four times, which is most of what a request costs.
    """
    key = _find_key(_key_id_in(token.partition(".")[0]))
    claims: dict[str, Any] = pyjwt.decode(
        token, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY_S, options=_STRICT
    )
    if claims["type"] != "access":
        raise InvalidTokenError("it is of another type")
    return claims


@lru_cache(maxsize=64)
def _key_id_in(header: str) -> str:
    """The name of the key in a token's first part, which is the same for all tokens of a key; nothing is proven yet."""
    try:
        kid: Any = orjson.loads(base64url_decode(header)).get("kid")
    except (ValueError, AttributeError) as error:
        raise DecodeError("its header cannot be read") from error
    return kid if isinstance(kid, str) else ""


def _find_key(kid: str) -> PyJWK:
    for secret in (settings().jwt_secret_key, *settings().old_jwt_secret_keys):
        if kid == key_id(secret):
            return _prepared(secret)
    raise InvalidKeyError("it was signed with a key that is not in use")


@lru_cache(maxsize=16)
def _prepared(secret: str) -> PyJWK:
    return PyJWK({"kty": "oct", "k": base64url_encode(secret.encode()).decode()}, ALGORITHM)


def access_token(grant: Grant) -> str:
    """The access token of a grant, as valid as the settings say and never longer than its session."""
    left = grant.expires_at - datetime.now(UTC)
    lifetime = min(timedelta(minutes=settings().accounts.access_minutes), left)
    token: str = create_access_token(
        identity=str(grant.user_id),
        additional_claims={"sid": grant.sid},
        additional_headers=_headers(),
        expires_delta=lifetime,
    )
    return token


def refresh_token(grant: Grant) -> str:
    """The refresh token of a grant: always the same text for the same grant, the token itself being stored nowhere."""
    claims = {
        "sid": grant.sid,
        "jti": grant.jti,
        "iat": int(grant.issued_at.timestamp()),
        "nbf": int(grant.issued_at.timestamp()),
        "exp": int(grant.expires_at.timestamp()),
        "csrf": hashlib.sha256(f"csrf {grant.jti}".encode()).hexdigest()[:32],
    }
    token: str = create_refresh_token(
        identity=str(grant.user_id), additional_claims=claims, additional_headers=_headers()
    )
    return token


def _headers() -> dict[str, str]:
    return {"kid": key_id(settings().jwt_secret_key)}
