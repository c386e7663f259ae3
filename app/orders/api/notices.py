"""Webhooks of payment providers: what they tell us is stored, and nothing of it believed until they are asked."""

from __future__ import annotations

from typing import Final

from flask import request
from flask.views import MethodView
from werkzeug.exceptions import RequestEntityTooLarge

from app.core.api import ApiBlueprint
from app.core.extensions import limiter
from app.core.orm import utc_now
from app.orders.services.notices import receive

MAX_BODY: Final = 256 * 1024
"""Bytes of a notice; Stripe's about payments are a few thousand."""

blp = ApiBlueprint("provider_notices", __name__, description="What payment providers tell us")
limiter.exempt(blp)
# A provider sends as many as there are payments, from few addresses; refusing what it did not send costs a hash.


@blp.route("/payments/<provider>/webhook")
class ProviderWebhook(MethodView):
    """Where a provider sends its notices."""

    @blp.public
    @blp.response(200)
    @blp.alt_response(400, description="It does not come from the provider, is too old, or cannot be read")
    @blp.alt_response(413, description="It is larger than 256 KiB")
    def post(self, provider: str) -> dict[str, str]:
        """Take a notice of a payment provider, signed by it; the same one again changes nothing."""
        if (request.content_length or 0) > MAX_BODY or len(request.get_data()) > MAX_BODY:
            raise RequestEntityTooLarge
        receive(name=provider, body=request.get_data(), headers=dict(request.headers), now=utc_now())
        return {}
