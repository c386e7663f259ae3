"""What the link in a mail shows, for programs."""

from __future__ import annotations

from typing import Any, Final

from flask import request
from flask.views import MethodView

from app.core.api import ApiBlueprint
from app.core.orm import utc_now
from app.core.rates import limited
from app.orders.queries.links import linked_order
from app.orders.queries.orders import read_order
from app.orders.schemas.tracking import TrackedOrderSchema

HEADER: Final = "Order-Token"
blp = ApiBlueprint("tracking", __name__, description="Orders, by the links of mails")


@blp.route("/tracking")
class Tracking(MethodView):
    """The order of a link."""

    @blp.public
    @blp.takes_header(HEADER, "The last part of the address that the mail has", "kU2m9h9d3nWc6m0xkT9Aqw")
    @limited("tracking")
    @blp.answers(200, TrackedOrderSchema)
    @blp.alt_response(404, description="The token is missing, not whole, or has expired")
    def get(self) -> Any:
        """Get the order that a mail links to, with its parcels; nobody's name, address or email is in it."""
        return read_order(linked_order(request.headers.get(HEADER, "").strip(), now=utc_now()))
