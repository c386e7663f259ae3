"""The accounts' API: logging in, and who one is."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from flask import current_app, g, request
from flask.views import MethodView
from flask_jwt_extended import create_access_token
from flask_limiter.util import get_remote_address

from app.auth import queries, services
from app.auth.schemas import AccountSchema, LogInSchema, TokenSchema
from app.core.api import ApiBlueprint, current_principal
from app.core.extensions import limiter

blp = ApiBlueprint("auth", __name__, description="Access: logging in, and who one is")


def _login_rate() -> str:
    rate: str = current_app.extensions["settings"].login_rate
    return rate


def _asked_email() -> str:
    body = request.get_json(silent=True)
    email = body.get("email") if isinstance(body, dict) else None
    if not isinstance(email, str):
        return get_remote_address()
    # hashed: what people type there has no place in Redis, and any text makes a valid key
    return hashlib.sha256(services.normalised_email(email).encode(errors="surrogatepass")).hexdigest()


@blp.route("/auth/login")
class LogIn(MethodView):
    """Access tokens."""

    @blp.public
    @limiter.limit(_login_rate)
    @limiter.limit(_login_rate, key_func=_asked_email)
    @blp.arguments(LogInSchema)
    @blp.answers(200, TokenSchema, secret=True)
    @blp.alt_response(429, description="Too many attempts from this address or for this account")
    def post(self, sent: dict[str, Any]) -> Any:
        """Log in: an access token for email and password."""
        principal = services.log_in(request_id=g.request_id, **sent)
        lifetime: timedelta = current_app.config["JWT_ACCESS_TOKEN_EXPIRES"]
        token = create_access_token(identity=str(principal.id))
        return {"access_token": token, "expires_in": int(lifetime.total_seconds())}


@blp.route("/me")
class Me(MethodView):
    """Oneself."""

    @blp.authenticated
    @blp.answers(200, AccountSchema)
    def get(self) -> Any:
        """Get the account that the access token belongs to, with its permissions."""
        return queries.get_account(current_principal())
