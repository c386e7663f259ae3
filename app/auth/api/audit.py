"""The audit log's API. There is no way to change it."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.auth.queries import audit as queries
from app.auth.schemas.audit import AuditArguments, AuditEventPage, AuditEventSchema
from app.core.api import ApiBlueprint

blp = ApiBlueprint("audit", __name__, description="The audit log: who did what, append-only")


@blp.route("/audit-events")
class AuditEvents(MethodView):
    """The log."""

    @blp.requires("audit:read")
    @blp.arguments(AuditArguments, location="query")
    @blp.answers(200, AuditEventPage)
    def get(self, which: dict[str, Any]) -> Any:
        """Search the audit log; newest first."""
        return queries.list_audit_events(**which)


@blp.route("/audit-events/<int:event_id>")
class AuditEvent(MethodView):
    """One deed."""

    @blp.requires("audit:read")
    @blp.answers(200, AuditEventSchema)
    def get(self, event_id: int) -> Any:
        """Get one event of the audit log."""
        return queries.get_audit_event(event_id)
