"""Searching the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select

from app.auth.errors import AuditEventNotFound
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.pagination import Page, fetch_page

WITHOUT_NUMBER: Final = ("system", "guest")
"""Kinds of actors of which there is only one."""


def list_audit_events(
    *,
    limit: int,
    cursor: str | None = None,
    action: str | None = None,
    actor_kind: str | None = None,
    actor_id: int | None = None,
    subject_kind: str | None = None,
    subject_id: int | None = None,
    address: str | None = None,
    request_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[AuditEvent]:
    """Events that fit every filter given, newest first.

    ``action`` is a whole one, or with a dot at its end (``user.``) all of a kind; ``until`` is not among them. Indexes
    end in the order of the list, so that none of these filters makes a search read the whole log.
    """
    wanted = select(AuditEvent)
    if action is not None:
        topic, _, verb = action.partition(".")
        wanted = wanted.where(AuditEvent.action == action if verb else AuditEvent.topic == topic)
    equal = {
        AuditEvent.actor_kind: actor_kind,
        AuditEvent.actor_id: actor_id,
        AuditEvent.subject_kind: subject_kind,
        AuditEvent.subject_id: subject_id,
        AuditEvent.address: address,
        AuditEvent.request_id: request_id,
    }
    for column, value in equal.items():
        if value is not None:
            wanted = wanted.where(column == value)
    if actor_kind in WITHOUT_NUMBER:
        wanted = wanted.where(AuditEvent.actor_id.is_(None))
    if since is not None:
        wanted = wanted.where(AuditEvent.at >= since)
    if until is not None:
        wanted = wanted.where(AuditEvent.at < until)
    return fetch_page(wanted, keys=[(AuditEvent.at, True), (AuditEvent.id, True)], limit=limit, cursor=cursor)


def get_audit_event(event_id: int) -> AuditEvent:
    """One event; raises AuditEventNotFound."""
    event = db.session.get(AuditEvent, event_id)
    if event is None:
        raise AuditEventNotFound(f"There is no event {event_id} in the audit log.")
    return event
