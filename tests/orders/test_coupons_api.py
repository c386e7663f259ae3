"""Coupons over HTTP: made, found, changed by who has seen them last, deleted and brought back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.fields import utc_text
from app.core.orm import utc_now
from app.orders.models.coupons import Coupon
from app.orders.models.orders import OrderState
from app.orders.services.coupons.claiming import claim, give_back
from tests.conftest import AppWith
from tests.orders.making import make_order
from tests.orders.shopping import everything_of, together
from tests.servers import on_sqlite

URL: Final = "/api/v1/coupons"
HOUR: Final = timedelta(hours=1)
Send = Callable[..., TestResponse]
Make = Callable[..., Any]


@pytest.fixture
def send(client: FlaskClient, auth_headers: dict[str, str]) -> Send:
    """Sends a request as the administrator: ``send("PATCH", "/1", {...}, version=1)``."""

    def request(method: str, path: str = "", body: Any = None, *, version: int | None = None, **query: Any) -> Any:
        stated = {} if version is None else {"If-Match": f'"v{version}"'}
        return client.open(
            URL + path, method=method, json=body, headers=auth_headers | stated, query_string=query or None
        )

    return request


@pytest.fixture
def make(send: Send) -> Make:
    """Makes a coupon of 10 %, or as it is said; the answer's body."""

    def post(code: str = "WELCOME", **values: Any) -> Any:
        offer = {} if "amount" in values else {"percent": "10"}
        answer = send("POST", "", {"code": code} | offer | values)
        assert answer.status_code == 201, answer.text
        return answer.get_json()

    return post


def stored(app: Flask) -> Any:
    return everything_of(app, Coupon, AuditEvent)


def use(app: Flask, code: str = "WELCOME", *, email: str = "ada@example.org") -> int:
    """An order in checkout that uses a coupon; its id."""
    with app.app_context():
        order_id = make_order(2, state=OrderState.DRAFT, discount_minor=200).id
        claim(order_id=order_id, code=code, email=email, subtotal_minor=2000, currency="USD", now=utc_now())
        return order_id


def pointers(answer: TestResponse) -> list[str]:
    return [error["pointer"] for error in answer.get_json()["errors"]]


def test_a_coupon_is_made_shown_and_written_down(app: Flask, send: Send) -> None:
    body = {
        "code": " spring-10_a ", "description": "For spring", "percent": "12.5", "minimum": "20.00",
        "starts_at": "2026-03-01T00:00:00+01:00", "ends_at": "2100-04-01T00:00:00Z", "max_uses": 500,
        "max_per_customer": 1, "currency": "USD",
    }  # fmt: skip
    answer = send("POST", "", body)
    assert answer.status_code == 201, answer.text
    made = answer.get_json()
    assert made == {
        "id": made["id"], "code": "SPRING-10_A", "description": "For spring", "kind": "percent", "percent": "12.5",
        "amount": None, "currency": "USD", "minimum": "20.00", "starts_at": "2026-02-28T23:00:00.000000Z",
        "ends_at": "2100-04-01T00:00:00.000000Z", "max_uses": 500, "max_per_customer": 1, "used": 0, "is_active": True,
        "state": "usable", "deleted_at": None, "version": 1, "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }  # fmt: skip
    assert answer.headers["ETag"] == '"v1"'
    assert answer.headers["Location"].endswith(f"{URL}/{made['id']}")
    assert send("GET", f"/{made['id']}").get_json() == made
    with app.app_context():
        event = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "coupon.create")).one()
        assert (event.subject_kind, event.subject_id) == ("coupon", made["id"])
        assert (event.after or {})["percent_ppm"] == 125_000


