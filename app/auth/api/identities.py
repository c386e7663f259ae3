"""The API of one's own accounts at OAuth providers."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.auth.queries.providers import list_identities
from app.auth.schemas.providers import IdentityPage
from app.auth.services import oauth
from app.core.api import ApiBlueprint, current_principal
from app.core.fields import PageArguments

blp = ApiBlueprint("identities", __name__, description="One's own accounts at OAuth providers")


@blp.route("/me/identities")
class Identities(MethodView):
    """Connected accounts."""

    @blp.personal(complete=True)
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, IdentityPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List the accounts at OAuth providers by which you can log in; connecting one needs a browser."""
        return list_identities(current_principal().require_person(), **page)


@blp.route("/me/identities/<int:identity_id>")
class Identity(MethodView):
    """One connected account."""

    @blp.unversioned
    @blp.personal(fresh=True, complete=True)
    @blp.answers(204)
    @blp.alt_response(409, description="It is the only way to log in")
    def delete(self, identity_id: int) -> None:
        """Disconnect an account at an OAuth provider."""
        oauth.disconnect(actor=current_principal(), identity_id=identity_id)
