"""Mails about orders, as a mail server takes them: what they say, to whom, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from app.config import Settings
from app.core.extensions import db
from app.core.mail import UnsafeHeader
from app.core.money import Money
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.core.permissions import system
from app.core.transactions import in_transaction
from app.orders.events import OrderMoved
from app.orders.models.orders import Order, OrderLink, OrderState
from app.orders.models.payments import Refund, RefundStatus
from app.orders.services.cancelling import cancel_order
from app.orders.services.checkout.wanted import Ordered
from app.orders.services.counting import Units
from app.orders.services.creating import create_order
from app.orders.services.mails import send_refunded, tell_customer
from app.orders.services.moving import lock_order, move, tell
from app.orders.services.privacy import ERASED_EMAIL
from app.orders.services.refunds import refund
from app.orders.services.shipping import Tracking, ship
from app.orders.transitions import Axis
from app.products.models.products import Product
from tests.orders.making import ADDRESS, NOW, STAFF, Made, make_order, order_of
from tests.orders.posting import PostOffice, post_office, token_of
from tests.products.stocking import make_product
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("context"), on_sqlite]


@pytest.fixture
def office(context: Flask, settings: Settings) -> Iterator[PostOffice]:
    with post_office(settings) as opened:
        yield opened


def buy(count: int = 2, *, email: str = "grace@example.org", name: str | None = None) -> Order:
    """An order that staff place for somebody, with a customer's words in every field that takes some."""
    product_id = make_product(500, on_hand=10)
    if name is not None:
        rename(product_id, name)
    about: dict[str, Any] = {"email": email, "customer_id": None, "payment_method": "invoice", "coupon": None}
    said: dict[str, Any] = {"note": "Visit https://evil.example!", "shipping_address": ADDRESS | {"city": "Spamtown"}}
    items = [Ordered(product_id, count)]
    create_order(actor=STAFF, now=utc_now(), items=items, billing_address=ADDRESS, **about, **said)
    return db.session.scalars(select(Order)).one()


@in_transaction
def rename(product_id: int, name: str) -> None:
    db.session.execute(update(Product).where(Product.id == product_id).values(name=name))


def send(made: Made, *units: Units, **tracking: Any) -> None:
    version = order_of(made.id).version
    about: dict[str, Any] = {"order_id": made.id, "expected_version": version, "units": units or None}
    ship(actor=STAFF, now=utc_now(), tracking=Tracking(**({"carrier": "DHL"} | tracking)), **about)


def give_back(made: Made, amount: Money | None) -> int:
    """Give money back while the goods stay; the refund's id."""
    about: dict[str, Any] = {"order_id": made.id, "expected_version": order_of(made.id).version}
    made_refund = refund(actor=STAFF, now=utc_now(), amount=amount, reason="A scratch, sorry", **about)
    return int(made_refund.id)


def test_who_has_ordered_gets_a_mail_with_what_it_costs_and_nothing_that_somebody_typed(office: PostOffice) -> None:
    order = buy(2)
    mail = office.mail()
    assert mail.recipients == ["grace@example.org"]
    assert mail.message["Subject"] == f"Your order {order.number}"
    for kind in ("plain", "html"):
        text = mail.part(kind)
        assert "Lamp 500" in text
        assert "$2.00" in text
        assert "invoice" in text
        assert not any(word in text for word in ("Grace", "Hopper", "evil", "Spamtown", "Compiler", "@"))
    assert "2 x Lamp 500  $2.00" in mail.part("plain")
    assert token_of(mail)
    assert office.mails() == []


def test_the_name_of_a_product_cannot_make_a_tag_or_a_header(office: PostOffice) -> None:
    buy(1, name="<img src=x>\r\nBcc: all@example.org")
    mail = office.mail()
    assert mail.recipients == ["grace@example.org"]
    assert mail.message["Bcc"] is None
    assert "<img" not in mail.part("html")
    assert "&lt;img src=x&gt;" in mail.part("html")


