"""The tokens' API: logging in, refreshing, logging out, confirming who one is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from flask import Response, after_this_request
from flask.views import MethodView
from flask_jwt_extended import get_jwt, set_refresh_cookies, unset_refresh_cookies, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWTError

from app.auth import jwt, visitor
from app.auth.authentication import client
from app.auth.errors import TokenRefused
from app.auth.schemas.tokens import (
    CONFIRM,
    LOG_IN,
    ConfirmSchema,
    LogInSchema,
    RefreshSchema,
    TokenArguments,
    TokenSchema,
)
from app.auth.services import devices, login, sessions, tokens
from app.auth.services.sessions import Proof
from app.auth.services.tokens import Grant
from app.core.api import ApiBlueprint, current_principal
from app.core.orm import utc_now
from app.core.rates import limited
from app.core.running import settings

blp = ApiBlueprint("auth", __name__, description="Logging in and out: access tokens and refresh tokens")

_CSRF: Final = "0c7f5d2e9a814b36f1d8e3a7c4b29560"


@blp.route("/auth/login")
class LogIn(MethodView):
    """Tokens for a password."""

    @blp.takes_header(visitor.HEADER, visitor.AT_LOGIN, visitor.EXAMPLE)
    @blp.public
    @limited("login")
    @blp.arguments(LogInSchema, example=LOG_IN)
    @blp.answers(200, TokenSchema, secret=True)
    @blp.alt_response(429, description="Too many attempts from this address or for this account")
    def post(self, sent: dict[str, Any]) -> Any:
        """Log in: tokens for email and password, and for the code of an authenticator app where one is set up."""
        proof = _proof(sent)
        answered = start(proof, cookie=sent["cookie"])
        if sent["remember_device"] and sent["code"] and proof.second_factor:
            token = devices.remember_device(user_id=proof.user_id, client=client(), now=utc_now())
            answered["device_token"] = token
        return answered


@blp.route("/auth/refresh")
class Refresh(MethodView):
    """Tokens for a refresh token."""

    @blp.takes_header("X-CSRF-TOKEN", "With the cookie: the value of cartwright-refresh-csrf", _CSRF)
    @blp.public
    @limited("refresh")
    @blp.arguments(RefreshSchema)
    @blp.answers(200, TokenSchema, secret=True)
    @blp.alt_response(429, description="Too many from this address")
    def post(self, sent: dict[str, Any]) -> Any:
        """Exchange a refresh token, from the body or the cookie, for an access token and its successor.

        A refresh token works once; used again after 10 seconds, it ends everything that came from its login.
        """
        in_cookie = sent["refresh_token"] is None
        claims = _refresh_claims("cookies" if in_cookie else "json")
        grant = tokens.rotate_refresh_token(
            jti=claims["jti"], sid=claims["sid"], client=client(), now=utc_now(), lifetime=_refresh_lifetime()
        )
        return answer(grant, cookie=in_cookie)


@blp.route("/auth/token")
class TokenOfSession(MethodView):
    """Tokens for who is logged in."""

    @blp.takes_header(visitor.HEADER, visitor.AT_LOGIN, visitor.EXAMPLE)
    @blp.personal()
    @blp.arguments(TokenArguments)
    @blp.answers(200, TokenSchema, secret=True)
    @blp.alt_response(403, description="BROWSER_SESSION_NEEDED: it was sent with an access token")
    def post(self, sent: dict[str, Any]) -> Any:
        """Get tokens of an API session of its own for the browser session that this request is sent with."""
        return start(sessions.proof_of_session(current_principal()), cookie=sent["cookie"])


@blp.route("/auth/logout")
class LogOut(MethodView):
    """The end of this session."""

    @blp.authenticated
    @blp.answers(204)
    def post(self) -> Any:
        """Log out: end the session of the access token; its refresh token ends with it."""
        actor = current_principal()
        sessions.end_session(
            actor=actor,
            user_id=actor.require_person(),
            session_id=actor.session_id or 0,
            now=utc_now(),
            reason="logged out",
        )
        after_this_request(_without_cookies)


@blp.route("/auth/logout-everywhere")
class LogOutEverywhere(MethodView):
    """The end of all sessions."""

    @blp.authenticated
    @blp.answers(204)
    def post(self) -> Any:
        """Log out everywhere: end all sessions of this user, this one too."""
        actor = current_principal()
        sessions.end_sessions(
            actor=actor, user_id=actor.require_person(), now=utc_now(), reason="logged out everywhere"
        )
        after_this_request(_without_cookies)


@blp.route("/auth/confirm")
class Confirm(MethodView):
    """A recent proof."""

    @blp.authenticated
    @limited("login")
    @blp.arguments(ConfirmSchema, example=CONFIRM)
    @blp.answers(204)
    @blp.alt_response(429, description="Too many attempts")
    def post(self, sent: dict[str, Any]) -> None:
        """Confirm who you are, by the password or a code; sensitive acts need this to be a short while ago."""
        login.confirm(actor=current_principal(), client=client(), now=utc_now(), **sent)


def _proof(sent: dict[str, Any]) -> Proof:
    known = login.check_password(email=sent["email"], password=sent["password"], client=client())
    return login.prove(
        user_id=known.user_id,
        via="password",
        client=client(),
        now=utc_now(),
        password=known.password,
        code=sent["code"],
        device=sent["device_token"],
    )


def start(proof: Proof, *, cookie: bool) -> dict[str, Any]:
    """Start an API session for somebody who has proven who they are; the tokens to answer with."""
    grant = tokens.start_api_session(proof=proof, client=client(), now=utc_now(), lifetime=_refresh_lifetime())
    return answer(grant, cookie=cookie)


def answer(grant: Grant, *, cookie: bool) -> dict[str, Any]:
    """The tokens of a grant as they are answered: the refresh token in the body or, for browsers, in a cookie."""
    refresh = jwt.refresh_token(grant)

    def with_cookie(response: Response) -> Response:
        set_refresh_cookies(response, refresh, max_age=int((grant.expires_at - utc_now()).total_seconds()))
        return response

    if cookie:
        after_this_request(with_cookie)
    body: dict[str, Any] = {
        "access_token": jwt.access_token(grant),
        "expires_in": settings().accounts.access_minutes * 60,
        "refresh_expires_at": grant.expires_at,
    }
    return body if cookie else body | {"refresh_token": refresh}


def _refresh_claims(location: str) -> dict[str, Any]:
    try:
        verify_jwt_in_request(refresh=True, locations=[location])
        claims: dict[str, Any] = get_jwt()
        return {"jti": str(claims["jti"]), "sid": str(claims["sid"])}
    except (JWTExtendedException, PyJWTError, KeyError, ValueError) as error:
        raise TokenRefused(f"The refresh token is not valid: {error}.") from error


def _refresh_lifetime() -> timedelta:
    return timedelta(days=settings().accounts.refresh_days)


def _without_cookies(response: Response) -> Response:
    unset_refresh_cookies(response)
    return response