def test_a_coupon_of_an_amount_is_in_the_shops_currency(send: Send, make: Make) -> None:
    made = make("FIVE", amount="5.00")
    assert (made["kind"], made["percent"], made["amount"], made["currency"]) == ("fixed", None, "5.00", "USD")
    assert (made["minimum"], made["max_uses"], made["starts_at"]) == ("0.00", None, None)


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"code": "AB"}, "/code"),
        ({"code": "A" * 41}, "/code"),
        ({"code": "TEN PERCENT"}, "/code"),
        ({"code": "TÊTE"}, "/code"),
        ({"code": "straße"}, "/code"),
        ({"code": 10}, "/code"),
        ({"code": None}, "/code"),
        ({"percent": "0"}, "/percent"),
        ({"percent": "100.0001"}, "/percent"),
        ({"percent": "-5"}, "/percent"),
        ({"percent": "10.00001"}, "/percent"),
        ({"percent": "10%"}, "/percent"),
        ({"percent": 10}, "/percent"),
        ({"percent": None}, "/percent"),
        ({"percent": "10", "amount": "5.00"}, "/amount"),
        ({"percent": ...}, "/percent"),
        ({"percent": ..., "amount": "0.00"}, "/amount"),
        ({"percent": ..., "amount": "-1.00"}, "/amount"),
        ({"percent": ..., "amount": "1.005"}, "/amount"),
        ({"percent": ..., "amount": "1e3"}, "/amount"),
        ({"percent": ..., "amount": 5}, "/amount"),
        ({"percent": ..., "amount": "9" * 17}, "/amount"),
        ({"percent": ..., "amount": "5.00", "currency": "EUR"}, "/currency"),
        ({"minimum": "-1"}, "/minimum"),
        ({"starts_at": "2026-03-01T00:00:00"}, "/starts_at"),
        ({"starts_at": "2026-03-02T00:00:00Z", "ends_at": "2026-03-01T00:00:00Z"}, "/ends_at"),
        ({"starts_at": "2026-03-02T00:00:00Z", "ends_at": "2026-03-02T00:00:00Z"}, "/ends_at"),
        ({"ends_at": "9999-12-31T00:00:00Z"}, "/ends_at"),
        ({"max_uses": 0}, "/max_uses"),
        ({"max_uses": -5}, "/max_uses"),
        ({"max_uses": 10**9 + 1}, "/max_uses"),
        ({"max_uses": 1.5}, "/max_uses"),
        ({"max_per_customer": 0}, "/max_per_customer"),
        ({"is_active": "yes"}, "/is_active"),
        ({"description": "x" * 201}, "/description"),
        ({"used": 3}, "/used"),
    ],
    ids=str,
)
def test_a_coupon_that_breaks_a_rule_is_refused_at_the_field(
    app: Flask, send: Send, changes: dict[str, Any], where: str
) -> None:
    body = {"code": "WELCOME", "percent": "10"} | changes
    before = stored(app)
    answer = send("POST", "", {name: value for name, value in body.items() if value is not ...})
    assert (answer.status_code, pointers(answer)) == (422, [where])
    assert stored(app) == before


def test_a_code_that_is_taken_is_refused_also_in_small_letters_and_by_a_deleted_one(
    app: Flask, send: Send, make: Make
) -> None:
    first, gone = make("WELCOME")["id"], make("GONE")["id"]
    assert send("DELETE", f"/{gone}", version=1).status_code == 204
    before = stored(app)
    for code, taken_by, is_deleted in (("welcome", first, False), ("GONE", gone, True)):
        answer = send("POST", "", {"code": code, "percent": "20"})
        problem = answer.get_json()
        assert (answer.status_code, problem["code"], pointers(answer)) == (409, "COUPON_CODE_TAKEN", ["/code"])
        assert (problem["coupon_id"], problem["is_deleted"]) == (taken_by, is_deleted)
    assert stored(app) == before


def test_of_many_who_make_the_same_code_at_once_one_does(app: Flask, auth_headers: dict[str, str]) -> None:
    body = {"code": "WELCOME", "percent": "10"}
    post = partial(lambda: app.test_client().post(URL, json=body, headers=auth_headers).status_code)
    assert sorted(together(*[post] * 6)) == [201] + [409] * 5
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Coupon)) == 1


def test_a_coupon_is_changed_by_who_has_seen_it_last(app: Flask, send: Send, make: Make) -> None:
    path = f"/{make()['id']}"
    changed = send("PATCH", path, {"max_uses": 5, "ends_at": "2100-01-01T00:00:00Z"}, version=1)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')
    assert (changed.get_json()["max_uses"], changed.get_json()["percent"]) == (5, "10")
    before = stored(app)
    assert send("PATCH", path, {"max_uses": 6}).status_code == 428
    stale = send("PATCH", path, {"max_uses": 6}, version=1)
    assert (stale.status_code, stale.get_json()["code"]) == (412, "COUPON_CHANGED")
    assert send("DELETE", path, version=1).status_code == 412
    same = send("PATCH", path, {"max_uses": 5}, version=2)
    assert (same.status_code, same.get_json()["version"]) == (200, 2)
    assert stored(app) == before
    assert send("PATCH", path, {"max_uses": None, "ends_at": None}, version=2).get_json()["max_uses"] is None


