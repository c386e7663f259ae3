"""Coupons are used up once: by the last of many buyers, by one customer, by one order; and given back once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.errors import Refusal
from app.core.extensions import db
from app.core.transactions import NoTransaction, in_transaction
from app.orders.errors import CouponNotUsable, UnknownCoupon
from app.orders.models.coupons import Coupon, CouponCustomer, CouponUse
from app.orders.models.orders import OrderState
from app.orders.pricing import Discount
from app.orders.services.coupons.claiming import claim, customer_hashes, find_discount, give_back
from app.orders.services.coupons.editing import create_coupon, delete_coupon, update_coupon
from app.orders.services.moving import lock_order
from tests.concurrency import at_once
from tests.conftest import AppWith
from tests.orders.making import NOW, STAFF, make_order
from tests.servers import on_sqlite

HOUR: Final = timedelta(hours=1)
ADA: Final = "ada@example.org"


def make_coupon(code: str = "WELCOME", **values: Any) -> int:
    offer = {} if "amount_minor" in values else {"percent_ppm": 100_000}
    made: int = create_coupon(actor=STAFF, now=NOW, code=code, **(offer | values)).id
    return made


def draft() -> int:
    """An order in checkout."""
    return make_order(state=OrderState.DRAFT, on_hand=1).id


def use(order_id: int, code: str = "WELCOME", *, email: str = ADA, subtotal: int = 5000, **values: Any) -> None:
    named: dict[str, Any] = {"currency": "USD", "now": NOW} | values
    claim(order_id=order_id, code=code, email=email, subtotal_minor=subtotal, **named)


def find(code: str = "WELCOME", *, email: str | None = ADA, subtotal: int = 5000, **values: Any) -> Discount:
    named: dict[str, Any] = {"currency": "USD", "now": NOW} | values
    found = find_discount(code, email=email, subtotal_minor=subtotal, **named)
    db.session.rollback()
    return found


def counted() -> dict[str, Any]:
    """All that is known of uses."""
    db.session.rollback()
    used = {row.code: row.used for row in db.session.execute(sa.select(Coupon.code, Coupon.used))}
    customers = list(db.session.scalars(sa.select(CouponCustomer.used).order_by(CouponCustomer.id)))
    uses = len(db.session.scalars(sa.select(CouponUse.id)).all())
    db.session.rollback()
    assert sum(used.values()) == sum(customers) == uses
    return {"used": used, "by_customer": customers, "uses": uses}


def reasons(answers: list[Any]) -> Counter[str]:
    """How often each answer was given."""
    return Counter(
        "done" if answer is None else answer.facts["reason"] if isinstance(answer, CouponNotUsable) else repr(answer)
        for answer in answers
    )


def test_twenty_buyers_at_once_use_a_coupon_with_three_uses_three_times(app: Flask) -> None:
    with app.app_context():
        make_coupon(max_uses=3)
        orders = [draft() for _ in range(20)]
    buyers = [partial(use, order, email=f"buyer{order}@example.org") for order in orders]
    assert reasons(at_once(app, *buyers)) == {"done": 3, "used_up": 17}
    with app.app_context():
        assert counted() == {"used": {"WELCOME": 3}, "by_customer": [1, 1, 1], "uses": 3}


def test_one_customer_with_many_orders_at_once_uses_it_as_often_as_one_may(app: Flask) -> None:
    with app.app_context():
        make_coupon(max_per_customer=2)
        orders = [draft() for _ in range(10)]
    spelled = [ADA, "ADA@example.org", " ada@Example.Org "]
    buyers = [partial(use, order, email=spelled[order % 3]) for order in orders]
    assert reasons(at_once(app, *buyers)) == {"done": 2, "used_by_customer": 8}
    with app.app_context():
        assert counted() == {"used": {"WELCOME": 2}, "by_customer": [2], "uses": 2}


def test_one_order_that_is_sent_many_times_at_once_uses_it_once(app: Flask) -> None:
    with app.app_context():
        make_coupon(max_uses=5)
        order = make_order(state=OrderState.DRAFT).id

    @in_transaction
    def locked() -> None:
        lock_order(order)
        claim.joined(order_id=order, code="WELCOME", email=ADA, subtotal_minor=1, currency="USD", now=NOW)

    assert reasons(at_once(app, *[locked] * 6)) == {"done": 6}
    with app.app_context():
        assert counted() == {"used": {"WELCOME": 1}, "by_customer": [1], "uses": 1}


def test_what_is_given_back_twice_or_by_several_at_once_counts_once(app: Flask) -> None:
    with app.app_context():
        make_coupon(max_uses=9)
        orders = [draft() for _ in range(3)]
        for order in orders:
            use(order)
    assert sorted(at_once(app, *[partial(give_back, order_id=orders[0])] * 6)) == [False] * 5 + [True]
    with app.app_context():
        assert counted() == {"used": {"WELCOME": 2}, "by_customer": [2], "uses": 2}
        assert give_back(order_id=orders[0]) is False
        assert give_back(order_id=orders[1]) is True
        assert counted() == {"used": {"WELCOME": 1}, "by_customer": [1], "uses": 1}


def test_a_use_that_is_given_back_is_there_for_the_next_one(context: Flask) -> None:
    make_coupon(max_uses=1, max_per_customer=1)
    first, second = draft(), draft()
    use(first)
    with pytest.raises(CouponNotUsable):
        use(second, email="grace@example.org")
    give_back(order_id=first)
    use(second)
    assert counted() == {"used": {"WELCOME": 1}, "by_customer": [1], "uses": 1}


def test_uses_and_returns_at_once_all_add_up(app: Flask) -> None:
    with app.app_context():
        make_coupon(max_uses=4)
        held, orders = [draft() for _ in range(4)], [draft() for _ in range(8)]
        for order in held:
            use(order, email=f"buyer{order}@example.org")
    deeds: list[Any] = [partial(give_back, order_id=order) for order in held]
    deeds += [partial(use, order, email=f"buyer{order}@example.org") for order in orders]
    done = at_once(app, *deeds)
    assert done[:4] == [True] * 4
    with app.app_context():
        assert counted()["used"] == {"WELCOME": reasons(done[4:])["done"]}
        assert reasons(done[4:]).keys() <= {"done", "used_up"}


def test_orders_that_change_between_two_coupons_at_once_wait_for_each_other_in_one_order(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        codes = ["FIRST", "SECOND"]
        for code in codes:
            make_coupon(code)
        orders = [draft() for _ in range(8)]
        for order in orders:
            use(order, codes[order % 2], email=f"buyer{order}@example.org")

    def change(order: int) -> None:
        for turn in range(1, 6):
            use(order, codes[(order + turn) % 2], email=f"buyer{order}@example.org")

    with caplog.at_level("INFO", logger="app.core.transactions"):
        assert at_once(app, *[partial(change, order) for order in orders]) == [None] * 8
    assert [record for record in caplog.records if record.name == "app.core.transactions"] == []
    with app.app_context():
        assert counted()["used"] == {"FIRST": 4, "SECOND": 4}


def test_another_coupon_takes_the_place_of_the_one_an_order_had(context: Flask) -> None:
    make_coupon("FIRST", max_uses=1)
    make_coupon("SECOND")
    order = draft()
    use(order, "first")
    use(order, " second ")
    assert counted() == {"used": {"FIRST": 0, "SECOND": 1}, "by_customer": [0, 1], "uses": 1}


def test_an_order_for_another_address_counts_for_that_one(context: Flask) -> None:
    make_coupon(max_per_customer=1)
    order = draft()
    use(order)
    use(order, email="grace@example.org")
    assert counted() == {"used": {"WELCOME": 1}, "by_customer": [0, 1], "uses": 1}
    use(draft())


@pytest.mark.parametrize(
    ("values", "asked", "reason"),
    [
        ({"starts_at": NOW + timedelta(microseconds=1)}, {}, "not_started"),
        ({"ends_at": NOW}, {}, "expired"),
        ({"minimum_minor": 5001}, {}, "minimum"),
        ({}, {"currency": "EUR"}, "currency"),
    ],
)
def test_a_coupon_that_does_not_count_is_refused_with_the_reason_and_nothing_is_counted(
    context: Flask, values: dict[str, Any], asked: dict[str, Any], reason: str
) -> None:
    make_coupon(**values)
    order = draft()
    with pytest.raises(CouponNotUsable) as found:
        find(**asked)
    with pytest.raises(CouponNotUsable) as claimed:
        use(order, **asked)
    assert found.value.facts == claimed.value.facts
    assert found.value.facts["reason"] == reason
    assert [error.pointer for error in found.value.errors] == ["/coupon"]
    assert counted() == {"used": {"WELCOME": 0}, "by_customer": [], "uses": 0}


def test_a_coupon_counts_from_its_beginning_to_just_before_its_end_and_from_its_minimum_on(context: Flask) -> None:
    make_coupon(starts_at=NOW, ends_at=NOW + HOUR, minimum_minor=5000)
    for moment in (NOW, NOW + HOUR - timedelta(microseconds=1)):
        assert find(now=moment) == Discount(code="WELCOME", percent_ppm=100_000, amount_minor=None)
        use(draft(), now=moment)
    assert counted()["uses"] == 2


def test_the_minimum_is_said(context: Flask) -> None:
    make_coupon(amount_minor=500, minimum_minor=5001)
    with pytest.raises(CouponNotUsable) as refused:
        find()
    assert refused.value.facts["minimum"] == {"amount": "50.01", "currency": "USD"}


@pytest.mark.parametrize("code", ["", "UNKNOWN", "WELCOM", "WELCOME1", "WEL COME", "'; --", "é" * 40, "x" * 5000, "W%"])
def test_a_code_that_there_is_not_is_refused_and_nothing_is_counted(context: Flask, code: str) -> None:
    make_coupon()
    order = draft()
    for deed in (partial(find, code), partial(use, order, code)):
        with pytest.raises(UnknownCoupon) as refused:
            deed()
        assert [error.pointer for error in refused.value.errors] == ["/coupon"]
    assert counted() == {"used": {"WELCOME": 0}, "by_customer": [], "uses": 0}


def test_what_is_deleted_or_switched_off_is_as_unknown_as_any_other_code(context: Flask) -> None:
    off = make_coupon("OFF")
    update_coupon(actor=STAFF, now=NOW, coupon_id=off, expected_version=1, is_active=False)
    delete_coupon(actor=STAFF, now=NOW, coupon_id=make_coupon("GONE"), expected_version=1)
    said = []
    for code in ("OFF", "GONE", "NEVER"):
        for deed in (partial(find, code), partial(use, draft(), code)):
            with pytest.raises(UnknownCoupon) as refused:
                deed()
            said.append((refused.value.detail, refused.value.errors))
    assert len(set(said)) == 1
    assert counted() == {"used": {"OFF": 0, "GONE": 0}, "by_customer": [], "uses": 0}


def test_a_coupon_that_is_deleted_while_it_is_used_is_used_or_unknown(app: Flask) -> None:
    for attempt in range(5):
        code = f"TURN-{attempt}"
        with app.app_context():
            coupon = make_coupon(code)
            orders = [draft() for _ in range(4)]
        delete = partial(delete_coupon, actor=STAFF, now=NOW, coupon_id=coupon, expected_version=1)
        done = at_once(app, *[partial(use, order, code) for order in orders], delete)
        assert done[4] is None
        assert all(answer is None or isinstance(answer, UnknownCoupon) for answer in done)
        with app.app_context():
            assert counted()["used"][code] == done[:4].count(None)


def while_it_runs(app: Flask, first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """Begin ``second`` when all of ``first`` is done but its commit; what both returned, or raised."""
    begun = threading.Event()

    @in_transaction
    def held() -> Any:
        result = first()
        db.session.flush()
        begun.set()
        time.sleep(0.5)  # so that the other one has read what was there before, and waits for the row
        return result

    def other() -> Any:
        assert begun.wait(20)
        return second()

    return at_once(app, held, other)


def test_who_waits_for_a_deletion_to_end_cannot_use_the_coupon_any_more(app: Flask) -> None:
    with app.app_context():
        coupon, order = make_coupon(), draft()
    delete = partial(delete_coupon.joined, actor=STAFF, now=NOW, coupon_id=coupon, expected_version=1)
    deleted, used = while_it_runs(app, delete, partial(use, order))
    assert deleted is None
    assert isinstance(used, UnknownCoupon)
    with app.app_context():
        assert counted() == {"used": {"WELCOME": 0}, "by_customer": [], "uses": 0}


def test_who_waits_for_a_coupon_to_be_given_back_gives_back_nothing(app: Flask) -> None:
    with app.app_context():
        make_coupon()
        orders = [draft(), draft()]
        for order in orders:
            use(order)
    first, second = partial(give_back.joined, order_id=orders[0]), partial(give_back, order_id=orders[0])
    assert while_it_runs(app, first, second) == [True, False]
    with app.app_context():
        assert counted() == {"used": {"WELCOME": 1}, "by_customer": [1], "uses": 1}


def test_a_limit_that_is_lowered_while_it_is_used_holds(app: Flask) -> None:
    for attempt in range(5):
        code = f"TURN-{attempt}"
        with app.app_context():
            coupon = make_coupon(code, max_uses=8)
            orders = [draft() for _ in range(8)]
        lower = partial(update_coupon, actor=STAFF, now=NOW, coupon_id=coupon, expected_version=1, max_uses=2)
        done = at_once(app, lower, *[partial(use, order, code, email=f"b{order}@example.org") for order in orders])
        used = done[1:].count(None)
        assert used == 8 if isinstance(done[0], Refusal) else used == 2
        with app.app_context():
            assert counted()["used"][code] == used


def test_looking_for_a_discount_uses_nothing_up(context: Flask) -> None:
    make_coupon("TEN", amount_minor=1000, max_uses=1)
    for _ in range(3):
        assert find("ten") == Discount(code="TEN", percent_ppm=None, amount_minor=1000)
    assert counted() == {"used": {"TEN": 0}, "by_customer": [], "uses": 0}


def test_what_an_order_has_used_already_does_not_count_against_it(context: Flask) -> None:
    make_coupon(max_uses=1, max_per_customer=1)
    mine, other = draft(), draft()
    use(mine)
    assert find(order_id=mine).code == "WELCOME"
    use(mine)
    for order_id in (other, None):
        with pytest.raises(CouponNotUsable) as refused:
            find(order_id=order_id)
        assert refused.value.facts["reason"] == "used_up"
    assert counted()["uses"] == 1


def test_who_has_used_it_up_is_told_so_before_they_buy(context: Flask) -> None:
    make_coupon(max_per_customer=1)
    use(draft())
    with pytest.raises(CouponNotUsable) as refused:
        find(email="Ada@Example.org")
    assert refused.value.facts == {"reason": "used_by_customer", "max_per_customer": 1}
    assert find(email="grace@example.org").code == find(email=None).code == "WELCOME"


def test_a_use_counts_with_the_rest_of_its_transaction_or_not_at_all(context: Flask) -> None:
    make_coupon()
    order = draft()

    @in_transaction
    def fail() -> None:
        claim.joined(order_id=order, code="WELCOME", email=ADA, subtotal_minor=1, currency="USD", now=NOW)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert counted() == {"used": {"WELCOME": 0}, "by_customer": [], "uses": 0}
    with pytest.raises(NoTransaction):
        claim.joined(order_id=order, code="WELCOME", email=ADA, subtotal_minor=1, currency="USD", now=NOW)


def test_uses_are_no_changes_of_the_coupon(context: Flask) -> None:
    coupon = make_coupon()
    use(draft())
    db.session.rollback()
    row = db.session.execute(sa.select(Coupon.version, Coupon.updated_at).where(Coupon.id == coupon)).one()
    assert tuple(row) == (1, NOW)


@on_sqlite
def test_customers_are_known_by_a_keyed_hash_only(context: Flask) -> None:
    make_coupon()
    use(draft())
    (stored,) = db.session.scalars(sa.select(CouponUse.customer_hash))
    assert customer_hashes(" ADA@Example.org ") == [stored]
    assert len(stored) == 64
    assert customer_hashes("ada@xn--bcher-kva.example") == customer_hashes("ada@bücher.example")
    assert customer_hashes("grace@example.org") != [stored]


@on_sqlite
def test_uses_under_a_key_of_the_past_still_count(app: Flask, app_with: AppWith) -> None:
    with app.app_context():
        make_coupon(max_per_customer=2)
        first, second, third = draft(), draft(), draft()
        use(first)
    old: str = app.extensions["settings"].secret_key
    renewed = app_with(secret_key="a new secret of the tests, long enough", old_secret_keys=(old,))
    with renewed.app_context():
        use(first)
        assert counted()["uses"] == 1
        use(second)
        with pytest.raises(CouponNotUsable):
            use(third)
        with pytest.raises(CouponNotUsable):
            find()
        give_back(order_id=first)
        use(third)
        assert counted() == {"used": {"WELCOME": 2}, "by_customer": [0, 2], "uses": 2}


def test_times_are_instants_whatever_zone_they_are_written_in(context: Flask) -> None:
    make_coupon(ends_at=datetime.fromisoformat("2026-03-01T14:00:00+01:00"))
    assert find(now=datetime.fromisoformat("2026-03-01T12:59:59+00:00")).code == "WELCOME"
    with pytest.raises(CouponNotUsable):
        find(now=datetime.fromisoformat("2026-03-01T14:00:00+01:00"))
