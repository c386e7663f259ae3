"""Who gets what rules told by mail: within a minute, or as one mail of an hour or a day of the shop's time zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update

from app.auth import preferences
from app.auth.queries.access import Holder, list_holders
from app.core import mail, outbox
from app.core.days import beginning_of
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.running import settings
from app.core.transactions import in_transaction
from app.rpa.models.alerts import Alert, AlertRule, Rhythm

KIND: Final = "mail_alerts"
LISTED: Final = 50
"""Alerts that one mail tells; of the others it says how many they are."""
_MOST: Final = 200
"""People who get one mail."""
_MAY: Final = "storefronts:write"
_WORDS: Final = {Rhythm.AT_ONCE: "of the farm", Rhythm.HOURLY: "of the last hour", Rhythm.DAILY: "of the last day"}


def request_mails(*, now: datetime) -> int:
    """Ask for the mails that are due; returns how many. Called once a minute; safe to repeat and to run twice at once.

    However many alerts there are, each person gets one mail per rhythm; where there are none, none.
    """
    due = {Rhythm.AT_ONCE: now} | {
        each: began(each, now, settings().timezone) for each in (Rhythm.HOURLY, Rhythm.DAILY)
    }
    return sum(_request(rhythm=rhythm, before=before) for rhythm, before in due.items())


def began(rhythm: Rhythm, now: datetime, zone: ZoneInfo) -> datetime:
    """When the hour or the day began, in that time zone, which ``now`` is in: what was told before is due."""
    local = now.astimezone(zone)
    if rhythm is Rhythm.DAILY:
        return beginning_of(local.date(), zone)
    return now - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


@in_transaction
def _request(*, rhythm: Rhythm, before: datetime) -> int:
    """Make one mail of all alerts of a rhythm that are in none; who comes second finds none."""
    untold = (Alert.mail == rhythm, Alert.digest.is_(None), Alert.fired_at < before)
    digest = db.session.scalar(select(func.max(Alert.id)).where(*untold))
    if digest is None:
        return 0
    mine = update(Alert).where(*untold, Alert.id <= digest).values(digest=digest)
    count = count_changed(db.session(), mine)
    to = [holder for holder in list_holders(_MAY, limit=_MOST) if _wants(holder)] if count else []
    for holder in to:
        outbox.add(KIND, key=f"{KIND}:{digest}:{holder.user_id}", user_id=holder.user_id, digest=digest)
    return len(to)


def send_alerts(*, user_id: int, digest: int, now: datetime) -> None:
    """Send somebody the alerts of one mail; nothing if they are gone or who it is may not or does not want to know."""
    holder = next((each for each in list_holders(_MAY, user_id=user_id) if _wants(each)), None)
    mine = (Alert.digest == digest, Alert.mail.is_not(None))
    told = select(Alert.detail, Alert.fired_at, Alert.mail, AlertRule.name).join(
        AlertRule, AlertRule.id == Alert.rule_id
    )
    rows = db.session.execute(told.where(*mine).order_by(Alert.id.desc()).limit(LISTED)).all()
    count = db.session.scalar(select(func.count()).select_from(Alert).where(*mine)) or 0
    db.session.rollback()  # a mail server may take its time: nothing is held meanwhile
    if holder is None or not rows:
        return
    subject = "One alert" if count == 1 else f"{count} alerts"
    values = {"name": holder.name, "alerts": rows, "more": count - len(rows), "zone": settings().timezone}
    mail.send_mail(holder.email, f"{subject} {_WORDS[Rhythm(rows[0].mail)]}", "alerts", date=now, **values)


def _wants(holder: Holder) -> bool:
    return preferences.wants(holder.notifications, "alerts")
