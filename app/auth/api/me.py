"""The API of one's own account."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from flask.views import MethodView

from app.auth.queries.accounts import get_account
from app.auth.schemas.me import AccountChange, AccountSchema
from app.auth.services import privacy, profile
from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.orm import utc_now

blp = ApiBlueprint("me", __name__, description="One's own account")


@blp.route("/me")
class Me(MethodView):
    """Oneself."""

    @blp.authenticated
    @blp.answers(200, AccountSchema, etag=True)
    def get(self) -> Any:
        """Get the account that the access token belongs to, with its permissions."""
        return get_account(current_principal())

    @blp.personal(complete=True)
    @blp.arguments(AccountChange)
    @blp.answers(200, AccountSchema, etag=True)
    @blp.alt_response(412, description="The account has changed since")
    def patch(self, sent: dict[str, Any]) -> Any:
        """Change one's own name and preferences; password, address and second factor have ways of their own."""
        actor = current_principal()
        profile.update_profile(actor=actor, now=utc_now(), expected_version=if_match(), **sent)
        return get_account(actor)


@blp.route("/me/export")
class Export(MethodView):
    """One's own data."""

    @blp.personal(fresh=True, complete=True)
    @blp.response(
        200,
        {"type": "object"},
        description="All of it, by domain",
        example={"auth": {"profile": {"id": 7, "email": "ada@example.org"}, "roles": ["catalogue manager"]}},
        content_type="application/json",
    )
    def get(self) -> Any:
        """Download all that is kept of one, as JSON."""
        kept = privacy.export_own(actor=current_principal())
        name = 'attachment; filename="cartwright-personal-data.json"'
        body = orjson.dumps(kept, option=orjson.OPT_INDENT_2)
        return Response(body, mimetype="application/json", headers={"Content-Disposition": name})


@blp.route("/me/erasure")
class Erasure(MethodView):
    """The end of one's own data."""

    @blp.personal(fresh=True, complete=True)
    @blp.answers(204)
    @blp.alt_response(409, description="The last administrator cannot go")
    def post(self) -> None:
        """Erase all that is kept of one, at once and for good; histories keep a number that says nothing."""
        privacy.erase_own(actor=current_principal())
