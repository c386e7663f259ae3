"""The product master over HTTP: what it takes, what it refuses, and that a refusal changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.products.conftest import LAMP, URL, Send, changes, stored
from tests.servers import on_sqlite


def test_a_product_is_created_and_found_at_its_location(send: Send) -> None:
    made = send("POST", URL, LAMP | {"asin": "b0cw1a0001", "name": "  Reading lamp "})
    assert made.status_code == 201
    body = made.get_json()
    assert {name: body[name] for name in LAMP} == LAMP
    assert (body["currency"], body["version"], made.headers["ETag"]) == ("USD", 1, '"v1"')
    found = send("GET", made.headers["Location"])
    assert (found.status_code, found.get_json(), found.headers["ETag"]) == (200, body, '"v1"')


def test_what_may_be_left_out_has_defaults(send: Send) -> None:
    made = send("POST", URL, {"asin": "B0CW1A0002", "name": "Lamp", "price": "5", "currency": "USD"}).get_json()
    assert (made["brand"], made["description"], made["is_active"], made["price"]) == (None, "", True, "5.00")
    assert send("POST", URL, LAMP | {"brand": ""}).get_json()["brand"] is None


@pytest.mark.parametrize(
    ("part", "pointers"),
    [
        ({"asin": "B0CW1A000"}, ["/asin"]),
        ({"asin": "B0CW1A000!"}, ["/asin"]),
        ({"asin": None}, ["/asin"]),
        ({"name": ""}, ["/name"]),
        ({"name": "x" * 501}, ["/name"]),
        ({"name": "a\u0000b"}, ["/name"]),
        ({"brand": "x" * 256}, ["/brand"]),
        ({"description": "x" * 10_001}, ["/description"]),
        ({"price": "3.505"}, ["/price"]),
        ({"price": "-1"}, ["/price"]),
        ({"price": "1,299.00"}, ["/price"]),
        ({"price": "free"}, ["/price"]),
        ({"price": "9" * 41}, ["/price"]),
        ({"price": "9" * 16 + "0"}, ["/price"]),
        ({"price": 12.5}, ["/price"]),
        ({"price": 12}, ["/price"]),
        ({"price": None}, ["/price"]),
        ({"currency": "EUR"}, ["/currency"]),
        ({"currency": "dollar"}, ["/currency"]),
        ({"is_active": "yes"}, ["/is_active"]),
        ({"colour": "red", "id": 5, "version": 3}, ["/colour", "/id", "/version"]),
        ({"asin": "x", "name": "", "price": "3.505", "colour": "red"}, ["/asin", "/colour", "/name", "/price"]),
    ],
)
@on_sqlite
def test_a_product_that_breaks_a_rule_is_refused_by_field(
    app: Flask, send: Send, part: dict[str, Any], pointers: list[str]
) -> None:
    send("POST", URL, LAMP | {"asin": "B0CW1A0009"})
    before = stored(app)
    for answer in (send("POST", URL, LAMP | part), send("PUT", f"{URL}/1", LAMP | part, version=1)):
        assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
        assert sorted(error["pointer"] for error in answer.get_json()["errors"]) == pointers
    assert stored(app) == before


@on_sqlite
def test_missing_fields_are_named(app: Flask, send: Send) -> None:
    answer = send("POST", URL, {})
    assert sorted(error["pointer"] for error in answer.get_json()["errors"]) == ["/asin", "/name", "/price"]
    assert stored(app)["products"] == []


@pytest.mark.parametrize(
    "query",
    ["colour=red", "limit=0", "limit=101", "is_active=maybe", "asin=short", "brand=", "brand=a%00b", "cursor=x"],
)
@on_sqlite
def test_a_list_refuses_parameters_it_does_not_know(send: Send, query: str) -> None:
    answer = send("GET", f"{URL}?{query}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [f"/{query.partition('=')[0]}"]


def test_the_same_asin_twice_is_a_conflict_and_changes_nothing(app: Flask, send: Send) -> None:
    send("POST", URL, LAMP)
    before = stored(app)
    answer = send("POST", URL, LAMP | {"name": "Another", "asin": "b0cw1a0001"})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "ASIN_TAKEN")
    assert stored(app) == before


def test_a_change_writes_one_row_of_history_per_attribute(app: Flask, send: Send, admin: Any) -> None:
    send("POST", URL, LAMP)
    changed = LAMP | {"name": "Floor lamp", "price": "13", "brand": None, "is_active": False}
    answer = send("PUT", f"{URL}/{only_id(app)}", changed, version=1, X_Request_Id="request-0001")
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"v2"'
    assert answer.get_json()["price"] == "13.00"
    assert changes(app) == [
        ("name", "Reading lamp", "Floor lamp"),
        ("brand", "Lumo", None),
        ("price", "12.50 USD", "13.00 USD"),
        ("is_active", "true", "false"),
    ]
    for row in stored(app)["updates"][1:]:
        assert (row["source"], row["asin"], row["actor_kind"], row["actor_id"], row["request_id"]) == (
            "api",
            "B0CW1A0001",
            "user",
            admin.id,
            "request-0001",
        )
        assert row["created_at"] == stored(app)["products"][0]["updated_at"]


def test_a_change_of_nothing_leaves_version_and_history_alone(app: Flask, send: Send) -> None:
    send("POST", URL, LAMP)
    before = stored(app)
    answer = send("PUT", f"{URL}/{only_id(app)}", LAMP | {"price": "12.5"}, version=1)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"v1"')
    assert stored(app) == before


def test_a_change_based_on_an_old_version_is_refused_and_changes_nothing(app: Flask, send: Send) -> None:
    send("POST", URL, LAMP)
    address = f"{URL}/{only_id(app)}"
    send("PUT", address, LAMP | {"name": "First"}, version=1)
    before = stored(app)
    for answer in (send("PUT", address, LAMP | {"name": "Second"}, version=1), send("DELETE", address, version=1)):
        assert (answer.status_code, answer.get_json()["code"]) == (412, "PRODUCT_CHANGED")
    assert stored(app) == before


@on_sqlite
def test_a_change_must_say_which_version_it_is_based_on(app: Flask, send: Send) -> None:
    send("POST", URL, LAMP)
    before = stored(app)
    address = f"{URL}/{only_id(app)}"
    for answer in (send("PUT", address, LAMP | {"name": "x"}), send("DELETE", address)):
        assert (answer.status_code, answer.get_json()["code"]) == (428, "VERSION_REQUIRED")
    refused = {"": 428, "*": 428, "v1": 400, '"v1", "v2"': 400, '"w1"': 412, '"1"': 412, '"v-1"': 412}
    for etag, status in refused.items():
        assert (etag, send("DELETE", address, If_Match=etag).status_code) == (etag, status)
    assert stored(app) == before


def test_an_asin_can_be_corrected_but_not_to_one_in_use(app: Flask, send: Send) -> None:
    send("POST", URL, LAMP)
    send("POST", URL, LAMP | {"asin": "B0CW1A0002"})
    first = only_id(app)
    before = stored(app)
    refused = send("PUT", f"{URL}/{first}", LAMP | {"asin": "B0CW1A0002"}, version=1)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "ASIN_TAKEN")
    assert stored(app) == before
    assert send("PUT", f"{URL}/{first}", LAMP | {"asin": "B0CW1A0003"}, version=1).status_code == 200
    assert changes(app) == [("asin", "B0CW1A0001", "B0CW1A0003")]


def test_a_deleted_product_is_gone_but_its_history_stays(app: Flask, send: Send) -> None:
    send("POST", URL, LAMP)
    address = f"{URL}/{only_id(app)}"
    answer = send("DELETE", address, version=1)
    assert (answer.status_code, answer.data) == (204, b"")
    assert send("GET", URL).get_json()["items"] == []
    for gone in (send("GET", address), send("PUT", address, LAMP, version=2), send("DELETE", address, version=2)):
        assert (gone.status_code, gone.get_json()["code"]) == (404, "PRODUCT_NOT_FOUND")
    kept = send("GET", f"{address}/history").get_json()["items"]
    assert [(row["attribute"], row["previous_attribute"], row["current_attribute"]) for row in kept] == [
        ("is_deleted", "false", "true"),
        ("is_deleted", None, "false"),
    ]


def test_a_deleted_product_comes_back_with_its_id_and_history(app: Flask, send: Send) -> None:
    send("POST", URL, LAMP)
    product_id = only_id(app)
    send("DELETE", f"{URL}/{product_id}", version=1)
    again = send("POST", URL, LAMP | {"price": "14.00"})
    assert again.status_code == 201
    assert (again.get_json()["id"], again.get_json()["price"]) == (product_id, "14.00")
    assert again.headers["ETag"] != '"v1"'
    assert changes(app) == [
        ("is_deleted", "false", "true"),
        ("is_deleted", "true", "false"),
        ("price", "12.50 USD", "14.00 USD"),
    ]
    actions = [(row["action"], row["subject_id"]) for row in stored(app)["audit"]]
    assert actions == [(f"product.{verb}", product_id) for verb in ("create", "delete", "create")]


@on_sqlite
def test_who_knows_the_version_gets_no_body(app: Flask, send: Send) -> None:
    send("POST", URL, LAMP)
    address = f"{URL}/{only_id(app)}"
    for known in ('"v1"', 'W/"v1"', '"v0", "v1"', "*"):
        answer = send("GET", address, If_None_Match=known)
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", '"v1"')
    assert send("GET", address, If_None_Match='"v2"').status_code == 200
    send("PUT", address, LAMP | {"name": "x"}, version=1)
    assert send("GET", address, If_None_Match='"v1"').get_json()["name"] == "x"


def test_pages_show_every_product_once_and_filters_narrow_them(send: Send) -> None:
    for at in range(7):
        part = {"asin": f"B0CW1A000{at}", "brand": "Lumo" if at % 2 else "lumo", "is_active": at < 5}
        assert send("POST", URL, LAMP | part).status_code == 201
    seen: list[str] = []
    cursor = ""
    while True:
        page = send("GET", f"{URL}?limit=3{cursor}").get_json()
        assert len(page["items"]) <= 3
        seen += [item["asin"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"B0CW1A000{at}" for at in range(7)]

    def asins(query: str) -> list[int]:
        return [int(item["asin"][-1]) for item in send("GET", f"{URL}?{query}").get_json()["items"]]

    assert asins("brand=Lumo") == [1, 3, 5]
    assert asins("is_active=false") == [5, 6]
    assert asins("brand=lumo&is_active=true") == [0, 2, 4]
    assert asins("asin=b0cw1a0003") == [3]
    assert asins("asin=B0CW1A0009") == []


@on_sqlite
@pytest.mark.parametrize("identifier", ["0", "4711", "9223372036854775807", "99999999999999999999999"])
def test_a_product_that_is_not_there_is_not_found(send: Send, identifier: str) -> None:
    for suffix in ("", "/history"):
        answer = send("GET", f"{URL}/{identifier}{suffix}")
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def only_id(app: Flask) -> int:
    """The id of the first product."""
    product_id: int = stored(app)["products"][0]["id"]
    return product_id
