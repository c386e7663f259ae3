"""The pages of alerts and of their rules, and what is said there."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.rpa.models.alerts import Alert, AlertRule
from app.rpa.services import alerts
from tests.auth.people import new_person
from tests.auth.staff import hire
from tests.browsing import Visitor
from tests.rpa.test_alerts import rule
from tests.servers import on_sqlite

pytestmark = on_sqlite
PAGE, RULES = "/admin/alerts", "/admin/alerts/rules"


@pytest.fixture
def told(app: Flask) -> list[int]:
    """Three alerts, of two rules."""
    with app.app_context():
        first, second = rule("blocked"), rule("price", {"percent": 10})
        rows = [
            Alert(
                rule_id=number, subject="storefront:1", detail=f"<b>What</b> {at}", fired_at=utc_now(), task_id=70 + at
            )
            for at, number in enumerate((first, first, second))
        ]
        db.session.add_all(rows)
        db.session.commit()
        return [row.id for row in rows]


def ada(app: Flask) -> Visitor:
    new_person(app, "ada@example.org", role="admin")
    return Visitor(app, "ada@example.org")


def unread(app: Flask) -> list[int]:
    with app.app_context():
        return list(db.session.scalars(select(Alert.id).where(Alert.read_at.is_(None)).order_by(Alert.id)))


def audited(app: Flask) -> list[str]:
    with app.app_context():
        wanted = select(AuditEvent.action).where(AuditEvent.action.startswith("alert"), AuditEvent.actor_kind == "user")
        return list(db.session.scalars(wanted.order_by(AuditEvent.id)))


def test_alerts_are_listed_newest_first_with_the_visit_that_has_the_evidence(app: Flask, told: list[int]) -> None:
    page = ada(app).get(PAGE).text
    places = [page.index(f"&lt;b&gt;What&lt;/b&gt; {at}") for at in (2, 1, 0)]
    assert places == sorted(places)
    assert "<b>What" not in page
    assert 'href="/admin/tasks/72"' in page
    assert "(3 not read)" in page


def test_alerts_are_found_by_rule_and_by_whether_they_were_read(app: Flask, told: list[int]) -> None:
    visitor = ada(app)
    assert visitor.send(f"{PAGE}/{told[0]}/read", {"next": f"{PAGE}?which=unread"}, on=PAGE).headers["Location"] == (
        f"{PAGE}?which=unread"
    )
    assert visitor.send(f"{PAGE}/{told[2]}/dismiss", on=PAGE).headers["Location"] == PAGE

    def shown(query: str) -> list[int]:
        page = visitor.get(f"{PAGE}?{query}").text
        return [at for at in range(3) if f"What&lt;/b&gt; {at}" in page]

    assert shown("which=unread") == [1]
    assert shown("which=read") == [0]
    assert shown("which=away") == [2]
    assert shown("which=nonsense&rule=nonsense") == [0, 1]
    with app.app_context():
        second = db.session.get_one(Alert, told[2]).rule_id
    assert shown(f"rule={second}&which=away") == [2]
    assert shown(f"rule={second}") == []
    assert "No alert fits these filters." in visitor.get(f"{PAGE}?rule={second}").text
    assert audited(app) == ["alert.read", "alert.dismiss"]


def test_where_nothing_was_told_the_page_says_how_rules_are_made(app: Flask) -> None:
    visitor = ada(app)
    assert "POST /api/v1/alert-rules" in visitor.get(PAGE).text
    assert "No rules yet" in visitor.get(RULES).text


def test_all_that_the_page_showed_is_marked_as_read_and_nothing_newer(app: Flask, told: list[int]) -> None:
    visitor = ada(app)
    assert visitor.send(f"{PAGE}/read", {"up_to_id": str(told[1])}, on=PAGE).status_code == 302
    assert unread(app) == told[2:]
    for nonsense in ("", "0", "-1", "²", "9" * 40):
        assert visitor.send(f"{PAGE}/read", {"up_to_id": nonsense}, on=PAGE).status_code == 302
    assert unread(app) == told[2:]
    assert audited(app) == ["alert.read_all"]


def test_of_very_many_alerts_the_newest_are_marked_first(
    app: Flask, told: list[int], client: FlaskClient, auth_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MAX_READ", 2)

    def ask(**about: Any) -> Any:
        sent = {"up_to_id": told[-1], **about}
        return client.post("/api/v1/alerts/read", json=sent, headers=auth_headers).get_json()

    def count() -> Any:
        return client.get("/api/v1/alerts/unread", headers=auth_headers).get_json()

    assert count() == {"count": 3, "is_capped": False}
    assert ask(rule_id=999) == {"count": 0, "is_complete": True}
    assert ask() == {"count": 2, "is_complete": False}
    assert unread(app) == told[:1]
    assert ask() == {"count": 1, "is_complete": True}
    assert count() == {"count": 0, "is_capped": False}


def test_a_rule_is_paused_and_resumed_from_its_page(app: Flask, told: list[int]) -> None:
    visitor = ada(app)
    page = visitor.get(RULES).text
    assert "Price, moved by 10 %" in page
    with app.app_context():
        number = db.session.scalars(select(AlertRule.id).order_by(AlertRule.id)).first()
    for act, is_active in (("pause", False), ("resume", True)):
        assert visitor.send(f"{RULES}/{number}/{act}", on=RULES).headers["Location"] == RULES
        with app.app_context():
            assert db.session.get_one(AlertRule, number).is_active is is_active
    assert audited(app) == ["alert_rule.pause", "alert_rule.resume"]


def test_who_may_only_look_has_no_buttons_and_is_refused(app: Flask, told: list[int]) -> None:
    eve = Visitor(app, hire(app, "eve", ["storefronts:read"]).email)
    for page in (PAGE, RULES):
        assert f'action="{PAGE}' not in eve.get(page).text
    assert "/admin/tasks/" not in eve.get(PAGE).text
    with app.app_context():
        number = db.session.scalars(select(AlertRule.id)).first()
    acts = [f"{PAGE}/read", f"{PAGE}/{told[0]}/read", f"{PAGE}/{told[0]}/dismiss", f"{RULES}/{number}/pause"]
    for act in acts:
        assert eve.send(act, {"up_to_id": "99"}, on="/account").status_code == 403
    assert unread(app) == told
    assert audited(app) == []
