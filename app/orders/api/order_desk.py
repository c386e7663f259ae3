"""All orders, for staff: search, make, change, write something down."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match, unless_known
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.operations.api.files import download
from app.operations.files.table import CSV
from app.operations.files.writing import writer_for, written
from app.orders.queries import orders as queries
from app.orders.queries.orders_export import COLUMNS, order_rows
from app.orders.queries.orders_listing import list_orders
from app.orders.queries.orders_timeline import list_events
from app.orders.queries.owning import find_order
from app.orders.schemas import orders_deeds as deeds
from app.orders.schemas import orders_desk as schemas
from app.orders.schemas.checkout import CheckedOutSchema
from app.orders.schemas.orders_search import OrderArguments, OrderExportArguments
from app.orders.services.cancelling import cancel_order
from app.orders.services.checkout.wanted import CheckedOut
from app.orders.services.creating import create_order
from app.orders.services.editing import change_order
from app.orders.services.notes import add_note

blp = ApiBlueprint("order_desk", __name__, description="Orders of all customers, for staff")


_FILE = {"description": "The file", "content": {"text/csv": {}}}


def _location(made: CheckedOut) -> str:
    return url_for("order_desk.DeskOrder", number=made.order.number)


@blp.route("/admin/orders")
class DeskOrders(MethodView):
    """All orders."""

    @blp.requires("orders:read")
    @blp.arguments(OrderArguments, location="query")
    @blp.answers(200, schemas.DeskOrderPage)
    def get(self, which: dict[str, Any]) -> Any:
        """Search the orders of all customers: those that fit every filter, in the order asked for."""
        return list_orders(**which)

    @blp.requires("orders:write")
    @blp.arguments(deeds.OrderIn, example=deeds.ORDER)
    @blp.answers(201, CheckedOutSchema, location=_location, etag=True)
    @blp.alt_response(409, description="It cannot be ordered (so); the code and the facts say why")
    def post(self, sent: dict[str, Any]) -> Any:
        """Place an order for a customer, on invoice or for cash; it costs what a checkout would."""
        return create_order(actor=current_principal(), now=utc_now(), **sent)


@blp.route("/admin/orders/export")
class DeskOrderExport(MethodView):
    """The list of all orders as a file."""

    @blp.requires("orders:read")
    @blp.arguments(OrderExportArguments, location="query")
    @blp.doc(responses={"200": _FILE})
    def get(self, which: dict[str, Any]) -> Any:
        """Download the orders that fit every filter as CSV, while they are read.

        Each is as it was when its turn came. Cells that a spreadsheet would run as formulas begin with an apostrophe.
        """
        return download(written(writer_for(CSV, COLUMNS), order_rows(**which)), CSV, "orders")


@blp.route("/admin/orders/<number>")
class DeskOrder(MethodView):
    """One order."""

    @blp.requires("orders:read")
    @blp.answers(200, schemas.DeskOrderSchema, etag=True)
    @blp.alt_response(304, description="If-None-Match names the ETag that the order has", success=True)
    def get(self, number: str) -> Any:
        """Get an order with all that belongs to it."""
        head = unless_known(queries.read_head(find_order(number)))
        return head if isinstance(head, Response) else queries.with_parts(head)

    @blp.requires("orders:write")
    @blp.arguments(deeds.OrderChange, example={"email": "grace@example.org"})
    @blp.answers(200, schemas.DeskOrderSchema, etag=True)
    @blp.alt_response(409, description="It is not placed (any more), or something of it was shipped")
    @blp.alt_response(412, description="The order has changed since")
    def patch(self, sent: dict[str, Any], number: str) -> Any:
        """Change email, addresses or note of a placed order of which nothing was shipped; If-Match is its version."""
        which: dict[str, Any] = {"order_id": find_order(number), "expected_version": if_match()}
        return change_order(actor=current_principal(), now=utc_now(), **which, **sent)


@blp.route("/admin/orders/<number>/cancel")
class DeskOrderCancellation(MethodView):
    """Cancelling an order, or units of it."""

    @blp.versioned
    @blp.requires("orders:write")
    @blp.arguments(deeds.CancellationIn, example={"lines": [{"line_id": 412, "quantity": 1}], "reason": "Sold out"})
    @blp.answers(200, schemas.DeskOrderSchema, etag=True)
    @blp.alt_response(409, description="Nothing is left to cancel, or less than that; nothing was changed")
    @blp.alt_response(412, description="The order has changed since: somebody else may have cancelled it")
    @blp.alt_response(503, description="A payment is under way, and the provider does not say how it ends")
    def post(self, sent: dict[str, Any], number: str) -> Any:
        """Cancel what was not shipped of an order, or units of some lines; If-Match is its version.

        Their stock is free again, less is due, and what was paid for them goes back. Checkouts are cancelled whole.
        """
        which: dict[str, Any] = {"order_id": find_order(number), "expected_version": if_match()}
        units = {"units": sent["lines"], "reason": sent["reason"]}
        return cancel_order(actor=current_principal(), clock=utc_now, **which, **units)


@blp.route("/admin/orders/<number>/notes")
class OrderNotes(MethodView):
    """Notes about an order."""

    @blp.requires("orders:write")
    @blp.arguments(deeds.NoteIn)
    @blp.answers(201, schemas.DeskOrderSchema, etag=True)
    def post(self, sent: dict[str, Any], number: str) -> Any:
        """Write something down about an order: for staff, or with is_public for the customer as well."""
        return add_note(actor=current_principal(), now=utc_now(), order_id=find_order(number), **sent)


@blp.route("/admin/orders/<number>/events")
class DeskOrderEvents(MethodView):
    """What happened to an order."""

    @blp.requires("orders:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.EventPage)
    def get(self, page: dict[str, Any], number: str) -> Any:
        """List what happened to an order and who did it, the newest first."""
        return list_events(queries.read_head(find_order(number)).id, **page)
