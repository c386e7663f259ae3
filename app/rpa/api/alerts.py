"""The API of alert rules and alerts."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView

from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.fields import PageArguments
from app.rpa.queries.alert_previews import Wish, preview_rule
from app.rpa.queries.alerts import count_unread, get_alert, get_rule, list_alerts, list_rules
from app.rpa.schemas.alerts import (
    RULE_IN,
    WISH_IN,
    AlertArguments,
    AlertPage,
    AlertPreviewSchema,
    AlertRuleIn,
    AlertRulePage,
    AlertRuleSchema,
    AlertSchema,
    AlertsReadIn,
    AlertsReadSchema,
    AlertUnreadSchema,
    AlertWishIn,
)
from app.rpa.services import alerts

blp = ApiBlueprint("alerts", __name__, description="What operators are told of, and by which rules")


@blp.route("/alert-rules")
class AlertRules(MethodView):
    """All rules."""

    @blp.requires("storefronts:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, AlertRulePage)
    def get(self, which: dict[str, Any]) -> Any:
        """List alert rules in the order they were made."""
        return list_rules(**which)

    @blp.requires("storefronts:write")
    @blp.arguments(AlertRuleIn, example=RULE_IN)
    @blp.answers(201, AlertRuleSchema, location=lambda row: url_for("alerts.AlertRule", rule_id=row.id), etag=True)
    @blp.alt_response(409, description="There are as many rules as there may be")
    def post(self, sent: dict[str, Any]) -> Any:
        """Make an alert rule, which is looked at once a minute from now on."""
        return alerts.create_rule(actor=current_principal(), **sent)


@blp.route("/alert-rules/<int:rule_id>")
class AlertRule(MethodView):
    """One rule."""

    @blp.requires("storefronts:read")
    @blp.answers(200, AlertRuleSchema, etag=True)
    def get(self, rule_id: int) -> Any:
        """Get an alert rule."""
        return get_rule(rule_id)

    @blp.requires("storefronts:write")
    @blp.arguments(AlertRuleIn, example=RULE_IN)
    @blp.answers(200, AlertRuleSchema, etag=True)
    def put(self, sent: dict[str, Any], rule_id: int) -> Any:
        """Replace an alert rule; what it has told is over then. If-Match names the version it is based on."""
        return alerts.update_rule(actor=current_principal(), rule_id=rule_id, expected_version=if_match(), **sent)

    @blp.requires("storefronts:write")
    @blp.answers(204)
    def delete(self, rule_id: int) -> Any:
        """Delete an alert rule and what it told. If-Match names its version."""
        alerts.delete_rule(actor=current_principal(), rule_id=rule_id, expected_version=if_match())


@blp.route("/alert-rules/<int:rule_id>/pause")
class AlertRulePause(MethodView):
    """Stopping for a while."""

    @blp.requires("storefronts:write")
    @blp.answers(200, AlertRuleSchema, etag=True)
    def post(self, rule_id: int) -> Any:
        """Pause an alert rule; what it has told is over then. Asking again changes nothing."""
        return alerts.set_active(actor=current_principal(), rule_id=rule_id, is_active=False)


@blp.route("/alert-rules/<int:rule_id>/resume")
class AlertRuleResume(MethodView):
    """Going on."""

    @blp.requires("storefronts:write")
    @blp.answers(200, AlertRuleSchema, etag=True)
    def post(self, rule_id: int) -> Any:
        """Let a paused alert rule look again from now on. Asking again changes nothing."""
        return alerts.set_active(actor=current_principal(), rule_id=rule_id, is_active=True)


@blp.route("/alert-rules/preview")
class AlertRulePreview(MethodView):
    """What there would have been."""

    @blp.requires("storefronts:read")
    @blp.arguments(AlertWishIn, example=WISH_IN)
    @blp.answers(200, AlertPreviewSchema)
    def post(self, sent: dict[str, Any]) -> Any:
        """Show what a rule on prices or availability would have told of the last seven days; nothing is kept of it."""
        return preview_rule(Wish(**sent))


@blp.route("/alerts")
class Alerts(MethodView):
    """All alerts."""

    @blp.requires("storefronts:read")
    @blp.arguments(AlertArguments, location="query")
    @blp.answers(200, AlertPage)
    def get(self, which: dict[str, Any]) -> Any:
        """List alerts, the newest first, without those that were put away."""
        return list_alerts(**which)


@blp.route("/alerts/unread")
class AlertsUnread(MethodView):
    """What nobody has read."""

    @blp.requires("storefronts:read")
    @blp.answers(200, AlertUnreadSchema)
    def get(self) -> Any:
        """Count the alerts that nobody has read or put away, up to 1,000."""
        return count_unread()


@blp.route("/alerts/read")
class AlertsRead(MethodView):
    """Having seen them all."""

    @blp.requires("storefronts:write")
    @blp.arguments(AlertsReadIn, example={"up_to_id": 12})
    @blp.answers(200, AlertsReadSchema)
    def post(self, sent: dict[str, Any]) -> Any:
        """Say that the alerts up to one were read, the newest 1,000 first; later ones stay unread."""
        return alerts.mark_read(actor=current_principal(), **sent)


@blp.route("/alerts/<int:alert_id>")
class Alert(MethodView):
    """One alert."""

    @blp.requires("storefronts:read")
    @blp.answers(200, AlertSchema)
    def get(self, alert_id: int) -> Any:
        """Get an alert."""
        return get_alert(alert_id)


@blp.route("/alerts/<int:alert_id>/read")
class AlertRead(MethodView):
    """Having seen it."""

    @blp.requires("storefronts:write")
    @blp.answers(200, AlertSchema)
    def post(self, alert_id: int) -> Any:
        """Say that an alert was read; asking again changes nothing."""
        return alerts.mark_alert(actor=current_principal(), alert_id=alert_id, dismiss=False)


@blp.route("/alerts/<int:alert_id>/dismiss")
class AlertDismiss(MethodView):
    """Putting it away."""

    @blp.requires("storefronts:write")
    @blp.answers(200, AlertSchema)
    def post(self, alert_id: int) -> Any:
        """Put an alert away; what it tells is told again only when it has ended and begins anew."""
        return alerts.mark_alert(actor=current_principal(), alert_id=alert_id, dismiss=True)
