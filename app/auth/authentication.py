"""Who sends a request: from its access token to a principal."""

from __future__ import annotations

from flask import g
from flask_jwt_extended import get_jwt_identity, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWTError

from app.auth.errors import TokenRefused
from app.auth.queries import find_principal
from app.core.permissions import Principal


def authenticate() -> Principal | None:
    """The principal of the current request, or None where it has no Bearer token.

    Raises TokenRefused for a token that is malformed, has expired, or belongs to nobody who is active.
    """
    try:
        if verify_jwt_in_request(optional=True) is None:
            return None
        user_id = int(get_jwt_identity())
    except (JWTExtendedException, PyJWTError, ValueError) as error:
        raise TokenRefused(f"The access token is not valid: {error}.") from error
    principal = find_principal(user_id, request_id=g.get("request_id"))
    if principal is None:
        raise TokenRefused("The access token belongs to nobody who may log in.")
    return principal
