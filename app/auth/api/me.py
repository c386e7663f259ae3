"""The API of one's own account."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.auth.queries.accounts import get_account
from app.auth.schemas.me import AccountSchema
from app.core.api import ApiBlueprint, current_principal

blp = ApiBlueprint("me", __name__, description="One's own account")


@blp.route("/me")
class Me(MethodView):
    """Oneself."""

    @blp.authenticated
    @blp.answers(200, AccountSchema)
    def get(self) -> Any:
        """Get the account that the access token belongs to, with its permissions."""
        return get_account(current_principal())
