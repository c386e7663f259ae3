"""Who tried to change what they may not stands in the audit log; who only looked does not."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.audit import AuditEvent
from app.core.extensions import db
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


def refusals(app: Flask) -> list[tuple[int | None, str | None, dict[str, Any] | None]]:
    """(who, from where, what) of everything that was refused."""
    with app.app_context():
        rows = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "access.refused"))
        return [(row.actor_id, row.address, row.after) for row in rows]


def test_a_change_that_is_refused_for_lack_of_a_permission_is_noted(app: Flask) -> None:
    desk = new_person(app, "desk@example.org", role="order desk")
    assert desk.post("/roles", {"name": "mine", "permissions": []}).status_code == 403
    reason = "This needs the permission roles:write."
    assert refusals(app) == [(desk.id, "127.0.0.1", {"method": "POST", "path": "/api/v1/roles", "reason": reason})]


def test_a_form_that_is_refused_is_noted_too(app: Flask) -> None:
    desk = new_person(app, "desk@example.org", role="order desk")
    visitor = Visitor(app, "desk@example.org")
    assert visitor.send("/admin/roles/new", {"name": "mine"}, on="/account").status_code == 403
    assert [(who, what and what["path"]) for who, _where, what in refusals(app)] == [(desk.id, "/admin/roles/new")]


def test_looking_at_what_one_may_not_see_is_only_answered(app: Flask) -> None:
    desk = new_person(app, "desk@example.org", role="order desk")
    assert desk.call("GET", "/users").status_code == 403
    assert desk.client.post("/api/v1/roles", json={}).status_code == 401
    assert refusals(app) == []
