"""What alert rules tell by mail: at once, by the hour or by the day; one mail, and none where there is nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select

from app.core import permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.notifications.models import WebhookEvent
from app.notifications.services.webhooks import create_webhook
from app.rpa.models.alerts import Alert, Rhythm
from app.rpa.services import alerts
from app.rpa.services.alert_mails import LISTED, began, request_mails
from app.rpa.services.alert_sweep import sweep_alerts
from tests.auth.conftest import Mails, mails, smtp, worker
from tests.auth.staff import hire
from tests.rpa.conftest import FarmDriver, reading
from tests.rpa.test_alerts import rule, visit
from tests.servers import on_sqlite

__all__ = ["mails", "smtp", "worker"]  # fixtures

NOON = datetime(2026, 3, 29, 12, 30, 7, tzinfo=UTC)
"""On a day of Berlin that has 23 hours."""
SYSTEM = permissions.system()


def tell(rhythm: Rhythm | None, *fired_at: datetime) -> int:
    """A rule with that rhythm that told something at these instants."""
    number = rule("blocked", mail=rhythm or Rhythm.NEVER)
    for at in fired_at:
        row = Alert(rule_id=number, subject="storefront:1", detail=f"Told at {at:%H:%M}.", fired_at=at, mail=rhythm)
        db.session.add(row)
    db.session.commit()
    return number


def asked(now: datetime) -> int:
    return request_mails(now=now)


@pytest.mark.parametrize(
    ("rhythm", "zone", "now", "expected"),
    [
        (Rhythm.HOURLY, "UTC", NOON, datetime(2026, 3, 29, 12, tzinfo=UTC)),
        (Rhythm.HOURLY, "Asia/Kolkata", NOON, datetime(2026, 3, 29, 12, 30, tzinfo=UTC)),
        (Rhythm.DAILY, "UTC", NOON, datetime(2026, 3, 29, tzinfo=UTC)),
        (Rhythm.DAILY, "Europe/Berlin", NOON, datetime(2026, 3, 28, 23, tzinfo=UTC)),
        (Rhythm.DAILY, "Europe/Berlin", NOON + timedelta(days=1), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (
            Rhythm.HOURLY,
            "Europe/Berlin",
            datetime(2026, 10, 25, 1, 15, tzinfo=UTC),
            datetime(2026, 10, 25, 1, tzinfo=UTC),
        ),
    ],
)
def test_an_hour_and_a_day_begin_as_the_clocks_of_the_shop_say(
    rhythm: Rhythm, zone: str, now: datetime, expected: datetime
) -> None:
    assert began(rhythm, now, ZoneInfo(zone)) == expected


@on_sqlite
def test_what_is_told_goes_at_once_to_who_looks_after_storefronts_and_wants_to_know(
    app: Flask, farm: FarmDriver, mails: Mails
) -> None:
    hire(app, "keeper", ["storefronts:write"])
    hire(app, "reader", ["storefronts:read"])
    quiet = hire(app, "quiet", ["storefronts:write"])
    assert quiet.patch("/me", {"notifications": {"alerts": False}}, 1).status_code == 200
    rule("price", {"percent": 1}, mail="at_once")
    rule("price", {"percent": 1})
    mails()
    visit(farm, reading("10.00"), reading("9.00"), reading("8.00"))
    assert sweep_alerts() == 4
    assert asked(utc_now()) == 1
    (mail,) = mails()
    assert mail.recipients == ["keeper@example.org"]
    assert mail.message["Subject"] == "2 alerts of the farm"
    assert mail.part("plain").count("price from") == 2
    assert "B000000001 on shop: price from 10.00 USD to 9.00 USD." in mail.part("plain")
    assert "<strong>a price</strong>" in mail.part("html")
    assert asked(utc_now()) == 0
    assert mails() == []


@on_sqlite
def test_a_digest_is_sent_when_its_hour_or_day_is_over_and_not_again(
    app: Flask, farm: FarmDriver, mails: Mails
) -> None:
    hire(app, "keeper", ["storefronts:write"])
    mails()
    tell(Rhythm.HOURLY, NOON - timedelta(hours=2), NOON - timedelta(minutes=31), NOON)
    tell(Rhythm.HOURLY, NOON - timedelta(minutes=40))
    tell(Rhythm.DAILY, NOON - timedelta(days=1), NOON)
    tell(None, NOON)
    assert [asked(NOON), asked(NOON + timedelta(minutes=29))] == [2, 0]
    hourly, daily = mails()
    assert hourly.message["Subject"] == "3 alerts of the last hour"
    assert [text in hourly.part("plain") for text in ("10:30", "11:59", "11:50", "12:30")] == [True, True, True, False]
    assert daily.message["Subject"] == "One alert of the last day"
    assert asked(NOON + timedelta(minutes=30)) == 1
    (later,) = mails()
    assert "Told at 12:30." in later.part("plain")
    assert asked(NOON + timedelta(hours=12)) == 1
    assert asked(NOON + timedelta(days=5)) == 0


@on_sqlite
def test_however_much_is_told_it_is_one_mail_that_names_fifty(app: Flask, farm: FarmDriver, mails: Mails) -> None:
    hire(app, "keeper", ["storefronts:write"])
    mails()
    tell(Rhythm.AT_ONCE, *[NOON] * (LISTED + 20))
    assert asked(NOON + timedelta(seconds=1)) == 1
    (mail,) = mails()
    assert mail.message["Subject"] == "70 alerts of the farm"
    assert mail.part("plain").count("Told at") == LISTED
    assert "and 20 more" in mail.part("plain")


@on_sqlite
def test_a_mail_about_a_rule_that_is_deleted_meanwhile_is_not_sent(app: Flask, farm: FarmDriver, mails: Mails) -> None:
    hire(app, "keeper", ["storefronts:write"])
    mails()
    number = tell(Rhythm.AT_ONCE, NOON)
    assert asked(NOON + timedelta(seconds=1)) == 1
    alerts.delete_rule(actor=SYSTEM, rule_id=number, expected_version=1)
    assert mails() == []


def test_two_that_ask_for_mails_at_once_tell_each_alert_once(
    app: Flask, farm: FarmDriver, in_threads: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    hire(app, "keeper", ["storefronts:write"])
    tell(Rhythm.AT_ONCE, *[NOON] * 20)
    assert sorted(in_threads([lambda: asked(NOON + timedelta(seconds=1))] * 4)) == [0, 0, 0, 1]
    db.session.rollback()
    assert len(set(db.session.scalars(select(Alert.digest)))) == 1


@on_sqlite
def test_a_rule_may_leave_webhooks_alone(farm: FarmDriver) -> None:
    about: dict[str, Any] = {"name": "pager", "url": "https://hooks.example.org/a", "kinds": ["alert.fired"]}
    create_webhook(actor=SYSTEM, now=utc_now(), private=frozenset(), **about)
    rule("price", {"percent": 1}, tells_webhooks=False)
    visit(farm, reading("10.00"), reading("9.00"))
    assert sweep_alerts() == 1
    assert db.session.scalars(select(WebhookEvent.id)).all() == []
