"""Payments and refunds of all orders, for staff, and what providers told us of them."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.orders.queries import payments as queries
from app.orders.queries.owning import find_order
from app.orders.queries.payments import RefundRecord
from app.orders.schemas import payments as schemas
from app.orders.services.recording import record_payment
from app.orders.services.refunds import refund, retry

blp = ApiBlueprint("payments_desk", __name__, description="Payments and refunds, for staff")


def _location(made: RefundRecord) -> str:
    return url_for("payments_desk.DeskRefund", number=made.order.number, refund_id=made.id)


@blp.route("/admin/orders/<number>/payments")
class DeskPayments(MethodView):
    """The payments of an order."""

    @blp.requires("orders:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.PaymentPage)
    def get(self, page: dict[str, Any], number: str) -> Any:
        """List the payments of an order, newest first: each attempt to pay it is one."""
        return queries.list_payments(find_order(number), **page)

    @blp.versioned
    @blp.requires("orders:write")
    @blp.arguments(schemas.PaymentIn)
    @blp.answers(200, schemas.PaymentSchema)
    @blp.alt_response(409, description="Nothing is to be paid, or another amount; the facts say what")
    @blp.alt_response(412, description="The order has changed since: somebody else may have recorded it")
    def post(self, sent: dict[str, Any], number: str) -> Any:
        """Record that an invoice was paid, or the cash handed over: all that is due, in one sum.

        If-Match is the order's version; it is another one afterwards (`order.version` of the answer), so that a second
        click records nothing.
        """
        which: dict[str, Any] = {"order_id": find_order(number), "expected_version": if_match()}
        return record_payment(actor=current_principal(), now=utc_now(), **which, **sent)


@blp.route("/admin/orders/<number>/refunds")
class DeskRefunds(MethodView):
    """The refunds of an order."""

    @blp.requires("orders:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, schemas.RefundPage)
    def get(self, page: dict[str, Any], number: str) -> Any:
        """List the refunds of an order, newest first."""
        return queries.list_refunds(find_order(number), **page)

    @blp.versioned
    @blp.requires("refunds:write")
    @blp.arguments(schemas.RefundIn)
    @blp.answers(201, schemas.WholeRefundSchema, location=_location)
    @blp.alt_response(409, description="More than was paid and is left; the facts say how much that is")
    @blp.alt_response(412, description="The order has changed since: somebody else may have given money back")
    def post(self, sent: dict[str, Any], number: str) -> Any:
        """Give money back while the goods stay: an amount, or all that is left.

        If-Match is the order's version; it is another one afterwards (`order.version` of the answer), so that a second
        click gives nothing back. The money is set aside at once and given back in the background, and that is a version
        of the order again.
        """
        which: dict[str, Any] = {"order_id": find_order(number), "expected_version": if_match()}
        return refund(actor=current_principal(), now=utc_now(), **which, **sent)


@blp.route("/admin/orders/<number>/refunds/<int:refund_id>")
class DeskRefund(MethodView):
    """One refund."""

    @blp.requires("orders:read")
    @blp.answers(200, schemas.WholeRefundSchema)
    def get(self, number: str, refund_id: int) -> Any:
        """Get a refund of an order."""
        return queries.get_refund(find_order(number), refund_id)


@blp.route("/admin/orders/<number>/refunds/<int:refund_id>/retry")
class DeskRefundRetry(MethodView):
    """Another attempt at a refund that failed."""

    @blp.requires("refunds:write")
    @blp.arguments(schemas.RetryIn)
    @blp.answers(201, schemas.WholeRefundSchema, location=_location)
    @blp.alt_response(409, description="It has not failed, or another one has taken its place already")
    def post(self, sent: dict[str, Any], number: str, refund_id: int) -> Any:
        """Try a refund again that failed, or say that you have paid it back yourself: a new one takes its place."""
        which: dict[str, Any] = {"order_id": find_order(number), "refund_id": refund_id, **sent}
        return retry(actor=current_principal(), now=utc_now(), **which)


@blp.route("/admin/provider-events")
class ProviderEvents(MethodView):
    """What providers told us."""

    @blp.requires("orders:read")
    @blp.arguments(schemas.ProviderEventArguments, location="query")
    @blp.answers(200, schemas.ProviderEventPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List what payment providers told us by webhook in the last 90 days, newest first."""
        return queries.list_events(**which)


@blp.route("/admin/provider-events/<int:event_id>")
class ProviderEventById(MethodView):
    """One of these notices."""

    @blp.requires("orders:read")
    @blp.answers(200, schemas.WholeProviderEventSchema)
    def get(self, event_id: int) -> Any:
        """Get a notice with what it said, without secrets and without what it says of people."""
        return queries.get_event(event_id)
