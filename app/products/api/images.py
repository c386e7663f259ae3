"""The API of products' pictures: our own server shows them, so that pages load nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, request
from flask.views import MethodView

from app.core.api import ApiBlueprint
from app.products.images.shelf import Kept
from app.products.schemas import images as schemas
from app.products.services import images as services

blp = ApiBlueprint("product_images", __name__, description="Pictures of products")

_CONTENT = {"image/*": {"schema": {"type": "string", "format": "binary", "examples": ["(a picture)"]}}}
_ETAG = {"ETag": {"description": "Tells this picture from any other, for If-None-Match", "schema": {"type": "string"}}}
_OK = {"200": {"description": "The picture: JPEG, PNG, GIF, WebP or AVIF", "content": _CONTENT, "headers": _ETAG}}


@blp.route("/products/<int:product_id>/images/<int:position>")
class ProductImage(MethodView):
    """One picture."""

    @blp.requires("products:read")
    @blp.arguments(schemas.ImageArguments, location="query")
    @blp.answers(200, etag=True)
    @blp.alt_response(304, description="If-None-Match names the picture that it is", success=True)
    @blp.alt_response(502, description="The picture cannot be got, or is none")
    @blp.alt_response(503, description="Too many pictures are being fetched")
    @blp.doc(responses=_OK)
    def get(self, which: dict[str, Any], product_id: int, position: int) -> Any:
        """Get a picture of a product by its place in `images`, the first is 0.

        It is fetched from its address, checked and kept for some days. A picture that cannot be got is not asked for
        again within a minute.
        """
        kept = services.open_image(current_app.extensions["gallery"], product_id=product_id, position=position)
        return _answer(kept, is_kept="v" in which)


def _answer(kept: Kept, *, is_kept: bool) -> Response:
    answer = Response(kept.picture.content, mimetype=kept.picture.kind)
    answer.set_etag(kept.etag)
    answer.headers["Cache-Control"] = "private, max-age=86400" if is_kept else "private, no-cache"
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.make_conditional(request)
    return answer