def test_a_percentage_and_an_amount_take_each_others_place(send: Send, make: Make) -> None:
    path = f"/{make()['id']}"
    fixed = send("PATCH", path, {"amount": "5.00"}, version=1).get_json()
    assert (fixed["kind"], fixed["percent"], fixed["amount"]) == ("fixed", None, "5.00")
    percent = send("PATCH", path, {"percent": "0.0001"}, version=2).get_json()
    assert (percent["kind"], percent["percent"], percent["amount"]) == ("percent", "0.0001", None)


@on_sqlite
def test_a_code_cannot_be_changed(app: Flask, send: Send, make: Make) -> None:
    path = f"/{make()['id']}"
    before = stored(app)
    answer = send("PATCH", path, {"code": "OTHER"}, version=1)
    assert (answer.status_code, pointers(answer)) == (422, ["/code"])
    assert stored(app) == before


def test_a_limit_below_what_was_used_is_refused(app: Flask, send: Send, make: Make) -> None:
    path = f"/{make(max_uses=5)['id']}"
    for name in ("ada", "bob", "eve"):
        use(app, email=f"{name}@example.org")
    before = stored(app)
    answer = send("PATCH", path, {"max_uses": 2}, version=1)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "COUPON_USED_MORE_OFTEN")
    assert (answer.get_json()["used"], pointers(answer)) == (3, ["/max_uses"])
    assert stored(app) == before
    lowered = send("PATCH", path, {"max_uses": 3}, version=1).get_json()
    assert (lowered["max_uses"], lowered["used"], lowered["state"]) == (3, 3, "used_up")


@on_sqlite
def test_a_time_that_would_end_before_it_begins_is_refused_by_what_is_stored(
    app: Flask, send: Send, make: Make
) -> None:
    path = f"/{make(starts_at='2026-03-02T00:00:00Z')['id']}"
    before = stored(app)
    answer = send("PATCH", path, {"ends_at": "2026-03-01T00:00:00Z"}, version=1)
    assert (answer.status_code, pointers(answer)) == (422, ["/ends_at"])
    assert stored(app) == before


@on_sqlite
def test_amounts_of_a_coupon_from_before_a_change_of_currency_stay_as_they_are(
    make: Make, app_with: AppWith, auth_headers: dict[str, str]
) -> None:
    path = f"{URL}/{make('FIVE', amount='5.00')['id']}"
    app = app_with(currency="EUR")
    before = stored(app)
    headers = auth_headers | {"If-Match": '"v1"'}
    for name in ("amount", "minimum"):
        answer = app.test_client().patch(path, json={name: "6.00"}, headers=headers)
        assert (answer.status_code, pointers(answer)) == (422, [f"/{name}"])
    assert stored(app) == before
    other = app.test_client().patch(path, json={"is_active": False}, headers=headers)
    assert (other.status_code, other.get_json()["currency"]) == (200, "USD")


def test_a_deleted_coupon_is_in_no_list_and_comes_back_with_its_uses(app: Flask, send: Send, make: Make) -> None:
    coupon_id = make()["id"]
    order_id = use(app)
    assert send("DELETE", f"/{coupon_id}", version=1).status_code == 204
    assert send("GET", f"/{coupon_id}").get_json()["code"] == "COUPON_NOT_FOUND"
    assert send("PATCH", f"/{coupon_id}", {"max_uses": 9}, version=2).status_code == 404
    assert send("DELETE", f"/{coupon_id}", version=2).status_code == 404
    assert send("GET").get_json()["items"] == []
    (listed,) = send("GET", is_deleted="true").get_json()["items"]
    assert (listed["id"], listed["used"], listed["deleted_at"] is not None) == (coupon_id, 1, True)
    (kept,) = send("GET", f"/{coupon_id}/uses").get_json()["items"]
    assert kept["order_number"] == str(100_000 + order_id)
    restored = send("POST", f"/{coupon_id}/restore")
    assert (restored.status_code, restored.headers["ETag"]) == (200, '"v3"')
    assert (restored.get_json()["used"], restored.get_json()["deleted_at"]) == (1, None)
    again = send("POST", f"/{coupon_id}/restore")
    assert (again.status_code, again.get_json()["code"]) == (409, "COUPON_NOT_DELETED")
    assert send("POST", "/404/restore").status_code == 404
    with app.app_context():
        actions = sa.select(AuditEvent.action).where(AuditEvent.subject_kind == "coupon").order_by(AuditEvent.id)
        assert list(db.session.scalars(actions)) == ["coupon.create", "coupon.delete", "coupon.restore"]


