"""Roles as data: who may make and change which, and that nobody grants or takes over what they do not hold."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from app.core.permissions import CATALOGUE
from tests.auth.staff import Member, all_but, hire, logged, pointers, refusal
from tests.concurrency import at_once
from tests.servers import on_sqlite

CHECKER: dict[str, Any] = {"name": "price checker", "permissions": ["products:read", "jobs:read"]}


@pytest.fixture
def root(app: Flask) -> Member:
    """An administrator."""
    return hire(app, "root", role="admin")


def find(member: Member, name: str) -> dict[str, Any]:
    """A role by its name."""
    return next(role for role in member.get("/roles")["items"] if role["name"] == name)


def test_a_role_is_made_changed_and_deleted_and_each_stands_in_the_log(app: Flask, root: Member) -> None:
    made = root.post("/roles", CHECKER | {"requires_second_factor": False})
    role = made.get_json()
    path = f"/roles/{role['id']}"
    assert (made.status_code, made.headers["Location"], made.headers["ETag"]) == (201, f"/api/v1{path}", '"v1"')
    assert (role["permissions"], role["requires_second_factor"]) == (["jobs:read", "products:read"], False)
    changed = root.patch(path, {"permissions": ["products:read"], "requires_second_factor": None}, 1).get_json()
    assert (changed["permissions"], changed["requires_second_factor"]) == (["products:read"], None)
    assert (changed["version"], changed["description"]) == (2, "")
    assert refusal(root.patch(path, {"name": "x"}, 1)) == (412, "STALE_VERSION")
    assert refusal(root.call("PATCH", path, {"name": "x"})) == (428, "VERSION_REQUIRED")
    assert refusal(root.delete(path)) == (428, "VERSION_REQUIRED")
    assert root.delete(path, 2).status_code == 204
    assert refusal(root.call("GET", path)) == (404, "ROLE_NOT_FOUND")
    ((_, before, after),) = logged(app, "role.update")
    assert before is not None
    assert after is not None
    assert (before["permissions"], after["permissions"]) == (["jobs:read", "products:read"], ["products:read"])
    assert [len(logged(app, f"role.{verb}")) for verb in ("create", "delete")] == [1, 1]


def test_a_change_that_changes_nothing_leaves_version_and_log_alone(app: Flask, root: Member) -> None:
    role = root.post("/roles", CHECKER).get_json()
    assert root.patch(f"/roles/{role['id']}", CHECKER, 1).get_json()["version"] == 1
    assert logged(app, "role.update") == []


def test_the_catalogue_says_what_each_permission_allows(root: Member) -> None:
    assert {row["name"]: row["description"] for row in root.get("/permissions")["items"]} == CATALOGUE


def test_nobody_puts_into_a_role_what_they_do_not_hold(app: Flask, root: Member) -> None:
    keeper = hire(app, "keeper", ["roles:read", "roles:write", "products:read"])
    before = keeper.get("/roles")
    refused = keeper.post("/roles", CHECKER)
    assert refusal(refused) == (403, "PERMISSION_MISSING")
    assert "jobs:read" in refused.get_json()["detail"]
    assert "products:read" not in refused.get_json()["detail"]
    assert keeper.get("/roles") == before
    own = find(keeper, "role of keeper@example.org")
    grab = keeper.patch(f"/roles/{own['id']}", {"permissions": [*own["permissions"], "users:write"]}, 1)
    assert refusal(grab) == (403, "PERMISSION_MISSING")
    assert keeper.get("/roles") == before
    assert keeper.post("/roles", CHECKER | {"permissions": ["products:read"]}).status_code == 201


@pytest.mark.parametrize(
    "change", [{"name": "mine"}, {"permissions": []}, {"requires_second_factor": False}, {"description": "x"}, None]
)
@on_sqlite
def test_nobody_takes_over_a_role_that_allows_more_than_they_may(
    app: Flask, root: Member, change: dict[str, Any] | None
) -> None:
    role = root.post("/roles", CHECKER).get_json()
    keeper = hire(app, "keeper", ["roles:read", "roles:write", "products:read"])
    path = f"/roles/{role['id']}"
    refused = keeper.delete(path, 1) if change is None else keeper.patch(path, change, 1)
    assert refusal(refused) == (403, "PERMISSION_MISSING")
    assert "jobs:read" in refused.get_json()["detail"]
    assert root.get(path) == role


def test_the_role_of_administrators_is_changed_by_nobody(root: Member) -> None:
    admin = find(root, "admin")
    path = f"/roles/{admin['id']}"
    assert admin["permissions"] == sorted(CATALOGUE)
    for refused in (root.patch(path, {"description": "x"}, 1), root.delete(path, 1)):
        assert refusal(refused) == (409, "ROLE_LOCKED")
    assert root.get(path) == admin


def test_a_role_of_the_product_is_changed_but_neither_renamed_nor_deleted(root: Member) -> None:
    analyst = find(root, "analyst")
    path = f"/roles/{analyst['id']}"
    assert root.patch(path, {"name": "analyst", "permissions": ["jobs:read"]}, 1).status_code == 200
    renamed = root.patch(path, {"name": "reader"}, 2)
    assert refusal(renamed) == (409, "ROLE_BUILT_IN")
    assert pointers(renamed) == ["/name"]
    assert refusal(root.delete(path, 2)) == (409, "ROLE_BUILT_IN")
    assert root.get(path)["permissions"] == ["jobs:read"]


def test_a_role_that_somebody_has_stays_and_the_answer_says_by_how_many(app: Flask, root: Member) -> None:
    role = root.post("/roles", CHECKER).get_json()
    member, _ = (hire(app, f"checker{at}", role="price checker") for at in range(2))
    assert root.get(f"/roles/{role['id']}")["user_count"] == 2
    refused = root.delete(f"/roles/{role['id']}", 1)
    assert refusal(refused) == (409, "ROLE_IN_USE")
    assert "2 users" in refused.get_json()["detail"]
    assert member.get("/me")["permissions"] == ["jobs:read", "products:read"]


def test_a_change_of_a_role_is_felt_by_its_holders_at_once(app: Flask, root: Member) -> None:
    role = root.post("/roles", CHECKER).get_json()
    checker = hire(app, "checker", role="price checker")
    assert checker.call("GET", "/jobs").status_code == 200
    root.patch(f"/roles/{role['id']}", {"permissions": ["products:read"]}, 1)
    assert refusal(checker.call("GET", "/jobs")) == (403, "PERMISSION_MISSING")


def test_two_roles_of_one_name_made_at_once_become_one(app: Flask, root: Member) -> None:
    answers = at_once(app, *(lambda: root.post("/roles", CHECKER).status_code for _ in range(2)))
    assert sorted(answers) == [201, 409]
    assert len([role for role in root.get("/roles")["items"] if role["name"] == CHECKER["name"]]) == 1


@pytest.mark.parametrize(("known", "other"), [("admin", "ADMIN"), ("Straße", "STRASSE"), ("ночь", "Ночь")])
def test_a_name_that_differs_only_in_case_is_taken(root: Member, known: str, other: str) -> None:
    if known != "admin":
        assert root.post("/roles", CHECKER | {"name": known}).status_code == 201
    role = root.post("/roles", CHECKER).get_json()
    before = root.get("/roles")
    made = root.post("/roles", CHECKER | {"name": other})
    renamed = root.patch(f"/roles/{role['id']}", {"name": other}, 1)
    for refused in (made, renamed):
        assert refusal(refused) == (409, "ROLE_NAME_TAKEN")
        assert pointers(refused) == ["/name"]
    assert root.get("/roles") == before


def test_a_role_may_change_the_case_of_its_own_name(root: Member) -> None:
    role = root.post("/roles", CHECKER).get_json()
    renamed = root.patch(f"/roles/{role['id']}", {"name": "Price Checker"}, 1)
    assert (renamed.status_code, renamed.get_json()["name"]) == (200, "Price Checker")


def test_names_that_differ_only_in_case_are_given_once_however_many_ask(app: Flask, root: Member) -> None:
    roles = [root.post("/roles", CHECKER | {"name": f"role {at}"}).get_json()["id"] for at in range(2)]

    def rename(role_id: int, name: str) -> int:
        return root.patch(f"/roles/{role_id}", {"name": name}, 1).status_code

    answers = at_once(
        app,
        lambda: root.post("/roles", CHECKER).status_code,
        lambda: root.post("/roles", CHECKER | {"name": "PRICE CHECKER"}).status_code,
        lambda: rename(roles[0], "Price checker"),
        lambda: rename(roles[1], "price Checker"),
    )
    assert sorted({201: 200}.get(status, status) for status in answers) == [200, 409, 409, 409]
    names = [role["name"].casefold() for role in root.get("/roles")["items"]]
    assert names.count("price checker") == 1


@on_sqlite
@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ({}, ["/name", "/permissions"]),
        ({"name": "", "permissions": []}, ["/name"]),
        ({"name": "x" * 65, "permissions": []}, ["/name"]),
        ({"name": "x", "permissions": ["products:read", "products:eat"]}, ["/permissions/1"]),
        ({"name": "x", "permissions": ["jobs:read", "jobs:read"]}, ["/permissions"]),
        ({"name": "x", "permissions": "products:read"}, ["/permissions"]),
        ({"name": "x", "permissions": [], "requires_second_factor": "maybe"}, ["/requires_second_factor"]),
        ({"name": "x", "permissions": [], "is_locked": True, "is_built_in": True}, ["/is_built_in", "/is_locked"]),
        ({"name": "x", "permissions": [], "version": 9, "id": 1}, ["/id", "/version"]),
    ],
)
def test_a_malformed_role_is_refused_by_field(root: Member, sent: dict[str, Any], where: list[str]) -> None:
    before = root.get("/roles")
    refused = root.post("/roles", sent)
    assert (refused.status_code, pointers(refused)) == (422, where)
    assert root.get("/roles") == before


@on_sqlite
def test_roles_of_the_product_that_are_gone_come_back_by_command(app: Flask, root: Member) -> None:
    run = app.test_cli_runner().invoke
    assert run(args=["role", "restore"]).output == "All roles of the product are there.\n"
    assert "admin" in run(args=["role", "list"]).output
    keeper = hire(app, "keeper", all_but("roles:write"))
    assert refusal(keeper.post("/roles", CHECKER)) == (403, "PERMISSION_MISSING")
