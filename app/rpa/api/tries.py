"""The API of tries: what a profile reads on one product's page."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.core.fields import PageArguments
from app.rpa.queries.trials import get_try, list_tries, read_screenshot
from app.rpa.schemas.trials import TryDetailSchema, TryIn, TryPage
from app.rpa.services.trials import submit_try

blp = ApiBlueprint("tries", __name__, description="Profiles tried on one product")

_PICTURE: Final = {
    "200": {
        "description": "A JPEG",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary", "examples": ["(bytes)"]}}},
    }
}


@blp.route("/storefronts/<int:storefront_id>/try")
class Try(MethodView):
    """A profile on one product."""

    @blp.requires("storefronts:write")
    @blp.arguments(TryIn, example={"asin": "B0CW1A0001", "version": 2})
    @blp.answers(
        202,
        TryDetailSchema,
        location=lambda row: url_for("tries.TryDetail", storefront_id=row.storefront_id, try_id=row.id),
    )
    def post(self, sent: dict[str, Any], storefront_id: int) -> Any:
        """Read one product's page by the active profile, a version of it, or one that is sent along.

        A worker does it ahead of all batch work, at the storefront's pace; ask for its result at Location. Nothing
        that it reads is recorded of the product.
        """
        return submit_try(actor=current_principal(), storefront_id=storefront_id, **sent)


@blp.route("/storefronts/<int:storefront_id>/tries")
class Tries(MethodView):
    """All tries of one storefront."""

    @blp.requires("storefronts:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, TryPage)
    def get(self, page: dict[str, Any], storefront_id: int) -> Any:
        """List a storefront's tries of the last seven days, the newest first."""
        return list_tries(storefront_id, **page)


@blp.route("/storefronts/<int:storefront_id>/tries/<int:try_id>")
class TryDetail(MethodView):
    """One try."""

    @blp.requires("storefronts:read")
    @blp.answers(200, TryDetailSchema)
    def get(self, storefront_id: int, try_id: int) -> Any:
        """Get a try: each field with its source and raw string, or why it could not be read."""
        return get_try(storefront_id, try_id)


@blp.route("/storefronts/<int:storefront_id>/tries/<int:try_id>/screenshot")
class TryScreenshot(MethodView):
    """What the page looked like."""

    @blp.requires("storefronts:read")
    @blp.answers(200)
    @blp.alt_response(503, description="The store of evidence does not answer")
    @blp.doc(responses=_PICTURE)
    def get(self, storefront_id: int, try_id: int) -> Any:
        """Get the picture that a try took of the page."""
        answer = Response(read_screenshot(get_try(storefront_id, try_id)), content_type="image/jpeg")
        answer.headers["Cache-Control"] = "private, no-cache"
        answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer
