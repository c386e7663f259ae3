"""Categories over HTTP: what is answered, what is refused, and that a refusal changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.products.models.categories import MAX_CATEGORIES, Category, CategoryTree, ProductCategory
from app.products.services.products import delete_product
from tests.products.categories import add_category, add_chain, add_product, found_in, order_of, statements, wrongs
from tests.products.conftest import Send, changes, row_values
from tests.servers import on_sqlite

URL = "/api/v1/categories"
TREE = f"{URL}/tree"


def kept(app: Flask) -> dict[str, list[Any]]:
    """Every row that has to do with categories."""
    with app.app_context():
        audited = select(AuditEvent).where(AuditEvent.subject_kind == "category")
        rows = {
            "categories": select(Category).order_by(Category.id),
            "tree": select(CategoryTree),
            "products": select(ProductCategory).order_by(ProductCategory.category_id, ProductCategory.product_id),
            "audit": audited.order_by(AuditEvent.id),
        }
        return {name: [row_values(row) for row in db.session.scalars(wanted)] for name, wanted in rows.items()}


def outline(items: list[dict[str, Any]]) -> dict[str, Any]:
    """A tree as nested names."""
    return {item["name"]: outline(item["children"]) for item in items}


def test_a_category_is_made_and_found_with_what_is_above_it(app: Flask, send: Send) -> None:
    top = send("POST", URL, {"name": " Kitchen "}).get_json()
    made = send("POST", URL, {"name": "Kettles", "parent_id": top["id"]})
    assert made.status_code == 201
    body = made.get_json()
    assert (body["name"], body["slug"], body["parent_id"], body["version"]) == ("Kettles", "kettles", top["id"], 1)
    assert body["ancestors"] == [{"id": top["id"], "name": "Kitchen", "slug": "kitchen"}]
    found = send("GET", made.headers["Location"])
    assert (found.get_json(), found.headers["ETag"]) == (body, '"v1"')
    assert send("GET", made.headers["Location"], If_None_Match='"v1"').status_code == 304
    assert [(event["action"], event["after"]) for event in kept(app)["audit"]] == [
        ("category.create", {"name": "Kitchen", "slug": "kitchen", "parent_id": None}),
        ("category.create", {"name": "Kettles", "slug": "kettles", "parent_id": top["id"]}),
    ]


def test_a_rename_counts_up_the_versions_of_all_that_is_shown_below_it(app: Flask, send: Send) -> None:
    with app.app_context():
        top, middle, low = add_chain("a", "b", "c")
        beside = add_category("d")
    assert send("PATCH", f"{URL}/{top}", {"name": "z"}, version=1).get_json()["slug"] == "a"
    shown = send("GET", f"{URL}/{low}", If_None_Match='"v1"')
    assert [above["name"] for above in shown.get_json()["ancestors"]] == ["z", "b"]
    versions = [send("GET", f"{URL}/{id_}").get_json()["version"] for id_ in (top, middle, low, beside)]
    assert versions == [2, 2, 2, 1]
    assert send("PATCH", f"{URL}/{low}", {"name": "x"}, version=1).get_json()["code"] == "CATEGORY_CHANGED"


def test_a_change_that_changes_nothing_leaves_no_trace(app: Flask, send: Send) -> None:
    with app.app_context():
        add_category("a")
        id_ = add_category("b")
    before = kept(app)
    same = {"name": "b", "slug": "b", "parent_id": None, "position": 1}
    answer = send("PATCH", f"{URL}/{id_}", same, version=1)
    assert (answer.status_code, answer.get_json()["version"]) == (200, 1)
    assert kept(app) == before


def test_siblings_are_reordered_one_at_a_time(app: Flask, send: Send) -> None:
    with app.app_context():
        ids = {name: add_category(name) for name in "abcd"}
        assert order_of(None) == list("abcd")
    send("PATCH", f"{URL}/{ids['d']}", {"position": 0}, version=1)
    send("PATCH", f"{URL}/{ids['a']}", {"position": 3}, version=1)
    send("PATCH", f"{URL}/{ids['c']}", {"position": 1}, version=1)
    send("POST", URL, {"name": "e", "position": 2})
    with app.app_context():
        assert order_of(None) == list("dceba")
    assert send("GET", f"{URL}/{ids['b']}").get_json()["version"] == 1
    event = kept(app)["audit"][-2]
    assert (event["before"]["position"], event["after"]["position"]) == (2, 1)


def test_a_moved_category_is_behind_its_new_siblings_unless_it_says_where(app: Flask, send: Send) -> None:
    with app.app_context():
        first, second = add_category("first"), add_category("second")
        for name in "ab":
            add_category(name, first)
        ids = [add_category(name, second) for name in "cd"]
    send("PATCH", f"{URL}/{ids[0]}", {"parent_id": first}, version=1)
    send("PATCH", f"{URL}/{ids[1]}", {"parent_id": first, "position": 1}, version=1)
    with app.app_context():
        assert (order_of(first), order_of(second)) == (list("adbc"), [])


@on_sqlite
@pytest.mark.parametrize(
    ("part", "pointers"),
    [
        ({"name": ""}, ["/name"]),
        ({"name": "x" * 121}, ["/name"]),
        ({"name": "a\u0000"}, ["/name"]),
        ({"name": None}, ["/name"]),
        ({"slug": "Kettles"}, ["/slug"]),
        ({"slug": "a--b"}, ["/slug"]),
        ({"slug": "kettles\n"}, ["/slug"]),
        ({"slug": "x" * 141}, ["/slug"]),
        ({"parent_id": 0}, ["/parent_id"]),
        ({"parent_id": 999}, ["/parent_id"]),
        ({"parent_id": "1"}, ["/parent_id"]),
        ({"parent_id": 2**63}, ["/parent_id"]),
        ({"position": -1}, ["/position"]),
        ({"position": 2}, ["/position"]),
        ({"position": 1.5}, ["/position"]),
        ({"colour": "red", "id": 7}, ["/colour", "/id"]),
    ],
)
def test_a_category_that_breaks_a_rule_is_refused_by_field(
    app: Flask, send: Send, part: dict[str, Any], pointers: list[str]
) -> None:
    with app.app_context():
        id_ = add_category("a")
    before = kept(app)
    for method, url, version in (("POST", URL, None), ("PATCH", f"{URL}/{id_}", 1)):
        answer = send(method, url, {"name": "Kettles"} | part, version=version)
        assert answer.status_code == 422, answer.text
        assert sorted(error["pointer"].removesuffix("/0") for error in answer.get_json()["errors"]) == pointers
    assert kept(app) == before


def test_names_are_unique_among_siblings_in_any_case_and_slugs_in_the_whole_tree(app: Flask, send: Send) -> None:
    with app.app_context():
        top = add_category("STRASSE")
        other = add_category("Other")
        add_category("Lamps", top)
    before = kept(app)
    refused = [
        send("POST", URL, {"name": "straße"}),
        send("PATCH", f"{URL}/{other}", {"name": "Strasse"}, version=1),
        send("POST", URL, {"name": "Lights", "slug": "lamps"}),
        send("PATCH", f"{URL}/{other}", {"slug": "lamps"}, version=1),
    ]
    told = [(answer.status_code, answer.get_json()["code"]) for answer in refused]
    assert told == [(409, "CATEGORY_NAME_TAKEN")] * 2 + [(409, "CATEGORY_SLUG_TAKEN")] * 2
    assert kept(app) == before
    assert send("POST", URL, {"name": "lamps"}).get_json()["slug"] == "lamps-2"
    assert send("POST", URL, {"name": "Lamps", "parent_id": other}).get_json()["slug"] == "lamps-3"
    renamed = send("PATCH", f"{URL}/{other}", {"name": "Lamps & more", "slug": None}, version=1).get_json()
    assert renamed["slug"] == "lamps-more"


def test_a_category_cannot_be_below_itself(app: Flask, send: Send) -> None:
    with app.app_context():
        top, middle, low = add_chain("a", "b", "c")
    before = kept(app)
    for parent in (top, middle, low):
        answer = send("PATCH", f"{URL}/{top}", {"parent_id": parent}, version=1)
        problem = answer.get_json()
        assert (answer.status_code, problem["code"]) == (409, "CATEGORY_CYCLE")
        assert problem["errors"][0]["pointer"] == "/parent_id"
    assert kept(app) == before


def test_the_tree_has_at_most_ten_levels(app: Flask, send: Send) -> None:
    with app.app_context():
        deep = add_chain(*"abcdefghij")
        pair = add_chain("y", "z")
    before = kept(app)
    refused = [
        send("POST", URL, {"name": "k", "parent_id": deep[-1]}),
        send("PATCH", f"{URL}/{pair[0]}", {"parent_id": deep[8]}, version=1),
    ]
    assert [(answer.status_code, answer.get_json()["code"]) for answer in refused] == [(409, "CATEGORY_TOO_DEEP")] * 2
    assert kept(app) == before
    assert send("PATCH", f"{URL}/{pair[0]}", {"parent_id": deep[7]}, version=1).status_code == 200
    assert len(send("GET", f"{URL}/{pair[1]}").get_json()["ancestors"]) == 9


@on_sqlite
def test_there_are_at_most_ten_thousand_categories_and_the_tree_is_still_one_answer(app: Flask, send: Send) -> None:
    now = utc_now()
    named = [
        {"id": at, "name": f"c{at}", "slug": f"c{at}", "position": at, "parent_id": at // 10 or None}
        for at in range(1, MAX_CATEGORIES + 1)
    ]
    with app.app_context():
        fill = in_transaction(
            lambda: db.session.execute(insert(Category), [row | {"created_at": now} for row in named])
        )
        fill()
    answer = send("POST", URL, {"name": "one more"})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "TOO_MANY_CATEGORIES")
    tree = send("GET", TREE)
    with app.app_context():
        assert db.session.scalar(select(Category.id).where(Category.name == "one more")) is None
    assert len(tree.get_json()["items"]) == 9
    assert tree.data.count(b'"slug"') == MAX_CATEGORIES


def test_the_list_pages_through_all_and_through_those_below_one(app: Flask, send: Send) -> None:
    with app.app_context():
        top = add_category("top")
        for name in "cab":
            add_category(name, top, position=0)
        add_category("last")
    assert [row["name"] for row in pages(send, URL)] == ["top", "c", "a", "b", "last"]
    assert [row["name"] for row in pages(send, f"{URL}?parent_id={top}")] == ["b", "a", "c"]
    assert [row["name"] for row in pages(send, f"{URL}?parent_id=0")] == ["top", "last"]
    assert send("GET", f"{URL}?parent_id=999").status_code == 404


def pages(send: Send, url: str) -> list[dict[str, Any]]:
    """All rows of a list, two by two."""
    url += "&limit=2" if "?" in url else "?limit=2"
    page = send("GET", url).get_json()
    found = list(page["items"])
    while page["next_cursor"]:
        page = send("GET", f"{url}&cursor={page['next_cursor']}").get_json()
        found += page["items"]
    return found


def test_the_tree_is_one_answer_that_is_new_at_once_after_every_change(app: Flask, send: Send) -> None:
    assert send("GET", TREE).get_json() == {"items": []}
    with app.app_context():
        top = add_category("top")
        low = add_category("low", top)
    etags = [send("GET", TREE).headers["ETag"]]
    assert outline(send("GET", TREE).get_json()["items"]) == {"top": {"low": {}}}
    assert send("GET", TREE, If_None_Match=etags[0]).status_code == 304
    for method, url, body, version, expected in (
        ("PATCH", f"{URL}/{low}", {"name": "lower"}, 1, {"top": {"lower": {}}}),
        ("PATCH", f"{URL}/{low}", {"parent_id": None, "position": 0}, 2, {"lower": {}, "top": {}}),
        ("PATCH", f"{URL}/{low}", {"position": 1}, 3, {"top": {}, "lower": {}}),
        ("POST", URL, {"name": "new"}, None, {"top": {}, "lower": {}, "new": {}}),
        ("DELETE", f"{URL}/{top}", None, 1, {"lower": {}, "new": {}}),
    ):
        assert send(method, url, body, version=version).status_code < 300
        shown = send("GET", TREE, If_None_Match=etags[-1])
        assert list(outline(shown.get_json()["items"]).items()) == list(expected.items())
        etags.append(shown.headers["ETag"])
    assert len(set(etags)) == 6


def test_the_tree_takes_the_same_queries_whatever_its_size_and_one_when_it_is_cached(app: Flask, send: Send) -> None:
    counts: list[tuple[int, ...]] = []
    for _ in range(3):
        with app.app_context():
            top = add_category(f"t{len(counts)}")
            for number in range(10):
                add_category(f"c{number}", top)
        with app.app_context(), statements() as seen:
            send("GET", TREE)
        with app.app_context(), statements() as again:
            send("GET", TREE)
        counts.append(
            (len([one for one in seen if "category" in one]), len([one for one in again if "category" in one]))
        )
    assert counts == [(2, 1)] * 3


def test_a_category_that_is_not_empty_stays_and_says_what_is_in_it(app: Flask, send: Send) -> None:
    with app.app_context():
        top, low = add_chain("top", "low")
        add_product(1, low)
        add_product(2, low)
    before = kept(app)
    above, below = send("DELETE", f"{URL}/{top}", version=1), send("DELETE", f"{URL}/{low}", version=1)
    told = [(answer.status_code, answer.get_json()["code"]) for answer in (above, below)]
    assert told == [(409, "CATEGORY_NOT_EMPTY")] * 2
    assert [(answer.get_json()["categories"], answer.get_json()["products"]) for answer in (above, below)] == [
        (1, 2),
        (0, 2),
    ]
    assert "1 category and 2 products" in above.get_json()["detail"]
    assert kept(app) == before


def test_a_deleted_product_leaves_a_deleted_category_with_history(app: Flask, send: Send) -> None:
    with app.app_context():
        kitchen, other = add_category("kitchen"), add_category("other")
        kettles = add_category("kettles", kitchen)
        product = add_product(1, kettles, other)
        delete_product(actor=system(), now=utc_now(), product_id=product, expected_version=1)
    assert send("DELETE", f"{URL}/{kettles}", version=1).status_code == 204
    assert ("categories", f"[{other},{kettles}]", f"[{other}]") in changes(app)
    with app.app_context():
        assert (found_in(kitchen), found_in(other), wrongs()) == ([], [product], [])
    assert send("GET", f"{URL}/{kettles}").status_code == 404


def test_changes_need_the_version_they_are_based_on(app: Flask, send: Send) -> None:
    with app.app_context():
        id_ = add_category("a")
    before = kept(app)
    for method, body in (("PATCH", {"name": "b"}), ("DELETE", None)):
        assert send(method, f"{URL}/{id_}", body).status_code == 428
        assert send(method, f"{URL}/{id_}", body, version=2).status_code == 412
        assert send(method, f"{URL}/999", body, version=1).status_code == 404
    assert kept(app) == before
