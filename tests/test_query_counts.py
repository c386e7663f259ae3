"""No list asks the database more for fifty rows than for one."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import event, select

from app.auth.services.roles import restore_built_in
from app.core import kept
from app.core.cache import cache
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE
from app.orders.services.coupons.claiming import claim
from app.products.models.products import Product
from app.rpa.models.jobs import Task
from app.rpa.models.observations import Observation
from tests import calls
from tests.calls import API, World, add_person, token_of
from tests.multiplying import multiply
from tests.servers import on_sqlite

COPIES: Final = 49

Path = dict[str, Any]


def _none(_world: World) -> Path:
    return {}


def _of(make: Callable[[World], Any], name: str = "") -> Callable[[World], Path]:
    """Makes a row; its id is a part of the list's address if that has a name for it."""

    def fill(world: World) -> Path:
        made = make(world)
        return {name: made} if name else {}

    return fill


def _person_with(thing: Callable[[World, int], int]) -> Callable[[World], Path]:
    def fill(world: World) -> Path:
        other = calls._other(world)
        thing(world, other)
        return {"user_id": other}

    return fill


def _stocked(world: World, body: dict[str, Any] | None = None) -> Path:
    product_id = calls._product(world)
    world.ask("PUT", f"/inventory/{product_id}", {"kind": "received", "delta": 5})
    world.ask("PATCH", f"/inventory/{product_id}", {"low_stock_threshold": 9})
    return {"product_id": product_id}


def _renamed(world: World) -> Path:
    calls._renaming(world)
    return {"product_id": world.find(select(Product.id))}


def _own_order_shipped(world: World) -> Path:
    named = calls._own_order(world)
    world.ask("POST", f"/admin/orders/{named['number']}/notes", {"text": "Called", "is_public": True})
    return named


def _used_coupon(world: World) -> Path:
    path = calls._coupon(world)
    about: dict[str, Any] = {"code": "WELCOME", "email": "grace@example.org", "subtotal_minor": 1, "currency": "USD"}
    world.run(claim, order_id=calls._order(world).id, now=utc_now(), **about)
    return path


def _ran(world: World) -> Path:
    named = calls._schedule(world)
    world.ask("POST", f"/job-schedules/{named['schedule_id']}/run-now")
    return named


def _seen(world: World) -> Path:
    calls._evidence(world)
    return {"task_id": world.find(select(Task.id))}


