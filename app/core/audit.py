"""The audit trail: who did what to which record, with the values before and after.

Append-only: sessions refuse to change or delete its rows. It keeps people's numbers, never what they are called or how
to reach them, so that erasing a person need not touch it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import JSON, Index, insert
from sqlalchemy.orm import Mapped, mapped_column

from app.core.append_only import append_only
from app.core.orm import Attributed, Base, BigId, Instant, PrimaryKey, key_text, table_of, utc_now
from app.core.permissions import Principal
from app.core.transactions import connection, in_transaction


@append_only
class AuditEvent(Attributed, Base):
    """One deed."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_subject", "subject_kind", "subject_id", "at", "id"),
        Index("ix_audit_event_actor", "actor_kind", "actor_id", "at", "id"),
        Index("ix_audit_event_action", "action", "at", "id"),
        Index("ix_audit_event_topic", "topic", "at", "id"),
        Index("ix_audit_event_address", "address", "at", "id"),
        Index("ix_audit_event_request", "request_id", "at", "id"),
        Index("ix_audit_event_at", "at", "id"),
    )

    id: Mapped[PrimaryKey]
    at: Mapped[Instant] = mapped_column(default=utc_now)
    action: Mapped[str] = mapped_column(key_text(64))
    """``thing.verb``"""
    topic: Mapped[str] = mapped_column(key_text(32))
    """The thing alone, so that all that is done to its kind is found by an index."""
    subject_kind: Mapped[str] = mapped_column(key_text(32))
    subject_id: Mapped[int | None] = mapped_column(BigId)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    address: Mapped[str | None] = mapped_column(key_text(45))


_INSERT: Final = insert(table_of(AuditEvent))


def record(
    *,
    actor: Principal,
    action: str,
    subject: tuple[str, int | None],
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add a row to the audit trail in the open transaction; ``subject`` is (kind, id), secrets never go in."""
    kind, identifier = subject
    values = {
        "action": action,
        "topic": action.partition(".")[0],
        "subject_kind": kind,
        "subject_id": identifier,
        "before": before,
        "after": after,
        "address": actor.address,
        **actor.attribution(),
    }
    connection().execute(_INSERT, values)


@in_transaction
def record_refusal(*, actor: Principal, method: str, path: str, reason: str) -> None:
    """Note that somebody tried to change what they may not; ``path`` is the route's pattern or its address."""
    record(
        actor=actor,
        action="access.refused",
        subject=("route", None),
        after={"method": method, "path": path[:500], "reason": reason[:500]},
    )
