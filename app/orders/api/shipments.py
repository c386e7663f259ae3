"""The API of shipments, for staff: what leaves, how it is followed, and that it has arrived."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.orders.models.orders import Order
from app.orders.queries import shipments as queries
from app.orders.queries.owning import find_order
from app.orders.queries.shipments import ShipmentRecord
from app.orders.schemas.shipments import OrderStateSchema, ShipmentIn, ShipmentPage, ShipmentSchema, TrackingIn
from app.orders.services import delivering, shipping
from app.orders.services.promises import allocate_again

blp = ApiBlueprint("shipments", __name__, description="What leaves, with whom, and whether it has arrived")


def _location(made: ShipmentRecord) -> str:
    return url_for("shipments.ShipmentById", number=made.order.number, shipment_id=made.shipment.id)


@blp.route("/admin/orders/<number>/shipments")
class Shipments(MethodView):
    """The shipments of an order."""

    @blp.requires("orders:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, ShipmentPage)
    def get(self, page: dict[str, Any], number: str) -> Any:
        """List the shipments of an order, newest first."""
        return queries.list_shipments(find_order(number), **page)

    @blp.versioned
    @blp.requires("orders:write")
    @blp.arguments(ShipmentIn)
    @blp.answers(201, ShipmentSchema, location=_location, etag=True)
    @blp.alt_response(409, description="It cannot be shipped (now); the code and the facts say why")
    @blp.alt_response(412, description="The order has changed since: somebody else may have shipped it")
    def post(self, sent: dict[str, Any], number: str) -> Any:
        """Ship what is left of an order, or some of it; the customer gets a mail.

        If-Match is the order's version; it is another one afterwards (`order.version` of the answer; its ETag is the
        shipment's), so that a second click ships nothing.
        """
        which: dict[str, Any] = {"order_id": find_order(number), "expected_version": if_match()}
        return shipping.ship(actor=current_principal(), now=utc_now(), **which, **sent)


@blp.route("/admin/orders/<number>/shipments/<int:shipment_id>")
class ShipmentById(MethodView):
    """One shipment."""

    @blp.requires("orders:read")
    @blp.answers(200, ShipmentSchema, etag=True)
    def get(self, number: str, shipment_id: int) -> Any:
        """Get a shipment."""
        return queries.get_shipment(find_order(number), shipment_id)

    @blp.requires("orders:write")
    @blp.arguments(TrackingIn)
    @blp.answers(200, ShipmentSchema, etag=True)
    @blp.alt_response(412, description="The shipment has changed since")
    def patch(self, sent: dict[str, Any], number: str, shipment_id: int) -> Any:
        """Change how a shipment is followed; If-Match is the shipment's version."""
        which = {"order_id": find_order(number), "shipment_id": shipment_id, "expected_version": if_match()}
        return shipping.change_tracking(actor=current_principal(), now=utc_now(), **which, **sent)


@blp.route("/admin/orders/<number>/shipments/<int:shipment_id>/deliver")
class ShipmentDelivery(MethodView):
    """The arrival of a shipment."""

    @blp.requires("orders:write")
    @blp.answers(200, ShipmentSchema, etag=True)
    def post(self, number: str, shipment_id: int) -> Any:
        """Note that a shipment has arrived; one that has already stays as it is."""
        which = {"order_id": find_order(number), "shipment_id": shipment_id}
        return delivering.deliver(actor=current_principal(), now=utc_now(), **which)


@blp.route("/admin/orders/<number>/deliver")
class OrderDelivery(MethodView):
    """The arrival of all shipments."""

    @blp.requires("orders:write")
    @blp.answers(200, OrderStateSchema, etag=True)
    @blp.alt_response(409, description="Nothing was shipped yet")
    def post(self, number: str) -> Order:
        """Note that all shipments of an order have arrived; those that have already stay as they are."""
        return delivering.deliver_all(actor=current_principal(), now=utc_now(), order_id=find_order(number))


@blp.route("/admin/orders/<number>/allocate")
class OrderPromise(MethodView):
    """The stock that an order was promised."""

    @blp.requires("orders:write")
    @blp.answers(200, OrderStateSchema, etag=True)
    @blp.alt_response(409, description="There is too little, or the order is not placed")
    def post(self, number: str) -> Order:
        """Promise an order the stock that a count took away from it; where nothing is missing, nothing changes."""
        return allocate_again(actor=current_principal(), now=utc_now(), order_id=find_order(number))