@pytest.mark.parametrize("email", ["a@example.org, b@example.org", "a@example.org\nBcc: b@example.org", "A <a@x.org>"])
def test_an_address_that_would_add_recipients_is_sent_nothing(office: PostOffice, email: str) -> None:
    make_order(1, email=email)

    @in_transaction
    def place() -> None:
        tell_customer(OrderMoved(db.session.scalars(select(Order.id)).one(), "placed", NOW))

    place()
    with pytest.raises(UnsafeHeader):
        office.mails()
    assert office.server.received == []


def test_every_parcel_is_told_of_once_with_where_to_follow_it(office: PostOffice) -> None:
    made = make_order(3, 1)
    send(made, Units(made.lines[0], 2), number="JD 014")
    first = office.mail()
    assert first.message["Subject"] == f"Your order {made.number} is on its way"
    for kind in ("plain", "html"):
        text = first.part(kind)
        assert "A part of your order" in text
        assert "JD 014" in text
        assert "https://www.dhl.com/global-en/home/tracking.html?tracking-id=JD014" in text
        assert "The rest follows" in text
    assert "  2 x Lamp 1\r\n" in first.part("plain")
    assert "Lamp 2" not in first.part("plain")
    send(made, carrier="Bike <b>&</b> Co")
    second = office.mail()
    assert "A part of your order" in second.part("plain")
    assert "The rest follows" not in second.part("plain")
    assert "Bike <b>&</b> Co" in second.part("plain")
    assert "Bike &lt;b&gt;&amp;&lt;/b&gt; Co" in second.part("html")
    assert "Follow the parcel" not in second.part("html")
    assert office.mails() == []
    other = make_order(1)
    send(other)
    assert "All of your order" in office.mail().part("plain")


def test_money_that_went_back_is_told_of_when_it_is_sure(office: PostOffice) -> None:
    made = make_order(2, paid=True)
    give_back(made, Money(1250, "USD"))
    assert office.mails() == []  # only now it is given back
    mail = office.mail()
    assert mail.message["Subject"] == f"Your refund for order {made.number}"
    for kind in ("plain", "html"):
        assert "$12.50" in mail.part(kind)
        assert "scratch" not in mail.part(kind)
    assert office.mails() == []


def test_of_a_refund_that_failed_nobody_hears_that_it_was_made(office: PostOffice) -> None:
    made = make_order(2, paid=True)
    refund_id = give_back(made, None)

    @in_transaction
    def fail() -> None:
        db.session.execute(update(Refund).values(status=RefundStatus.FAILED))

    fail()
    with office.worker.app_context():
        send_refunded(refund_id=refund_id, now=utc_now())
    assert office.server.received == []


def test_who_has_cancelled_a_part_is_told_what_is_left_to_pay(office: PostOffice) -> None:
    made = make_order(3, 2)
    cancel_order(actor=STAFF, clock=utc_now, order_id=made.id, units=[Units(made.lines[0], 1)])
    mail = office.mail()
    assert mail.message["Subject"] == f"Your order {made.number} has changed"
    assert "  1 x Lamp 1\r\n" in mail.part("plain")
    assert "Lamp 2" not in mail.part("plain")
    assert "What is left to pay is $40.00." in mail.part("plain")
    cancel_order(actor=STAFF, clock=utc_now, order_id=made.id)
    mail = office.mail()
    assert mail.message["Subject"] == f"Your order {made.number} was cancelled"
    assert "You need not pay anything." in mail.part("plain")
    assert office.mails() == []


def test_who_has_paid_is_told_that_the_money_comes_back_and_then_that_it_did(office: PostOffice) -> None:
    made = make_order(3, paid=True)
    cancel_order(actor=STAFF, clock=utc_now, order_id=made.id)
    told = office.mail()
    assert told.message["Subject"] == f"Your order {made.number} was cancelled"
    assert "We give back what you paid" in told.part("plain")
    assert office.mail().message["Subject"] == f"Your refund for order {made.number}"
    assert office.mails() == []


def test_a_checkout_that_never_became_an_order_ends_without_a_mail(office: PostOffice) -> None:
    made = make_order(1, state=OrderState.DRAFT, placed_at=None)

    @in_transaction
    def end() -> None:
        move(lock_order(made.id), Axis.ORDER, OrderState.CANCELLED, actor=system(), now=utc_now())

    end()
    assert office.mails() == []
    assert db.session.scalar(select(func.count()).select_from(Outbox).where(Outbox.done_at.is_(None))) == 0


def test_who_paid_for_what_was_gone_is_told_so(office: PostOffice) -> None:
    made = make_order(1, state=OrderState.EXPIRED, paid=True, placed_at=None, placed_on=None)

    @in_transaction
    def end() -> None:
        move(lock_order(made.id), Axis.ORDER, OrderState.CANCELLED, actor=system(), now=utc_now())

    end()
    mail = office.mail()
    assert "sold out" in mail.part("plain")
    assert "give back all that you paid" in " ".join(mail.part("plain").split())


def test_a_mail_is_asked_for_only_with_what_it_is_about(office: PostOffice) -> None:
    made = make_order(2)

    @in_transaction
    def half() -> None:
        move(lock_order(made.id), Axis.ORDER, OrderState.CANCELLED, actor=system(), now=utc_now())
        raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        half()
    assert office.mails() == []


def test_a_mail_that_could_not_be_sent_is_sent_later_with_a_link_that_works(office: PostOffice) -> None:
    order = buy(1)
    office.server.answer = "451 come back later"
    with pytest.raises(Exception, match="451"):
        office.mails()
    office.server.answer = "250 taken"

    @in_transaction
    def wait() -> None:
        db.session.execute(update(Outbox).values(not_before=utc_now() - timedelta(minutes=1)))

    wait()
    mail = office.mail()
    assert mail.message["Subject"] == f"Your order {order.number}"
    assert db.session.scalar(select(func.count()).select_from(OrderLink)) == 2
    assert office.mails() == []


def test_nobody_is_written_to_who_was_erased(office: PostOffice) -> None:
    made = make_order(1, email=ERASED_EMAIL)
    send(made)
    cancelled = make_order(1, email=ERASED_EMAIL)
    cancel_order(actor=STAFF, clock=utc_now, order_id=cancelled.id)
    assert office.mails() == []
    assert db.session.scalar(select(func.count()).select_from(OrderLink)) == 0


def test_prices_without_tax_say_so_and_all_their_decimals(context: Flask, office: PostOffice) -> None:
    amounts: dict[str, Any] = {"currency": "KWD", "tax_included": False, "tax_minor": 1905, "shipping_minor": 500}
    sums: dict[str, Any] = {"subtotal_minor": 10_000, "discount_minor": 1_000, "total_minor": 11_405}
    made = make_order(1, **amounts, **sums)

    @in_transaction
    def place() -> None:
        tell_customer(OrderMoved(made.id, "placed", NOW))

    place()
    text = office.mail().part("plain")
    said = [line.strip().replace("\N{NO-BREAK SPACE}", " ") for line in text.splitlines() if "KWD" in line]
    assert said[1:] == [
        "Goods: KWD 10.000",
        "Discount: -KWD 1.000",
        "Shipping: KWD 0.500",
        "Tax: KWD 1.905",
        "Total: KWD 11.405",
    ]


def test_what_is_cancelled_twice_in_one_transaction_is_one_mail(office: PostOffice) -> None:
    made = make_order(2)

    @in_transaction
    def cancel() -> None:
        order = lock_order(made.id)
        tell(order, "cancelled", now=utc_now())
        tell(order, "cancelled", now=utc_now())

    cancel()
    assert office.mail().message["Subject"] == f"Your order {made.number} has changed"
