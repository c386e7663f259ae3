"""What changes a record says which version it means: 428 without If-Match, 412 with another, and nothing changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from flask import Flask

from tests.calls import API, CALLS, send
from tests.servers import on_sqlite
from tests.test_access import doors
from tests.test_access_matrix import MakeWorld, everything, make_world

__all__ = ["make_world"]

pytestmark = on_sqlite

CHANGING: Final = ("PUT", "PATCH", "DELETE")
PARTS: Final = 8
"""Of the routes, so that none takes too long."""
ANOTHER: Final = 987_654_321


def needs_version(method: str, view: Any) -> bool:
    """Whether a route says that it needs If-Match."""
    if method in CHANGING:
        return not getattr(view, "is_unversioned", False)
    return bool(getattr(view, "_apidoc", {}).get("is_versioned"))


def versioned(app: Flask) -> list[tuple[str, str]]:
    """The routes of the API that do."""
    return sorted(
        (method, path.removeprefix(API))
        for path, method, view in doors(app)
        if path.startswith(API) and method != "GET" and needs_version(method, view)
    )


def test_there_are_routes_of_both_kinds(app: Flask) -> None:
    found = versioned(app)
    assert {method for method, _ in found} == {*CHANGING, "POST"}
    assert len(found) > 30
    assert {route for route in CALLS if route[0] in CHANGING} - set(found)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_change_that_names_no_version_or_another_one_is_refused(app: Flask, make_world: MakeWorld, part: int) -> None:
    for method, path in versioned(app)[part::PARTS]:
        world, token = make_world("staff with")
        sent = CALLS[method, path](world)
        before = everything(app)
        for version, expected in ((None, (428, "VERSION_REQUIRED")), (ANOTHER, (412, None))):
            named = replace(sent, version=version)
            answer = send(app.test_client(), method, API + path, named, credential=token)
            code = answer.get_json()["code"] if version is None else None
            assert (method, path, answer.status_code, code) == (method, path, *expected)
            assert everything(app) == before
