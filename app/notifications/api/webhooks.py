"""The API of webhooks."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.core.orm import utc_now
from app.core.running import settings
from app.notifications.queries import webhooks as queries
from app.notifications.schemas.webhooks import (
    SecretSchema,
    WebhookChange,
    WebhookIn,
    WebhookPage,
    WebhookSchema,
    WholeDeliverySchema,
)
from app.notifications.services import redelivery
from app.notifications.services import webhooks as services

blp = ApiBlueprint("webhooks", __name__, description="Servers that are told what happens here")


@blp.route("/webhooks")
class Webhooks(MethodView):
    """All webhooks."""

    @blp.requires("webhooks:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, WebhookPage)
    def get(self, page: dict[str, Any]) -> Any:
        """List webhooks, oldest first."""
        return queries.list_webhooks(**page)

    @blp.requires("webhooks:write", fresh=True)
    @blp.arguments(WebhookIn)
    @blp.answers(
        201,
        SecretSchema,
        location=lambda made: url_for("webhooks.WebhookById", webhook_id=made.webhook.id),
        etag=True,
        secret=True,
    )
    @blp.alt_response(409, description="There are 50 webhooks")
    def post(self, sent: dict[str, Any]) -> Any:
        """Add a webhook, which is told of what happens from now on; its secret is in this answer and nowhere else."""
        return services.create_webhook(
            actor=current_principal(), now=utc_now(), private=settings().private_targets, **sent
        )


@blp.route("/webhooks/<int:webhook_id>")
class WebhookById(MethodView):
    """One webhook."""

    @blp.requires("webhooks:read")
    @blp.answers(200, WebhookSchema, etag=True)
    def get(self, webhook_id: int) -> Any:
        """Get a webhook; failures and pauses change without a new version."""
        return queries.get_webhook(webhook_id)

    @blp.requires("webhooks:write", fresh=True)
    @blp.arguments(WebhookChange)
    @blp.answers(200, WebhookSchema, etag=True)
    @blp.alt_response(412, description="The webhook has changed since")
    def patch(self, sent: dict[str, Any], webhook_id: int) -> Any:
        """Change a webhook; another address, or switching it on again, forgets its failures."""
        return services.update_webhook(
            actor=current_principal(),
            now=utc_now(),
            webhook_id=webhook_id,
            expected_version=if_match(),
            private=settings().private_targets,
            **sent,
        )

    @blp.requires("webhooks:write", fresh=True)
    @blp.answers(204)
    @blp.alt_response(412, description="The webhook has changed since")
    def delete(self, webhook_id: int) -> None:
        """Delete a webhook; what waits for it is not sent any more."""
        services.delete_webhook(actor=current_principal(), webhook_id=webhook_id, expected_version=if_match())


@blp.route("/webhooks/<int:webhook_id>/rotate-secret")
class WebhookSecret(MethodView):
    """The secret of a webhook."""

    @blp.requires("webhooks:write", fresh=True)
    @blp.answers(200, SecretSchema, etag=True, secret=True)
    def post(self, webhook_id: int) -> Any:
        """Give a webhook a new secret, which is in this answer and nowhere else.

        For 24 hours every request has two signatures: by the new secret and by the one before.
        """
        return services.rotate_secret(actor=current_principal(), now=utc_now(), webhook_id=webhook_id)


@blp.route("/webhooks/<int:webhook_id>/test")
class WebhookTest(MethodView):
    """The way to a webhook."""

    @blp.requires("webhooks:write")
    @blp.answers(
        202,
        WholeDeliverySchema,
        location=lambda sent: url_for("deliveries.DeliveryById", webhook_id=sent.webhook_id, delivery_id=sent.id),
    )
    def post(self, webhook_id: int) -> Any:
        """Send a test event, once and also while the webhook is inactive; the delivery tells what came of it."""
        return redelivery.send_test(actor=current_principal(), now=utc_now(), webhook_id=webhook_id)
