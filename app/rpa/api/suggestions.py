"""The API of suggested profiles."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.rpa.queries.trials import get_suggestion
from app.rpa.schemas.suggestions import SuggestionIn, SuggestionSchema
from app.rpa.services.suggestions import submit_suggestion

blp = ApiBlueprint("suggestions", __name__, description="Profiles proposed from product pages")


@blp.route("/storefronts/suggest")
class Suggest(MethodView):
    """A profile for a shop that nobody has described."""

    @blp.requires("storefronts:write")
    @blp.arguments(SuggestionIn)
    @blp.answers(202, SuggestionSchema, location=lambda row: url_for("suggestions.Suggestion", suggestion_id=row.id))
    def post(self, sent: dict[str, Any]) -> Any:
        """Propose a profile from one or two product pages of a shop.

        A worker visits them, with nothing but their host in reach; ask for its result at Location. What it proposes
        under ``storefront`` can be sent to POST /storefronts as it is.
        """
        return submit_suggestion(actor=current_principal(), **sent)


@blp.route("/storefronts/suggestions/<int:suggestion_id>")
class Suggestion(MethodView):
    """One suggested profile."""

    @blp.requires("storefronts:read")
    @blp.answers(200, SuggestionSchema)
    def get(self, suggestion_id: int) -> Any:
        """Get a suggested profile with how sure each part of it is; kept for seven days."""
        return get_suggestion(suggestion_id)
