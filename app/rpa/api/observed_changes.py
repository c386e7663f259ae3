"""The API of suspicious changes."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.rpa.queries.observed_changes import list_observed_changes
from app.rpa.schemas.observed_changes import ObservedChangeArguments, ObservedChangePage, ObservedChangeSchema
from app.rpa.services import reviewing

blp = ApiBlueprint("observed_changes", __name__, description="Suspicious changes of products, for people to decide")


@blp.route("/observed-changes")
class ObservedChanges(MethodView):
    """All suspicious changes."""

    @blp.requires("jobs:read")
    @blp.arguments(ObservedChangeArguments, location="query")
    @blp.answers(200, ObservedChangePage)
    def get(self, which: dict[str, Any]) -> Any:
        """List suspicious changes that were looked at twice, the newest first; state=OPEN wait for a decision."""
        return list_observed_changes(**which)


@blp.route("/observed-changes/<int:change_id>/accept")
class Accept(MethodView):
    """Believing a change."""

    @blp.requires("products:write")
    @blp.answers(200, ObservedChangeSchema)
    def post(self, change_id: int) -> Any:
        """Accept an open change: it is recorded if it was not, and the product follows where its storefront says so."""
        return reviewing.accept_change(actor=current_principal(), change_id=change_id)


@blp.route("/observed-changes/<int:change_id>/dismiss")
class Dismiss(MethodView):
    """Not believing a change."""

    @blp.requires("products:write")
    @blp.answers(200, ObservedChangeSchema)
    def post(self, change_id: int) -> Any:
        """Dismiss an open change: nothing is written; what was recorded of it stays recorded."""
        return reviewing.dismiss_change(actor=current_principal(), change_id=change_id)
