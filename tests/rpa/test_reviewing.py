"""Flagged changes are accepted or dismissed once, and the product follows the one storefront that may say so."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.core import outbox, permissions
from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.products.models.products import Product, ProductUpdate
from app.products.services.observations import follow_observed_change
from app.products.services.products import delete_product, update_product
from app.products.services.reverting import revert_update
from app.rpa.errors import (
    MasterFollowsAnother,
    ObservedChangeDecided,
    ObservedChangeNotFound,
    ObservedChangeOutdated,
)
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.readings import Availability
from app.rpa.services import storefronts
from app.rpa.services.reviewing import accept_change, dismiss_change
from tests.rpa.conftest import ASINS, FarmDriver, profile, stock_master
from tests.rpa.keeping import add_flagged
from tests.rpa.test_second_visits import flagged, history, known_price, seen, visit
from tests.servers import on_sqlite
from workers.jobs.outbox import HANDLERS

ME = permissions.system()
Threads = Callable[[list[Callable[[], Any]]], list[Any]]


@pytest.fixture
def unsteady(farm: FarmDriver) -> int:
    """A price that was 10 dollars, then 30, then 40: held back."""
    visit(farm, seen("10.00"))
    visit(farm, seen("30.00"), seen("40.00"))
    (one,) = flagged()
    return one.id


def set_changes(code: str = "shop", **changes: bool) -> Storefront:
    """Say what happens with a storefront's changes."""
    shop = db.session.scalars(select(Storefront).where(Storefront.code == code)).one()
    wanted = {"update_master": False, "review_jumps": False} | changes
    return storefronts.update_storefront(
        actor=ME, now=utc_now(), storefront_id=shop.id, expected_version=shop.version, name=shop.name,
        profile=profile(), is_active=True, changes=wanted,
    )  # fmt: skip


@pytest.fixture
def followed(farm: FarmDriver) -> FarmDriver:
    """The products follow the storefront."""
    set_changes(update_master=True)
    return farm


def deliver() -> None:
    """What a background worker does with all that is due."""
    due = select(Outbox.id).where(Outbox.kind == "follow_storefront", Outbox.done_at.is_(None)).order_by(Outbox.id)
    for id_ in list(db.session.scalars(due)):
        outbox.deliver(id_, HANDLERS)
    db.session.rollback()


def product() -> Product:
    db.session.rollback()
    return db.session.scalars(select(Product).where(Product.asin == ASINS[0])).one()


def of_master() -> list[ProductUpdate]:
    """What the farm changed of the product itself."""
    db.session.rollback()
    seen = select(ProductUpdate).where(ProductUpdate.observed_id.is_not(None)).order_by(ProductUpdate.id)
    return list(db.session.scalars(seen))


def edit(**values: Any) -> Product:
    row = product()
    return update_product(actor=ME, now=utc_now(), product_id=row.id, expected_version=row.version, **values)


def test_accepting_records_what_was_held_back_once(unsteady: int) -> None:
    row = accept_change(actor=ME, change_id=unsteady)
    assert (row.state, row.decided_by) == ("ACCEPTED", "system")
    assert (history(), known_price()) == ([("10.00 USD", "40.00 USD")], "40.00 USD")
    recorded = db.session.get_one(ProductUpdate, row.update_id)
    assert (recorded.task_id, recorded.source, recorded.actor_kind) == (row.task_id, "farm", "system")
    with pytest.raises(ObservedChangeDecided):
        accept_change(actor=ME, change_id=unsteady)
    with pytest.raises(ObservedChangeDecided):
        dismiss_change(actor=ME, change_id=unsteady)
    assert len(history()) == 1
    deeds = select(func.count()).where(AuditEvent.action.in_(["observed_change.accept", "observed_change.dismiss"]))
    assert db.session.scalar(deeds) == 1


def test_of_people_who_decide_at_once_one_does(unsteady: int, in_threads: Threads) -> None:
    deeds = [
        partial(accept_change, actor=ME, change_id=unsteady),
        partial(dismiss_change, actor=ME, change_id=unsteady),
    ]
    results = in_threads([*deeds, *deeds])
    assert sum(isinstance(one, ObservedChangeDecided) for one in results) == 3
    (one,) = flagged()
    assert len(history()) == (one.state == "ACCEPTED")


def test_dismissing_writes_nothing(unsteady: int) -> None:
    assert dismiss_change(actor=ME, change_id=unsteady).state == "DISMISSED"
    assert (history(), known_price()) == ([], "10.00 USD")


