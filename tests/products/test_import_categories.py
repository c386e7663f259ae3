"""Categories that an import makes: only such as anybody could make, no more than a dry run promises."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from app.core.errors import Invalid
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import system
from app.operations.services import leases
from app.products.models.categories import MAX_CATEGORIES, Category
from app.products.services.categories import create_category, update_category
from app.products.services.imports import categories as import_categories
from tests.products.conftest import stored
from tests.products.operating import Import, begin, row_of, work
from tests.servers import on_sqlite

IMPOSSIBLE = {
    "too long": "L" * 121,
    "far too long": "L" * 300,
    "nothing in the middle": "A >  > B",
    "nothing at all": " > ",
    "nothing first": "> X",
    "too deep": " > ".join("ABCDEFGHIJK"),
    "invisible": "\u200b",
}


def lines(*categories: str) -> str:
    rows = [
        {"asin": f"B{at:09}", "name": "Kettle", "price": "1.00", "categories": [name] if name else []}
        for at, name in enumerate(categories)
    ]
    return "".join(orjson.dumps(row).decode() + "\n" for row in rows)


def names(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(Category.name).order_by(Category.id)))


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_a_category_that_nobody_could_make_refuses_its_row_and_no_other(
    app: Flask, imported: Import, case: str
) -> None:
    text = lines(IMPOSSIBLE[case], "", "Kitchen > Kettles")
    dry = imported(text, "a.jsonl", create_categories="true")
    done = imported(text, "a.jsonl", create_categories="true", run="true")
    for shown in (dry, done):
        assert shown["counts"] == {"new": 2, "changed": 0, "unchanged": 0, "refused": 1}
    assert done["state"] == "COMPLETED_WITH_ERRORS"
    assert [row["asin"] for row in stored(app)["products"]] == ["B000000001", "B000000002"]
    assert names(app) == ["Kitchen", "Kettles"]


@on_sqlite
@pytest.mark.parametrize("name", ["", "  ", "L" * 121, "a\x00b", "\u200b"])
def test_no_category_gets_a_name_that_breaks_the_rules_whoever_asks(app: Flask, name: str) -> None:
    with app.app_context():
        made = create_category(actor=system(), now=utc_now(), name="Kitchen")
        with pytest.raises(Invalid):
            create_category(actor=system(), now=utc_now(), name=name)
        with pytest.raises(Invalid):
            update_category(actor=system(), now=utc_now(), category_id=made.id, expected_version=1, name=name)
    assert names(app) == ["Kitchen"]


@on_sqlite
def test_an_import_makes_no_more_categories_than_a_dry_run_promises_in_all_its_slices(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_categories, "MAX_NEW_CATEGORIES", 3)
    monkeypatch.setattr("app.products.services.imports.writing.CHUNK", 2)
    text = lines(*(f"Room {at}" for at in range(6)), "room 0")
    operation_id = begin(app, text, name="a.jsonl", run=True, create_categories=True)
    assert work(app, operation_id, slice_s=-1) == "COMPLETED_WITH_ERRORS"
    row = row_of(app, operation_id)
    assert (row["new_count"], row["refused_count"]) == (4, 3)
    assert names(app) == ["Room 0", "Room 1", "Room 2"]


@on_sqlite
def test_where_there_are_as_many_categories_as_there_may_be_one_try_is_enough(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        rows: list[Any] = [
            {"name": f"n{at}", "slug": f"n{at}", "position": at, "created_at": utc_now(), "updated_at": utc_now()}
            for at in range(MAX_CATEGORIES)
        ]
        db.session.execute(insert(Category), rows)
        db.session.commit()
    tried: list[str] = []
    make = create_category

    def counting(**values: Any) -> Any:
        tried.append(values["name"])
        return make(**values)

    beaten: list[int] = []
    beat = leases.beat

    def beating(**values: Any) -> None:
        beaten.append(values["done"])
        beat(**values)

    monkeypatch.setattr("app.products.services.categories.create_category", counting)
    monkeypatch.setattr(leases, "beat", beating)
    monkeypatch.setattr(import_categories, "BEAT_S", -1)
    text = lines(*(f"z{at}" for at in range(20)), "n7")
    operation_id = begin(app, text, name="a.jsonl", run=True, create_categories=True)
    assert work(app, operation_id) == "COMPLETED_WITH_ERRORS"
    row = row_of(app, operation_id)
    assert (row["new_count"], row["refused_count"], tried, beaten) == (1, 20, ["z0"], [0])
    with app.app_context():
        assert db.session.scalar(select(func.count(Category.id))) == MAX_CATEGORIES
