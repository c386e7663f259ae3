"""The users' API: what administrators see and change of other people's accounts."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.auth.queries import credentials
from app.auth.queries import users as queries
from app.auth.schemas.api_keys import KeyPage
from app.auth.schemas.sessions import EndedSchema, SessionPage
from app.auth.schemas.users import UserArguments, UserChange, UserIn, UserPage, UserSchema
from app.auth.services import users
from app.core.api import ApiBlueprint, current_principal, if_match, unless_known
from app.core.fields import PageArguments
from app.core.orm import utc_now

blp = ApiBlueprint("users", __name__, description="Users: for those who look after them")


@blp.route("/users")
class Users(MethodView):
    """All users."""

    @blp.requires("users:read")
    @blp.arguments(UserArguments, location="query")
    @blp.answers(200, UserPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List users in the order they came."""
        return queries.list_users(**which)

    @blp.requires("users:write", fresh=True)
    @blp.arguments(UserIn)
    @blp.answers(201, UserSchema, location=lambda row: url_for("users.User", user_id=row.id), etag=True)
    @blp.alt_response(409, description="Another user has this address")
    def post(self, sent: dict[str, Any]) -> Any:
        """Make an account for somebody and mail them an invitation, good for seven days."""
        return users.create_user(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/users/<int:user_id>")
class User(MethodView):
    """One user. There is no DELETE: users are deactivated, and erase themselves."""

    @blp.requires("users:read")
    @blp.answers(200, UserSchema, etag=True)
    @blp.alt_response(304, description="If-None-Match names the version it has", success=True)
    def get(self, user_id: int) -> Any:
        """Get a user."""
        return unless_known(queries.get_user(user_id))

    @blp.requires("users:write", fresh=True)
    @blp.arguments(UserChange)
    @blp.answers(200, UserSchema, etag=True)
    @blp.alt_response(409, description="The last administrator, an address that is taken, or one that is verified")
    @blp.alt_response(412, description="The user has changed since")
    def patch(self, sent: dict[str, Any], user_id: int) -> Any:
        """Change, deactivate or activate a user who may do, before and after, no more than you."""
        return users.update_user(
            actor=current_principal(), now=utc_now(), user_id=user_id, expected_version=if_match(), **sent
        )


@blp.route("/users/<int:user_id>/invitation")
class Invitation(MethodView):
    """Another invitation."""

    @blp.requires("users:write", fresh=True)
    @blp.answers(202)
    @blp.alt_response(409, description="The user has used an invitation, or is not active")
    def post(self, user_id: int) -> None:
        """Mail a new invitation to a user who has not used the first; that one is void then."""
        users.invite_again(actor=current_principal(), user_id=user_id)


@blp.route("/users/<int:user_id>/sessions")
class UserSessions(MethodView):
    """Where a user is logged in."""

    @blp.requires("users:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, SessionPage)
    def get(self, page: dict[str, Any], user_id: int) -> Any:
        """List a user's open sessions, the latest login first."""
        return credentials.list_sessions(user_id, now=utc_now(), **page)

    @blp.unversioned
    @blp.requires("users:write")
    @blp.answers(200, EndedSchema)
    def delete(self, user_id: int) -> Any:
        """Log a user out everywhere."""
        return {"count": users.end_sessions(actor=current_principal(), user_id=user_id, now=utc_now())}


@blp.route("/users/<int:user_id>/sessions/<int:session_id>")
class UserSession(MethodView):
    """One login of a user."""

    @blp.unversioned
    @blp.requires("users:write")
    @blp.answers(204)
    def delete(self, user_id: int, session_id: int) -> None:
        """End a session of a user."""
        users.end_session(actor=current_principal(), user_id=user_id, session_id=session_id, now=utc_now())


@blp.route("/users/<int:user_id>/keys")
class UserKeys(MethodView):
    """The API keys of a user."""

    @blp.requires("users:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, KeyPage)
    def get(self, page: dict[str, Any], user_id: int) -> Any:
        """List a user's API keys, newest first, without those that were revoked."""
        return credentials.list_keys(user_id, **page)


@blp.route("/users/<int:user_id>/keys/<int:key_id>")
class UserKey(MethodView):
    """One API key of a user."""

    @blp.unversioned
    @blp.requires("users:write")
    @blp.answers(204)
    def delete(self, user_id: int, key_id: int) -> None:
        """Revoke an API key of a user."""
        users.revoke_key(actor=current_principal(), user_id=user_id, key_id=key_id, now=utc_now())