def test_what_was_recorded_is_not_recorded_again_by_accepting(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    visit(farm, seen("10.00", "EUR"), seen("10.00", "EUR"))
    (one,) = flagged()
    assert accept_change(actor=ME, change_id=one.id).update_id == one.update_id
    assert len(history()) == 1


def test_a_value_that_a_later_visit_has_overtaken_is_not_accepted(farm: FarmDriver, unsteady: int) -> None:
    visit(farm, seen("11.00"))
    with pytest.raises(ObservedChangeOutdated, match="11"):
        accept_change(actor=ME, change_id=unsteady)
    (one,) = flagged()
    assert (one.state, one.decided_by, history(), known_price()) == (
        "OPEN", None, [("10.00 USD", "11.00 USD")], "11.00 USD",
    )  # fmt: skip


def test_what_is_flagged_of_a_product_goes_with_it(unsteady: int) -> None:
    row = product()
    delete_product(actor=ME, now=utc_now(), product_id=row.id, expected_version=row.version)
    (one,) = flagged()
    assert (one.state, one.decided_by) == ("DISMISSED", "system")
    with pytest.raises(ObservedChangeDecided):
        accept_change(actor=ME, change_id=unsteady)


def test_what_is_only_noted_is_not_decided(farm: FarmDriver) -> None:
    visit(farm, seen("10.00"))
    visit(farm, seen("1.00"), seen("10.00"))
    (one,) = flagged()
    with pytest.raises(ObservedChangeDecided, match="NOTED"):
        accept_change(actor=ME, change_id=one.id)
    with pytest.raises(ObservedChangeNotFound):
        dismiss_change(actor=ME, change_id=one.id + 1)


def test_a_storefront_that_only_records_leaves_the_product_as_it_is(farm: FarmDriver) -> None:
    visit(farm, seen("11.00"))
    deliver()
    assert (str(product().price), of_master()) == ("10.00 USD", [])
    assert db.session.scalar(select(func.count()).where(Outbox.kind == "follow_storefront")) == 0


def test_a_product_follows_its_storefront_and_says_where_it_was_seen(followed: FarmDriver) -> None:
    task_id = visit(followed, seen("11.00", name="Kettle Pro", brand="Hearth & Co"))
    deliver()
    row = product()
    assert (str(row.price), row.name, row.brand) == ("11.00 USD", "Kettle Pro", "Hearth & Co")
    changed = {one.attribute: one for one in of_master()}
    assert changed.keys() == {"price", "name", "brand"}
    origin = db.session.get_one(ProductUpdate, changed["price"].observed_id)
    assert (origin.task_id, origin.attribute, changed["price"].source) == (task_id, "price", "farm")


def test_what_is_delivered_twice_is_done_once(followed: FarmDriver) -> None:
    visit(followed, seen("11.00"))
    deliver()
    version, (row,) = product().version, of_master()
    edit(price=Money.parse("12.00", "USD"))
    assert not follow_observed_change(now=utc_now(), update_id=row.observed_id or 0)
    assert (product().version, str(product().price), len(of_master())) == (version + 1, "12.00 USD", 1)


def test_what_people_changed_after_it_was_seen_stays(followed: FarmDriver) -> None:
    visit(followed, seen("11.00", name="Kettle Pro"))
    edit(price=Money.parse("12.00", "USD"))
    deliver()
    assert (str(product().price), product().name) == ("12.00 USD", "Kettle Pro")
    visit(followed, seen("13.00", name="Kettle Pro"))
    deliver()
    assert str(product().price) == "13.00 USD"  # what is seen later is followed again


def test_sights_that_are_delivered_in_the_wrong_order_end_with_the_later_one(followed: FarmDriver) -> None:
    visit(followed, seen("11.00"))
    visit(followed, seen("12.00"))
    first, second = db.session.scalars(
        select(ProductUpdate.id).where(ProductUpdate.task_id.is_not(None)).order_by(ProductUpdate.id)
    )
    assert follow_observed_change(now=utc_now(), update_id=second)
    assert not follow_observed_change(now=utc_now(), update_id=first)
    assert str(product().price) == "12.00 USD"


def test_a_sight_that_waits_for_its_turn_does_not_hold_up_a_later_one(followed: FarmDriver) -> None:
    visit(followed, seen("11.00"))
    visit(followed, seen("12.00"))
    deliver()
    assert [row.current_attribute for row in of_master()] == ["11.00 USD", "12.00 USD"]


def test_a_price_in_another_currency_is_never_the_products(followed: FarmDriver) -> None:
    visit(followed, seen("11.00", "EUR"))
    deliver()
    assert (str(product().price), of_master()) == ("10.00 USD", [])


def test_of_a_storefront_that_is_followed_a_first_price_far_from_the_products_is_looked_at_twice(
    followed: FarmDriver,
) -> None:
    visit(followed, seen("99.00"), seen("98.00"))
    deliver()
    (one,) = flagged()
    assert (one.reason, one.verdict, str(product().price)) == ("PRICE_JUMP", "UNSTEADY", "10.00 USD")


def test_what_is_flagged_is_followed_when_it_is_accepted(followed: FarmDriver) -> None:
    set_changes(update_master=True, review_jumps=True)
    visit(followed, seen("30.00"), seen("30.00"))
    deliver()
    assert str(product().price) == "10.00 USD"
    (one,) = flagged()
    accept_change(actor=ME, change_id=one.id)
    deliver()
    assert str(product().price) == "30.00 USD"


def test_a_product_that_is_sold_out_there_is_closed_and_opened_again_but_not_one_that_people_closed(
    followed: FarmDriver,
) -> None:
    gone, back = seen("10.00", availability=Availability.OUT_OF_STOCK), seen("10.00")
    visit(followed, gone)
    deliver()
    assert product().is_active is False
    visit(followed, back)
    deliver()
    assert product().is_active is True
    edit(is_active=False)
    visit(followed, gone)
    visit(followed, back)
    deliver()
    assert product().is_active is False


def test_a_deleted_product_follows_nobody(followed: FarmDriver) -> None:
    visit(followed, seen("11.00"))
    row = product()
    delete_product(actor=ME, now=utc_now(), product_id=row.id, expected_version=row.version)
    deliver()
    assert (str(product().price), of_master()) == ("10.00 USD", [])


def test_what_a_product_took_over_is_taken_back_like_any_change(followed: FarmDriver) -> None:
    visit(followed, seen("11.00"))
    deliver()
    (row,) = of_master()
    revert_update(actor=ME, now=utc_now(), update_id=row.id)
    assert str(product().price) == "10.00 USD"


def test_products_follow_one_storefront_at_most(followed: FarmDriver) -> None:
    other = followed.storefront("other")
    with pytest.raises(MasterFollowsAnother):
        set_changes("other", update_master=True)
    db.session.rollback()
    assert db.session.get_one(Storefront, other.id).version == 1
    set_changes("shop", update_master=False)
    assert set_changes("other", update_master=True).updates_master is True


def test_of_storefronts_that_want_to_be_followed_at_once_one_is(farm: FarmDriver, in_threads: Threads) -> None:
    farm.storefront("other")
    results = in_threads([partial(set_changes, code, update_master=True) for code in ("shop", "other")])
    assert sum(isinstance(one, MasterFollowsAnother) for one in results) == 1
    assert db.session.scalar(select(func.count()).where(Storefront.updates_master.is_(True))) == 1


@on_sqlite
def test_the_api_lists_what_waits_and_takes_a_decision_once(client: FlaskClient, auth_headers: dict[str, str]) -> None:
    with client.application.app_context():
        stock_master()
        farm = FarmDriver(client.application)
        farm.storefront()
        (task_id,) = farm.task_ids(farm.submit([ASINS[0]]))
        change_id = add_flagged(task_id=task_id).id

    def ask(method: str, path: str, **body: Any) -> tuple[int, Any]:
        answer = client.open(f"/api/v1/{path}", method=method, headers=auth_headers, **body)
        return answer.status_code, answer.get_json()

    _, shown = ask("GET", "observed-changes?state=OPEN&storefront=shop")
    assert [(one["id"], one["verdict"], one["current"]) for one in shown["items"]] == [
        (change_id, "UNSTEADY", "40.00 USD")
    ]
    assert ask("GET", "observed-changes?storefront=nobody")[1]["items"] == []
    assert ask("GET", "observed-changes?state=DISMISSED")[1]["items"] == []
    status, decided = ask("POST", f"observed-changes/{change_id}/dismiss")
    assert (status, decided["state"]) == (200, "DISMISSED")
    status, refused = ask("POST", f"observed-changes/{change_id}/accept")
    assert (status, refused["code"]) == (409, "OBSERVED_CHANGE_DECIDED")
    assert ask("POST", "observed-changes/999/accept")[0] == 404
    follows = {"name": "Shop", "profile": profile(), "changes": {"update_master": True}}
    status, made = ask("POST", "storefronts", json=follows | {"code": "first"})
    assert (status, made["changes"]) == (201, {"update_master": True, "review_jumps": False})
    status, refused = ask("POST", "storefronts", json=follows | {"code": "second"})
    assert (status, refused["code"]) == (409, "MASTER_FOLLOWS_ANOTHER")
    assert refused["errors"][0]["pointer"] == "/changes/update_master"
    assert [one["code"] for one in ask("GET", "storefronts")[1]["items"]] == ["shop", "first"]
