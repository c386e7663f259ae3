"""Clients of the API with just these permissions, for tests of who may change what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.permissions import CATALOGUE
from tests.calls import API, add_person, token_of


@dataclass
class Member:
    """Somebody with an access token."""

    app: Flask
    id: int
    email: str
    token: str

    def call(self, method: str, path: str, body: Any = None, *, version: int | None = None) -> TestResponse:
        """Send a request; ``version`` goes into If-Match."""
        headers = {"Authorization": f"Bearer {self.token}"}
        headers |= {"If-Match": f'"v{version}"'} if version is not None else {}
        return self.app.test_client().open(API + path, method=method, json=body, headers=headers)

    def get(self, path: str) -> Any:
        return self.call("GET", path).get_json()

    def post(self, path: str, body: Any = None) -> TestResponse:
        return self.call("POST", path, body)

    def patch(self, path: str, body: Any, version: int) -> TestResponse:
        return self.call("PATCH", path, body, version=version)

    def delete(self, path: str, version: int | None = None) -> TestResponse:
        return self.call("DELETE", path, version=version)


def hire(
    app: Flask,
    name: str,
    permissions: Iterable[str] | None = None,
    *,
    role: str | None = None,
    is_verified: bool = True,
) -> Member:
    """Somebody with a role of their own that has these permissions, or with a role that there is."""
    email = f"{name}@example.org"
    held = None if permissions is None else frozenset(permissions)
    with app.app_context():
        user_id = add_person(email=email, permissions=held, role=role, is_verified=is_verified)
    return Member(app, user_id, email, token_of(app, user_id))


def all_but(*missing: str) -> frozenset[str]:
    """Every permission without some."""
    return frozenset(CATALOGUE) - set(missing)


def logged(app: Flask, action: str) -> list[tuple[int | None, dict[str, Any] | None, dict[str, Any] | None]]:
    """What the audit log says of an action: (subject, before, after), oldest first."""
    with app.app_context():
        rows = db.session.scalars(select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id))
        return [(row.subject_id, row.before, row.after) for row in rows]


def refusal(answer: TestResponse) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.get_json()["code"]


def pointers(answer: TestResponse) -> list[str]:
    """The fields that a refusal names, sorted."""
    return sorted(error["pointer"] for error in answer.get_json()["errors"])
