"""Taking imports back: what they added goes, unless people have worked on it since."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.errors import Refusal
from app.core.extensions import db
from app.core.orm import utc_now
from app.products.models.products import Product, ProductUpdate
from app.products.queries.bulk import BulkAction
from app.products.services.bulk.undoing import BULK, IMPORTS, submit_undo
from app.products.services.products import delete_product, patch_product
from tests.products.bulks import ACTOR, counts, operation, prices, queued, run, set_price
from tests.products.conftest import Send
from tests.products.operating import HEADER, Import, begin, work
from tests.products.stocking import adjust, buy, everything, receive

LAMP = "B0CW1A0001,Lamp,12.50\n"
KETTLE = "B0CW1A0002,Kettle,30.00\n"


def bring_in(app: Flask, *rows: str, header: str = HEADER) -> int:
    """Import a file for good; the number of the import."""
    import_id = begin(app, header + "".join(rows), run=True)
    assert work(app, import_id) == "COMPLETED"
    return import_id


def undo(operation_id: int) -> BulkAction:
    kinds = BULK if operation(operation_id).kind == "undo" else IMPORTS
    return submit_undo(actor=ACTOR, now=utc_now(), operation_id=operation_id, of=kinds)


def id_of(asin: str) -> int:
    return db.session.scalars(select(Product.id).where(Product.asin == asin)).one()


def living() -> list[str]:
    """The ASINs of what is not deleted."""
    db.session.rollback()
    return list(db.session.scalars(select(Product.asin).where(Product.deleted_at.is_(None)).order_by(Product.asin)))


def delete(product_id: int) -> None:
    version = db.session.scalars(select(Product.version).where(Product.id == product_id)).one()
    db.session.rollback()
    delete_product(actor=ACTOR, now=utc_now(), product_id=product_id, expected_version=version)


def last_update() -> int:
    db.session.rollback()
    return db.session.scalars(select(ProductUpdate.id).order_by(ProductUpdate.id.desc()).limit(1)).one()


def refusals(undone: BulkAction) -> list[tuple[int | None, str | None]]:
    return [(row.product_id, row.reason) for row in undone.rows or () if row.result == "refused"]


def test_what_an_import_added_is_deleted_and_what_it_changed_goes_back(context: Flask) -> None:
    bring_in(context, LAMP)
    imported = bring_in(context, LAMP.replace("12.50", "2.00"), KETTLE)
    old, new = id_of("B0CW1A0001"), id_of("B0CW1A0002")
    with pytest.raises(Refusal):
        submit_undo(actor=ACTOR, now=utc_now(), operation_id=imported)  # where bulk actions are undone
    assert living() == ["B0CW1A0001", "B0CW1A0002"]
    before = queued().count(new)
    undone = undo(imported)
    assert sorted((row.product_id, row.result, row.previous, row.current) for row in undone.rows or ()) == [
        (old, "changed", "2.00 USD", "12.50 USD"),
        (new, "changed", "false", "true"),
    ]
    assert living() == ["B0CW1A0001"]
    assert queued().count(new) == before + 1
    undo(undone.operation.id)
    assert prices() == {old: 200, new: 3000}
    assert living() == ["B0CW1A0001", "B0CW1A0002"]


def test_what_people_worked_on_since_is_refused_with_the_reason_and_stays(
    app: Flask, imported: Import, send: Send
) -> None:
    import_id = imported(HEADER + LAMP + KETTLE, run="true")["id"]
    with app.app_context():
        lamp = id_of("B0CW1A0001")
        patch_product(actor=ACTOR, now=utc_now(), product_id=lamp, expected_version=1, name="Reading lamp")
        set_price(app, lamp, "11.00")
        receive(lamp, 40)
        buy(5, {lamp: 2})
        last, stock = last_update(), everything()
    dry = send("POST", f"/api/v1/imports/{import_id}/undo", {"dry_run": True}).get_json()
    body = send("POST", f"/api/v1/imports/{import_id}/undo", {}).get_json()
    assert body["rows"] == dry["rows"]
    assert (body["state"], body["counts"]) == ("COMPLETED_WITH_ERRORS", {"changed": 1, "unchanged": 0, "refused": 1})
    reason = (
        f"The product is not deleted: changed since by user 7 (product update {last}); has stock of 40; "
        "2 of it are promised, last to Order 5."
    )
    refused = [(row["product_id"], row["reason"]) for row in body["rows"] if row["result"] == "refused"]
    assert refused == [(lamp, reason)]
    with app.app_context():
        assert living() == ["B0CW1A0001"]
        assert (everything(), prices()[lamp]) == (stock, 1100)


def _sold_out(product_id: int) -> None:
    receive(product_id, 3)
    adjust(product_id, -3)


@pytest.mark.parametrize(
    ("work_on", "reason"),
    [
        (lambda app, id_: set_price(app, id_, "11.00"), "changed since by user 7 (product update "),
        (lambda _, id_: receive(id_, 40), "has stock of 40."),
        (lambda _, id_: _sold_out(id_), "its stock has moved since (stock movement "),
    ],
)
def test_each_kind_of_work_alone_keeps_a_product(
    context: Flask, work_on: Callable[[Flask, int], None], reason: str
) -> None:
    imported = bring_in(context, LAMP, KETTLE)
    lamp = id_of("B0CW1A0001")
    work_on(context, lamp)
    ((refused, said),) = refusals(undo(imported))
    assert (refused, living()) == (lamp, ["B0CW1A0001"])
    assert said is not None
    assert said.startswith(f"The product is not deleted: {reason}")


def test_a_product_that_a_later_import_changed_is_kept_and_that_import_can_be_undone(context: Flask) -> None:
    first = bring_in(context, LAMP)
    second = bring_in(context, LAMP.replace("Lamp", "Reading lamp"))
    last = last_update()
    ((_, said),) = refusals(undo(first))
    assert said == f"The product is not deleted: changed since by system (product update {last})."
    assert living() == ["B0CW1A0001"]
    undo(second)
    assert db.session.scalars(select(Product.name)).one() == "Lamp"


def test_what_was_brought_back_is_deleted_again_unless_people_worked_on_it(context: Flask) -> None:
    bring_in(context, LAMP, KETTLE, "B0CW1A0003,Pot,5.00\n")
    lamp, kettle, pot = (id_of(f"B0CW1A000{number}") for number in (1, 2, 3))
    _sold_out(lamp)  # long ago
    for product_id in (lamp, kettle, pot):
        delete(product_id)
    imported = bring_in(context, LAMP.replace("12.50", "9.00"), KETTLE, "B0CW1A0003,Pot,5.00\n")
    set_price(context, kettle, "31.00")
    receive(pot, 1)
    undone = undo(imported)
    assert {product_id for product_id, _ in refusals(undone)} == {kettle, pot}
    assert living() == ["B0CW1A0002", "B0CW1A0003"]
    assert prices() == {lamp: 1250, kettle: 3100, pot: 500}


def test_undoing_back_and_forth_is_nobodys_work_but_work_in_between_is(context: Flask) -> None:
    imported = bring_in(context, LAMP, KETTLE)
    first = undo(imported).operation.id
    again = undo(first).operation.id
    third = undo(again).operation.id
    assert living() == []
    assert counts(operation(third)) == (2, 0, 0)
    back = undo(third).operation.id
    receive(id_of("B0CW1A0002"), 1)
    last = undo(back)
    assert living() == ["B0CW1A0002"]
    assert [said for _, said in refusals(last)] == ["The product is not deleted: has stock of 1."]


def test_what_an_undo_itself_took_back_is_no_reason_to_refuse_a_second_one(context: Flask) -> None:
    bring_in(context, LAMP)
    lamp = id_of("B0CW1A0001")
    receive(lamp, 4)
    delete(lamp)
    imported = bring_in(context, LAMP.replace("12.50", "9.00"))
    first = undo(imported)
    assert [said for _, said in refusals(first)] == ["The product is not deleted: has stock of 4."]
    assert (living(), prices()) == (["B0CW1A0001"], {lamp: 1250})
    ((_, said),) = refusals(undo(imported))  # that the price went back is nobody's work
    assert said == "The product is not deleted: has stock of 4."


def test_many_are_judged_chunk_by_chunk(context: Flask) -> None:
    rows = [f"B{number:09d},Lamp {number},5.00\n" for number in range(1, 1_202)]
    imported = bring_in(context, *rows)
    touched = [f"B{number:09d}" for number in (1, 500, 501, 1_000, 1_201)]
    for asin in touched[:2]:
        receive(id_of(asin), 1)
    for asin in touched[2:]:
        set_price(context, id_of(asin), "6.00")
    ended = run(undo(imported).operation.id, slice_s=0)
    assert counts(ended) == (1_196, 0, 5)
    assert living() == touched