def test_coupons_are_found_by_what_they_begin_with_their_kind_and_whether_they_count(
    app: Flask, send: Send, make: Make
) -> None:
    now = utc_now()
    make("SPRING_A")
    make("SPRINGXB", amount="1.00")
    make("SOON", starts_at=utc_text(now + HOUR))
    make("OVER", starts_at=utc_text(now - HOUR), ends_at=utc_text(now))
    make("OFF", is_active=False)
    make("SPENT", max_uses=1)
    use(app, "SPENT")

    def found(**which: str) -> list[str]:
        return [row["code"] for row in send("GET", "", **which).get_json()["items"]]

    assert found() == ["SPENT", "OFF", "OVER", "SOON", "SPRINGXB", "SPRING_A"]
    assert found(code="spring") == ["SPRINGXB", "SPRING_A"]
    assert found(code="spring_") == ["SPRING_A"]
    assert found(code="%") == []
    assert found(kind="fixed") == ["SPRINGXB"]
    states = {"scheduled": "SOON", "expired": "OVER", "inactive": "OFF", "used_up": "SPENT"}
    assert {state: found(state=state) for state in states} == {state: [code] for state, code in states.items()}
    assert found(state="usable") == ["SPRINGXB", "SPRING_A"]
    shown = {row["code"]: row["state"] for row in send("GET").get_json()["items"]}
    assert shown == {code: state for state, code in states.items()} | {"SPRINGXB": "usable", "SPRING_A": "usable"}


def test_walking_the_pages_meets_every_coupon_and_every_use_once(app: Flask, send: Send, make: Make) -> None:
    codes = [make(f"CODE-{at}")["code"] for at in range(5)]
    orders = [str(100_000 + use(app, "CODE-0", email=f"b{at}@example.org")) for at in range(5)]

    def walk(path: str, name: str) -> list[str]:
        walked: list[str] = []
        query: dict[str, Any] = {"limit": 2}
        for _ in range(4):
            page = send("GET", path, **query).get_json()
            walked += [row[name] for row in page["items"]]
            if page["next_cursor"] is None:
                return walked
            query["cursor"] = page["next_cursor"]
        raise AssertionError("the list has no end")

    assert walk("", "code") == codes[::-1]
    first = send("GET", code="CODE-0").get_json()["items"][0]["id"]
    assert walk(f"/{first}/uses", "order_number") == orders[::-1]


def test_uses_say_which_order_how_far_it_is_and_what_it_saved_but_not_whose_it_is(
    app: Flask, send: Send, make: Make
) -> None:
    coupon_id = make()["id"]
    kept, gone = use(app), use(app, email="bob@example.org")
    with app.app_context():
        give_back(order_id=gone)
    (shown,) = send("GET", f"/{coupon_id}/uses").get_json()["items"]
    assert shown == {
        "order_number": str(100_000 + kept), "state": "DRAFT", "discount": "2.00", "currency": "USD",
        "created_at": shown["created_at"],
    }  # fmt: skip
    assert send("GET", f"/{coupon_id}").get_json()["used"] == 1
    assert send("GET", "/404/uses").get_json()["code"] == "COUPON_NOT_FOUND"


@on_sqlite
def test_uses_do_not_make_what_somebody_edits_stale(app: Flask, send: Send, make: Make) -> None:
    path = f"/{make()['id']}"
    use(app)
    assert send("PATCH", path, {"max_uses": 9}, version=1).status_code == 200
