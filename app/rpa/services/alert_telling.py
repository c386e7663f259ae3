"""Writing what rules tell: the only place that makes and ends alerts, in the transaction that looks at a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.core import events
from app.core.extensions import db
from app.core.transactions import after_commit
from app.rpa import metrics
from app.rpa.events import AlertFired
from app.rpa.models.alerts import Alert, AlertRule, Rhythm
from app.rpa.rules.alerting import Effect, Step, effect


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about."""

    name: str
    asin: str | None = None
    storefront: str | None = None
    job_id: int | None = None
    task_id: int | None = None


def take(
    rule: AlertRule, subject: Subject, step: Step, detail: str, now: datetime, *, once: str = "", is_flapping: bool
) -> int:
    """What one step makes of a rule: the number of new alerts. ``once`` names what has no end."""
    holding = holding_alert(rule, subject.name) if step in (Step.FIRE, Step.END) else None
    what = effect(step, holds=holding is not None, is_flapping=is_flapping)
    if what is Effect.END and holding is not None:
        end(holding, now)
    if what is Effect.BEGIN:
        return tell(rule, subject, subject.name, detail, now)
    return tell(rule, subject, once, detail, now, has_ended=True) if what is Effect.TELL else 0


def settle(rule: AlertRule, holds: Mapping[str, tuple[Subject, str]], now: datetime) -> int:
    """Tell conditions that began to hold, and end those that do not hold any more; returns how many are new."""
    holding = select(Alert).where(Alert.rule_id == rule.id, Alert.ended_at.is_(None))
    told = {alert.subject: alert for alert in db.session.scalars(holding)}
    for name in told.keys() - holds.keys():
        end(told[name], now)
    new = [each for name, each in holds.items() if name not in told]
    return sum(tell(rule, subject, subject.name, detail, now) for subject, detail in new)


def holding_alert(rule: AlertRule, once: str) -> Alert | None:
    """The alert of a condition that still holds, or of what was told and is not told again."""
    return db.session.scalar(select(Alert).where(Alert.key == f"{rule.id}:{once}"))


def end(alert: Alert, now: datetime) -> None:
    """Say that a condition does not hold any more, so that its next beginning is told."""
    alert.key, alert.ended_at = None, now
    db.session.flush()


def tell(rule: AlertRule, subject: Subject, once: str, detail: str, now: datetime, *, has_ended: bool = False) -> int:
    """Write an alert, of which with this ``once`` there is one, and tell webhooks where the rule says so."""
    row = Alert(
        rule_id=rule.id, subject=subject.name, key=f"{rule.id}:{once}", detail=detail[:500], asin=subject.asin,
        storefront=subject.storefront, job_id=subject.job_id, task_id=subject.task_id, fired_at=now,
        ended_at=now if has_ended else None, mail=None if rule.mail == Rhythm.NEVER else rule.mail,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    after_commit(metrics.ALERTS.labels(rule.kind).inc)
    if rule.tells_webhooks:
        events.publish(
            AlertFired(
                alert_id=row.id, rule_id=rule.id, rule=rule.name, kind=rule.kind, subject=row.subject,
                detail=row.detail, asin=row.asin, storefront=row.storefront, job_id=row.job_id, task_id=row.task_id,
                at=now,
            )
        )  # fmt: skip
    return 1
