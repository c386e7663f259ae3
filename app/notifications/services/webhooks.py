"""Creating, changing and deleting webhooks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from app.core import audit
from app.core.errors import AddressRefused, FieldError
from app.core.extensions import db
from app.core.outgoing import check_url
from app.core.permissions import Principal
from app.core.resolving import Target
from app.core.transactions import in_transaction
from app.core.vault import UnreadableSecret
from app.notifications.errors import TooManyWebhooks, WebhookNotFound, WebhookStale
from app.notifications.kinds import check_kinds
from app.notifications.models import Webhook
from app.notifications.queries.webhooks import MAX_WEBHOOKS, count_webhooks
from app.notifications.services.signing import new_secret

OLD_SECRET: Final = timedelta(hours=24)
"""For how long the secret before signs as well."""

_CHANGEABLE: Final = ("name", "url", "kinds", "is_active")


@dataclass(frozen=True, slots=True)
class Secret:
    """A webhook with the secret that was just made for it, which is shown now and never again."""

    webhook: Webhook
    secret: str = field(repr=False)

    @property
    def version(self) -> int:
        """The webhook's version."""
        return self.webhook.version


@in_transaction
def create_webhook(
    *,
    actor: Principal,
    now: datetime,
    name: str,
    url: str,
    kinds: Sequence[str],
    private: frozenset[Target],
    is_active: bool = True,
) -> Secret:
    """Add a webhook; it is told of what happens from now on. ``private`` are the targets that need not be public.

    Raises AddressRefused, Invalid for unknown kinds, TooManyWebhooks beyond 50.
    """
    session = db.session()
    # two at once count one after the other; where there is none yet, there are not too many
    session.execute(select(Webhook.id).order_by(Webhook.id).limit(1).with_for_update())
    if count_webhooks() >= MAX_WEBHOOKS:
        raise TooManyWebhooks(f"There are {MAX_WEBHOOKS} webhooks, which is as many as there may be.")
    row = Webhook(
        name=name, url=_checked(url, private), kinds=check_kinds(kinds), is_active=is_active, secret=new_secret(),
        failures=0, version=1, created_at=now, updated_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(actor=actor, action="webhook.create", subject=("webhook", row.id), after=_audited(row))
    return Secret(row, row.secret)


@in_transaction
def update_webhook(
    *,
    actor: Principal,
    now: datetime,
    webhook_id: int,
    expected_version: int,
    private: frozenset[Target],
    **changes: Any,
) -> Webhook:
    """Change some of ``name``, ``url``, ``kinds`` and ``is_active``; what is left out stays.

    Another address, or switching it on again, forgets failures and pauses, and what waits is sent. Raises
    WebhookNotFound, WebhookStale, AddressRefused, Invalid.
    """
    row = _locked(webhook_id, expected_version)
    before = _audited(row)
    was = row.url, row.is_active
    if "url" in changes:
        changes["url"] = _checked(changes["url"], private)
    if "kinds" in changes:
        changes["kinds"] = check_kinds(changes["kinds"])
    for name in _CHANGEABLE:
        setattr(row, name, changes.get(name, getattr(row, name)))
    if (row.url, row.is_active) != was:
        row.failures, row.paused_until = 0, None
    if row.is_active or "is_active" in changes:
        row.disabled_reason = None
    _change(row, now)
    audit.record(actor=actor, action="webhook.update", subject=("webhook", row.id), before=before, after=_audited(row))
    return row


@in_transaction
def rotate_secret(*, actor: Principal, now: datetime, webhook_id: int) -> Secret:
    """Give a webhook a new secret; the present one signs as well for 24 hours. Raises WebhookNotFound."""
    row = _locked(webhook_id)
    row.old_secret, row.old_secret_until, row.secret = _present_secret(row), now + OLD_SECRET, new_secret()
    _change(row, now)
    after = {"old_secret_until": row.old_secret_until.isoformat()}
    audit.record(actor=actor, action="webhook.rotate_secret", subject=("webhook", row.id), after=after)
    return Secret(row, row.secret)


@in_transaction
def delete_webhook(*, actor: Principal, webhook_id: int, expected_version: int) -> None:
    """Delete a webhook; nothing is sent to it any more, and its deliveries go when they are old.

    Raises WebhookNotFound or WebhookStale.
    """
    row = _locked(webhook_id, expected_version)
    audit.record(actor=actor, action="webhook.delete", subject=("webhook", row.id), before=_audited(row))
    db.session.delete(row)


def _locked(webhook_id: int, expected_version: int | None = None) -> Webhook:
    row = db.session.scalar(select(Webhook).where(Webhook.id == webhook_id).with_for_update())
    if row is None:
        raise WebhookNotFound(f"There is no webhook {webhook_id}.")
    if expected_version is not None and row.version != expected_version:
        raise WebhookStale(f"The webhook is at version {row.version}, not {expected_version}; read it again.")
    return row


def _change(row: Webhook, now: datetime) -> None:
    """Make a new version, and let whoever sends read it before anything else is sent."""
    row.version, row.updated_at = row.version + 1, now
    row.lease_token = row.leased_until = None


def _present_secret(row: Webhook) -> str | None:
    try:
        return row.secret
    except UnreadableSecret:  # a new one is the way out
        return None


def _checked(url: str, private: frozenset[Target]) -> str:
    try:
        check_url(url, private=private)
    except AddressRefused as refusal:
        raise AddressRefused(f"The address cannot be used: {refusal.detail}", errors=_at_url(refusal)) from None
    return url


def _at_url(refusal: AddressRefused) -> tuple[FieldError]:
    return (FieldError("/url", refusal.detail),)


def _audited(row: Webhook) -> dict[str, Any]:
    """Without the address, whose path is a secret at some receivers: its server, and a mark that tells a change."""
    scheme, _, rest = row.url.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    mark = hashlib.sha256(row.url.encode()).hexdigest()[:12]
    return {"name": row.name, "target": f"{scheme}://{host} #{mark}", "kinds": row.kinds, "is_active": row.is_active,
            "version": row.version}  # fmt: skip
