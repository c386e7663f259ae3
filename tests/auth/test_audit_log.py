"""Searching the audit log: what every filter finds, in which order, and that no search reads the whole of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
import sqlalchemy as sa
from flask import Flask

from app.auth.queries.audit import list_audit_events
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import WRITE
from tests.auth.staff import Member, hire, pointers, refusal
from tests.conftest import Database
from tests.servers import on_sqlite

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
MANY: Final = 20_000


def event(number: int, **values: Any) -> dict[str, Any]:
    """One deed of the past, a minute after the one before."""
    row: dict[str, Any] = {
        "at": START + timedelta(minutes=number),
        "action": "product.update",
        "actor_kind": "user",
        "actor_id": 1,
        "request_id": f"request-{number}",
        "subject_kind": "product",
        "subject_id": number,
        "address": "192.0.2.1",
        "before": None,
        "after": None,
    } | values
    return row | {"topic": row["action"].partition(".")[0]}


def write(rows: list[dict[str, Any]]) -> None:
    """Put events into the log as they are."""
    with db.engine.connect().execution_options(**{WRITE: True}) as connection:
        connection.execute(sa.insert(AuditEvent.__table__), rows)  # type: ignore[arg-type]  # a table it is
        connection.commit()


@pytest.fixture
def auditor(app: Flask) -> Member:
    """Somebody who may read the log, on which six deeds of the past stand."""
    with app.app_context():
        write(
            [
                event(1),
                event(2, action="user.create", subject_kind="user", subject_id=7, address="2001:db8::1"),
                event(3, action="user.update", subject_kind="user", subject_id=7, actor_id=2),
                event(4, action="user_import.start", actor_kind="key", actor_id=2, subject_id=None),
                event(5, action="user.log_in_refused", actor_kind="guest", actor_id=None, request_id="request-3"),
                event(6, action="role.update", actor_kind="system", actor_id=None, address=None),
            ]
        )
    return hire(app, "auditor", ["audit:read"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("action=user.create", [2]),
        ("action=user.", [5, 3, 2]),
        ("action=user_import.", [4]),
        ("action=nothing.", []),
        ("actor_kind=user&actor_id=2", [3]),
        ("actor_kind=key&actor_id=2", [4]),
        ("actor_kind=guest", [5]),
        ("actor_kind=system", [6]),
        ("subject_kind=user&subject_id=7", [3, 2]),
        ("subject_kind=user&subject_id=7&actor_kind=user&actor_id=1", [2]),
        ("address=2001:db8::1", [2]),
        ("request_id=request-3", [5, 3]),
        ("from=2026-01-01T00:03:00Z&to=2026-01-01T00:05:00Z", [4, 3]),
        ("from=2026-01-01T01:03:00%2B01:00&to=2026-01-01T00:04:00Z", [3]),
        ("to=2026-01-01T00:02:00Z", [1]),
        ("action=user.&from=2026-01-01T00:03:00Z", [5, 3]),
    ],
)
def test_a_filter_finds_what_it_says_newest_first(auditor: Member, query: str, found: list[int]) -> None:
    until = "" if "to=" in query else "&to=2026-06-01T00:00:00Z"
    items = auditor.get(f"/audit-events?{query}{until}")["items"]
    assert [round((datetime.fromisoformat(row["at"]) - START) / timedelta(minutes=1)) for row in items] == found


def test_the_log_is_read_page_by_page_and_event_by_event(app: Flask, auditor: Member) -> None:
    seen: list[int] = []
    path = "/audit-events?limit=2&to=2026-06-01T00:00:00Z"
    page = auditor.get(path)
    while True:
        seen += [row["id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        page = auditor.get(f"{path}&cursor={page['next_cursor']}")
    assert len(seen) == 6
    assert seen == sorted(seen, reverse=True)
    newest = auditor.get("/audit-events")["items"][0]
    assert newest["action"] == "user.log_in"
    assert auditor.get(f"/audit-events/{newest['id']}") == newest
    assert refusal(auditor.call("GET", "/audit-events/4711000")) == (404, "AUDIT_EVENT_NOT_FOUND")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert auditor.call(method, "/audit-events").status_code == 405
        assert auditor.call(method, f"/audit-events/{newest['id']}").status_code == 405


@on_sqlite
@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("action=user", ["/action"]),
        ("action=%25.", ["/action"]),
        ("action=.", ["/action"]),
        ("actor_id=1", ["/actor_kind"]),
        ("actor_kind=guest&actor_id=1", ["/actor_kind"]),
        ("actor_kind=user", ["/actor_id"]),
        ("actor_kind=king&actor_id=1", ["/actor_kind"]),
        ("subject_kind=user", ["/subject_id"]),
        ("subject_id=7", ["/subject_kind"]),
        ("from=yesterday", ["/from"]),
        ("from=2026-01-01T00:00:00", ["/from"]),
        ("limit=101", ["/limit"]),
        ("q=anything", ["/q"]),
    ],
)
def test_a_search_that_has_no_index_to_go_by_is_refused(auditor: Member, query: str, where: list[str]) -> None:
    refused = auditor.call("GET", f"/audit-events?{query}")
    assert (refused.status_code, pointers(refused)) == (422, where)


SEARCHES: Final[dict[str, dict[str, Any]]] = {
    "everything": {},
    "an action": {"action": "role.update"},
    "all of a kind": {"action": "role."},
    "an actor": {"actor_kind": "user", "actor_id": 77},
    "the system": {"actor_kind": "system"},
    "a subject": {"subject_kind": "role", "subject_id": 5},
    "an address": {"address": "198.51.100.9"},
    "a request": {"request_id": "request-77"},
    "a time long ago": {"since": START, "until": START + timedelta(hours=3)},
    "an actor at a time": {"actor_kind": "user", "actor_id": 77, "until": START + timedelta(days=1)},
}


def test_no_search_reads_the_whole_log_or_sorts_it(context: Flask, database: Database) -> None:
    rare = {"action": "role.update", "subject_kind": "role", "subject_id": 5, "address": "198.51.100.9", "actor_id": 77}
    system = {"actor_kind": "system", "actor_id": None}
    write([event(n, **(rare if n == 77 else system if n == 78 else {})) for n in range(MANY)])
    with db.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE" if database.kind != "mariadb" else "ANALYZE TABLE audit_event")
        connection.commit()
    for name, search in SEARCHES.items():
        with statements() as asked:
            page = list_audit_events(limit=50, **search)
            further = list_audit_events(limit=50, **search, cursor=page.next_cursor) if page.next_cursor else None
        db.session.rollback()
        assert len(page.items) == {"everything": 50, "a time long ago": 50}.get(name, 1)
        assert further is None or len(further.items) == 50
        selects = [(statement, values) for statement, values in asked if "FROM audit_event" in statement]
        assert selects
        for statement, parameters in selects:
            plan = explained(database.kind, statement, parameters)
            found = problems_of(database.kind, plan, is_search=bool(search))
            if (name, database.kind) == ("the system", "postgresql"):
                found = [word for word in found if word != "Sort"]  # of what IS NULL found, and of nothing else
            assert (name, found) == (name, []), plan


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database in this block."""
    seen: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any) -> None:
        seen.append((statement, parameters))

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)


def explained(kind: str, statement: str, parameters: Any) -> list[tuple[Any, ...]]:
    """How the database goes about a statement."""
    prefix = "EXPLAIN QUERY PLAN" if kind == "sqlite" else "EXPLAIN"
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(f"{prefix} {statement}", parameters)]


def problems_of(kind: str, plan: list[tuple[Any, ...]], *, is_search: bool) -> list[str]:
    """What in a plan would take longer with a longer log."""
    text = " ".join(str(part) for row in plan for part in row)
    assert "audit_event" in text
    bad = {
        "sqlite": ["TEMP B-TREE", *(["SCAN"] if is_search else [])],
        "mariadb": ["filesort", "temporary", " ALL "],
        "postgresql": ["Seq Scan", "Sort"],
    }[kind]
    return [word for word in bad if word in text]
