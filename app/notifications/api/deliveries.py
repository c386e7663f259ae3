"""The API of deliveries: what became of telling a webhook of events."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal
from app.core.orm import utc_now
from app.notifications.queries import deliveries as queries
from app.notifications.schemas.webhooks import DeliveryArguments, DeliveryPage, WholeDeliverySchema
from app.notifications.services import redelivery

blp = ApiBlueprint("deliveries", __name__, description="Events on their way to webhooks, kept for 30 days")


@blp.route("/webhooks/<int:webhook_id>/deliveries")
class Deliveries(MethodView):
    """What one webhook was told of."""

    @blp.requires("webhooks:read")
    @blp.arguments(DeliveryArguments, location="query")
    @blp.answers(200, DeliveryPage)
    def get(self, which: dict[str, Any], webhook_id: int) -> Any:
        """List the deliveries of a webhook, newest event first."""
        return queries.list_deliveries(webhook_id, **which)


@blp.route("/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>")
class DeliveryById(MethodView):
    """One event's way to one webhook."""

    @blp.requires("webhooks:read")
    @blp.answers(200, WholeDeliverySchema)
    def get(self, webhook_id: int, delivery_id: int) -> Any:
        """Get a delivery with what is sent."""
        return queries.get_delivery(webhook_id, delivery_id)


@blp.route("/webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/redeliver")
class Redelivery(MethodView):
    """One event once more."""

    @blp.requires("webhooks:write")
    @blp.answers(
        202,
        WholeDeliverySchema,
        location=lambda sent: url_for("deliveries.DeliveryById", webhook_id=sent.webhook_id, delivery_id=sent.id),
    )
    @blp.alt_response(409, description="It is about to be sent")
    def post(self, webhook_id: int, delivery_id: int) -> Any:
        """Send an event once more, with its id and payload; an inactive webhook gets it once."""
        return redelivery.redeliver(
            actor=current_principal(), now=utc_now(), webhook_id=webhook_id, delivery_id=delivery_id
        )
