"""Why something about webhooks is refused."""

from __future__ import annotations

from app.core.errors import Conflict, NotFound, StaleVersion


class WebhookNotFound(NotFound):
    """No webhook has this id."""

    code = "WEBHOOK_NOT_FOUND"


class WebhookStale(StaleVersion):
    """The webhook has changed since it was read."""

    code = "STALE_VERSION"


class TooManyWebhooks(Conflict):
    """There are as many webhooks as there may be."""

    code = "TOO_MANY_WEBHOOKS"


class DeliveryNotFound(NotFound):
    """This webhook has no delivery with this id, or it is past the time for which deliveries are kept."""

    code = "DELIVERY_NOT_FOUND"


class DeliveryPending(Conflict):
    """The delivery waits to be sent; it need not be asked for again."""

    code = "DELIVERY_PENDING"
