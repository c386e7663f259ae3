"""The coupons' API: what staff decide about them, and what became of them."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.orders.queries import coupons as queries
from app.orders.schemas import coupons as schemas
from app.orders.services.coupons import editing as services

blp = ApiBlueprint("coupons", __name__, description="Coupons: what codes take off orders, and how often")


@blp.route("/coupons")
class Coupons(MethodView):
    """All coupons."""

    @blp.requires("coupons:read")
    @blp.arguments(schemas.CouponArguments, location="query")
    @blp.answers(200, schemas.CouponPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List coupons, the newest first."""
        return queries.list_coupons(now=utc_now(), **which)

    @blp.requires("coupons:write")
    @blp.arguments(schemas.CouponIn, example=schemas.COUPON)
    @blp.answers(201, schemas.CouponSchema, location=lambda row: url_for("coupons.Coupon", coupon_id=row.id), etag=True)
    @blp.alt_response(409, description="Another coupon has the code, perhaps one that was deleted; the answer names it")
    def post(self, sent: dict[str, Any]) -> Any:
        """Make a coupon."""
        return services.create_coupon(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/coupons/<int:coupon_id>")
class Coupon(MethodView):
    """One coupon."""

    @blp.requires("coupons:read")
    @blp.answers(200, schemas.CouponSchema, etag=True)
    def get(self, coupon_id: int) -> Any:
        """Get a coupon. Its version counts what staff change, not how often it was used."""
        return queries.get_coupon(coupon_id, now=utc_now())

    @blp.requires("coupons:write")
    @blp.arguments(schemas.CouponChange, example={"max_uses": 500, "is_active": True})
    @blp.answers(200, schemas.CouponSchema, etag=True)
    @blp.alt_response(409, description="It was used more often than max_uses would allow")
    @blp.alt_response(412, description="The coupon has changed since")
    def patch(self, sent: dict[str, Any], coupon_id: int) -> Any:
        """Change a coupon; orders that use it keep what they got. A percentage takes the place of an amount."""
        return services.update_coupon(
            actor=current_principal(), now=utc_now(), coupon_id=coupon_id, expected_version=if_match(), **sent
        )

    @blp.requires("coupons:write")
    @blp.answers(204)
    @blp.alt_response(412, description="The coupon has changed since")
    def delete(self, coupon_id: int) -> None:
        """Delete a coupon: nobody can use it any more; If-Match names its version."""
        services.delete_coupon(
            actor=current_principal(), now=utc_now(), coupon_id=coupon_id, expected_version=if_match()
        )


@blp.route("/coupons/<int:coupon_id>/restore")
class CouponRestoration(MethodView):
    """Bringing a coupon back."""

    @blp.requires("coupons:write")
    @blp.answers(200, schemas.CouponSchema, etag=True)
    @blp.alt_response(409, description="The coupon is not deleted")
    def post(self, coupon_id: int) -> Any:
        """Bring a deleted coupon back as it was, with its uses."""
        return services.restore_coupon(actor=current_principal(), now=utc_now(), coupon_id=coupon_id)


@blp.route("/coupons/<int:coupon_id>/uses")
class CouponUses(MethodView):
    """What a coupon was used for."""

    @blp.requires("coupons:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.CouponUsePage)
    def get(self, page: dict[str, Any], coupon_id: int) -> Any:
        """List the orders that use a coupon, the newest first, also of one that was deleted."""
        return queries.list_uses(coupon_id, **page)