LISTS: Final[dict[str, Callable[[World], Path]]] = {
    "/admin/orders": _of(calls._order),
    "/admin/orders/{number}/events": lambda world: dict(calls._shipped(world)),
    "/admin/orders/{number}/payments": lambda world: {"number": calls._order(world).number},
    "/admin/orders/{number}/refunds": lambda world: {"number": calls._refunded(world)["number"]},
    "/admin/orders/{number}/returns": lambda world: dict(calls._returned(world)),
    "/admin/orders/{number}/shipments": lambda world: dict(calls._shipped(world)),
    "/admin/provider-events": _of(calls._notice),
    "/audit-events": _of(calls._product),
    "/alert-rules": _of(calls._rule),
    "/alerts": _of(calls._alert),
    "/auth/providers": _of(calls._provider),
    "/bulk-actions": _of(calls._bulk),
    "/bulk-actions/{bulk_id}/rows": _of(calls._bulk, "bulk_id"),
    "/categories": _of(calls._category),
    "/categories/tree": _of(calls._category),
    "/coupons": _of(calls._coupon),
    "/coupons/{coupon_id}/uses": _used_coupon,
    "/inventory": _stocked,
    "/inventory/insights": _stocked,
    "/inventory/low-stock": _stocked,
    "/inventory/changes/{product_id}": _stocked,
    "/job-schedules": _of(calls._schedule),
    "/job-schedules/{schedule_id}/runs": _ran,
    "/jobs": _of(lambda world: world.ask("POST", "/jobs", calls._job_body(world))),
    "/jobs/{job_id}/tasks": lambda world: {"job_id": calls._errand(world).job_id},
    "/me/devices": _of(calls._device),
    "/me/identities": _of(calls._identity),
    "/me/keys": _of(lambda world: calls._key(world, world.me)),
    "/me/passkeys": _of(calls._passkey),
    "/me/sessions": _none,
    "/observed-changes": _of(calls._flagged),
    "/oauth-providers": _of(calls._provider),
    "/operations": _of(calls._bulk),
    "/orders": calls._own_order,
    "/orders/{number}/events": _own_order_shipped,
    "/price-index/differences": _of(calls._price_gap),
    "/product-filters": _of(calls._saved_filter),
    "/product-updates": _renamed,
    "/product-updates/feed": _renamed,
    "/products": _of(calls._product),
    "/products/deleted": _of(calls._deleted),
    "/products/{product_id}/cart-options": lambda world: dict(calls._part(calls._cart_options(world), "product_id")),
    "/products/{product_id}/history": _renamed,
    "/products/{product_id}/observations": lambda world: dict(calls._observed(world)),
    "/products/{product_id}/observations/days": lambda world: dict(calls._observed(world)),
    "/left-reports": calls._left_report,
    "/reports": calls._report_run,
    "/reports/{report_id}/shares": calls._share,
    "/reports/{report_id}/runs": calls._report_run,
    "/roles": _of(calls._role),
    "/sales": _of(lambda world: calls._sales_import(world, run=True)),
    "/sales/imports": _of(calls._sales_import),
    "/storefronts": _of(calls._storefront),
    "/storefronts/{storefront_id}/cart-options": lambda world: dict(
        calls._part(calls._cart_options(world), "storefront_id")
    ),
    "/storefronts/{storefront_id}/tries": lambda world: dict(calls._try(world, own=False)),
    "/storefronts/{storefront_id}/profile-versions": lambda world: dict(calls._version(world, own=False)),
    "/tasks/{task_id}/evidence": _seen,
    "/users": _of(calls._other),
    "/users/{user_id}/keys": _person_with(calls._key),
    "/users/{user_id}/sessions": _person_with(calls._session),
    "/webhooks": _of(calls._webhook),
    "/webhooks/{webhook_id}/deliveries": calls._delivery,
    "/workers": _of(calls._worker),
}
"""Every list of the API, with what puts a row into it."""
BELOW: Final = {
    "/me/": "user",
    "{bulk_id}": "operation",
    "{coupon_id}": "coupon",
    "{job_id}": "job",
    "{number}": "order",
    "{product_id}": "product",
    "{report_id}": "report",
    "{schedule_id}": "job_schedule",
    "{storefront_id}": "storefront",
    "{task_id}": "task",
    "{user_id}": "user",
    "{webhook_id}": "webhook",
    "/orders": "user",
}
"""What a list belongs to, by a part of its address."""
NOT_OF_ROWS: Final = {"/permissions", "/report-kinds"}
"""Lists of what is written in the program."""


def _lists(app: Flask) -> set[str]:
    """The addresses of all operations that answer with ``items``, as the API's document says."""
    document = app.test_client().get("/openapi.json").get_json()
    found = set()
    for path, operations in document["paths"].items():
        answer = operations.get("get", {}).get("responses", {}).get("200", {})
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        shown = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
        if "items" in shown.get("properties", {}):
            found.add(path.removeprefix(API))
    return found


def _ask(world: World, path: str) -> tuple[int, int]:
    """How many rows a list has, and how many statements it took."""
    asked: list[str] = []
    kept._asked.clear()

    def note(*about: Any) -> None:
        asked.append(about[2])

    with world.app.app_context():
        cache().redis.flushdb()  # no answer comes from there
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        limit = "" if path in {"/auth/providers", "/categories/tree"} else "?limit=100"
        shop = "&storefront=shop" if "/observations" in path else ""
        items = world.ask("GET", path + limit + shop)["items"]
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(items), len(asked)


@on_sqlite
def test_every_list_of_the_api_is_counted(app: Flask) -> None:
    assert _lists(app) == LISTS.keys() | NOT_OF_ROWS


def _see_each_on_a_day_of_its_own() -> None:
    for at, row in enumerate(db.session.scalars(select(Observation))):
        row.observed_at -= timedelta(days=at)
    db.session.commit()


@on_sqlite
@pytest.mark.parametrize("path", LISTS)
def test_a_list_takes_as_many_statements_for_fifty_rows_as_for_one(app: Flask, path: str) -> None:
    with app.app_context():
        restore_built_in(now=utc_now())
        me = add_person(email="me@example.org", permissions=frozenset(CATALOGUE))
    world = World(app, me, "me@example.org", token_of(app, me), frozenset(CATALOGUE))
    named = LISTS[path](world)
    address = re.sub(r"{(\w+)}", lambda found: str(named[found[1]]), path)
    _ask(world, address)  # who asks is known from now on
    few, statements = _ask(world, address)
    assert few >= 1
    with app.app_context():
        multiply(COPIES, but=next((table for part, table in BELOW.items() if part in path), None))
        if path.endswith("/days"):
            _see_each_on_a_day_of_its_own()
    many, statements_of_many = _ask(world, address)
    assert many >= min(few * (COPIES + 1), 100)
    assert statements_of_many == statements
