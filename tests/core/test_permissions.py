"""Who may do what, and how a deed names its doer."""

from __future__ import annotations

import pytest
from flask import Flask

from app.core import audit, permissions
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.permissions import CATALOGUE, PermissionMissing, Principal
from app.core.transactions import in_transaction

CLERK = Principal(kind="user", id=7, name="Clerk", permissions=frozenset({"products:read"}), request_id="request-1")


def test_a_principal_may_do_exactly_what_they_hold() -> None:
    CLERK.require("products:read")
    for permission in CATALOGUE.keys() - {"products:read"}:
        assert not CLERK.may(permission)
        with pytest.raises(PermissionMissing, match=permission):
            CLERK.require(permission)


def test_the_system_may_do_everything_and_a_guest_or_a_job_nothing() -> None:
    assert all(permissions.system().may(permission) for permission in CATALOGUE)
    assert not any(permissions.guest().may(permission) for permission in CATALOGUE)
    assert not any(permissions.for_job(3).may(permission) for permission in CATALOGUE)


def test_what_is_in_no_catalogue_nobody_may() -> None:
    assert not permissions.system().may("products:fly")


def test_every_principal_has_a_key_of_its_own() -> None:
    everybody = [CLERK, permissions.system(), permissions.guest(), permissions.for_job(7)]
    assert [one.key for one in everybody] == ["user:7", "system", "guest", "job:7"]


def test_permissions_cannot_be_added_afterwards() -> None:
    with pytest.raises(AttributeError):
        CLERK.permissions = frozenset(CATALOGUE)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("doer", "columns"),
    [
        (CLERK, ("user", 7, "request-1")),
        (permissions.system("request-2"), ("system", None, "request-2")),
        (permissions.guest(), ("guest", None, None)),
        (permissions.for_job(2**40), ("job", 2**40, None)),
    ],
    ids=["user", "system", "guest", "job"],
)
def test_the_audit_trail_names_the_doer_and_the_values(
    context: Flask, doer: Principal, columns: tuple[str, int | None, str | None]
) -> None:
    @in_transaction
    def rename() -> None:
        audit.record(actor=doer, action="rename", subject=("product", 5), before={"name": "Été"}, after={"name": "ö"})

    rename()
    row = db.session.scalars(db.select(AuditEvent)).one()
    assert (row.actor_kind, row.actor_id, row.request_id) == columns
    assert (row.action, row.subject_kind, row.subject_id) == ("rename", "product", 5)
    assert (row.before, row.after) == ({"name": "Été"}, {"name": "ö"})
    assert row.at.utcoffset() is not None


def test_a_deed_that_fails_is_not_in_the_audit_trail(context: Flask) -> None:
    @in_transaction
    def fail() -> None:
        audit.record(actor=CLERK, action="rename", subject=("product", 5))
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fail()
    assert db.session.scalars(db.select(AuditEvent)).all() == []
