"""The API of one's own API keys."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.auth.queries import credentials as queries
from app.auth.schemas.api_keys import KeyChange, KeyIn, KeyPage, KeySchema, NewKeySchema
from app.auth.services import api_keys
from app.core.api import ApiBlueprint, current_principal, if_match, unless_known
from app.core.fields import PageArguments
from app.core.orm import utc_now

blp = ApiBlueprint("api-keys", __name__, description="One's own API keys")


@blp.route("/me/keys")
class Keys(MethodView):
    """One's own API keys."""

    @blp.personal(complete=True)
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, KeyPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List one's own API keys, newest first, without those that were revoked."""
        return queries.list_keys(current_principal().require_person(), **page)

    @blp.personal(fresh=True, complete=True)
    @blp.arguments(KeyIn)
    @blp.answers(201, NewKeySchema, location=lambda made: url_for("api-keys.Key", key_id=made.key.id), secret=True)
    @blp.alt_response(409, description="There are 50 keys that work")
    def post(self, sent: dict[str, Any]) -> Any:
        """Make an API key; its secret is in this answer and nowhere else."""
        return api_keys.create_key(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/me/keys/<int:key_id>")
class Key(MethodView):
    """One of one's own API keys."""

    @blp.personal(complete=True)
    @blp.answers(200, KeySchema, etag=True)
    @blp.alt_response(304, description="If-None-Match names the version it has", success=True)
    def get(self, key_id: int) -> Any:
        """Get one of one's own API keys."""
        return unless_known(queries.get_key(current_principal().require_person(), key_id))

    @blp.personal(complete=True)
    @blp.arguments(KeyChange)
    @blp.answers(200, KeySchema, etag=True)
    @blp.alt_response(412, description="The key has changed since")
    def patch(self, sent: dict[str, Any], key_id: int) -> Any:
        """Give an API key another name; what it may do is never changed: make another one."""
        actor = current_principal()
        return api_keys.rename_key(
            actor=actor, user_id=actor.require_person(), key_id=key_id, expected_version=if_match(), **sent
        )

    @blp.unversioned
    @blp.personal(complete=True)
    @blp.answers(204)
    def delete(self, key_id: int) -> None:
        """Revoke an API key: it works no more."""
        actor = current_principal()
        api_keys.revoke_key(actor=actor, user_id=actor.require_person(), key_id=key_id, now=utc_now())
