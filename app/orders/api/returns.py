"""The API of returns, for staff: what came back, what of it can be sold again, and what money goes back."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.orders.queries import shipments as queries
from app.orders.queries.owning import find_order
from app.orders.schemas.returns import ReturnIn, ReturnPage, ReturnSchema
from app.orders.services.returns import take_back

blp = ApiBlueprint("returns", __name__, description="Goods that came back")


@blp.route("/admin/orders/<number>/returns")
class Returns(MethodView):
    """What came back of an order."""

    @blp.requires("orders:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, ReturnPage)
    def get(self, page: dict[str, Any], number: str) -> Any:
        """List what came back of an order, newest first."""
        return queries.list_returns(find_order(number), **page)

    @blp.versioned
    @blp.requires("orders:write")
    @blp.arguments(ReturnIn)
    @blp.answers(
        201,
        ReturnSchema,
        location=lambda made: url_for("returns.ReturnById", number=made.order.number, return_id=made.returned.id),
    )
    @blp.alt_response(409, description="So many are not outside, or are not worth so much; the facts say how many")
    @blp.alt_response(412, description="The order has changed since: somebody else may have taken it back")
    def post(self, sent: dict[str, Any], number: str) -> Any:
        """Take goods back: what can be sold again is on the shelves at once, and money goes back where that is said.

        If-Match is the order's version; it is another one afterwards (`order.version` of the answer), so that a second
        click takes nothing back. Of an order that is not paid yet, what came back need not be paid any more. A refund
        of which nothing is left is refused; without one the goods are taken back.
        """
        actor = current_principal()
        if sent["refund"] is not None:
            actor.require("refunds:write")
        which: dict[str, Any] = {"order_id": find_order(number), "expected_version": if_match()}
        return take_back(actor=actor, now=utc_now(), **which, **sent)


@blp.route("/admin/orders/<number>/returns/<int:return_id>")
class ReturnById(MethodView):
    """One return."""

    @blp.requires("orders:read")
    @blp.answers(200, ReturnSchema)
    def get(self, number: str, return_id: int) -> Any:
        """Get a return, and how far its refund is."""
        return queries.get_return(find_order(number), return_id)
