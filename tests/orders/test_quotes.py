"""A quote is what a checkout expects, and changes nothing."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import update

from app.config import Checkout, Payments
from app.core.orm import utc_now
from app.orders.services.coupons.editing import create_coupon
from app.products.models.products import Product
from tests.conftest import AppWith
from tests.orders.shopping import Customer, Shop, change, everything
from tests.products.stocking import ACTOR

_TERMS = Checkout(tax_rate_ppm=190_000, tax_included=False, shipping_minor=490)


def ask(customer: Customer, **more: Any) -> Any:
    query = {"cart_id": customer.cart_id, **more}
    return customer.app.test_client().get("/api/v1/orders/quote", query_string=query, headers=customer.headers)


def add_coupon(app: Flask, code: str, **values: Any) -> None:
    with app.app_context():
        create_coupon(actor=ACTOR, now=utc_now(), code=code, **values)


def test_the_total_of_a_quote_is_what_the_checkout_expects(app_with: AppWith, app: Flask) -> None:
    shop = Shop(app_with(checkout=_TERMS))
    add_coupon(app, "TENTH", percent_ppm=100_000)
    guest = shop.guest({shop.product(price="3.33"): 3, shop.product(price="19.99"): 1})
    before = everything(app)
    found = ask(guest, coupon="tenth").get_json()
    assert everything(app) == before
    names = ("subtotal", "discount", "shipping", "tax", "total", "coupon", "currency", "tax_rate", "tax_included")
    values = ["29.98", "3.00", "4.90", "6.06", "37.94", "TENTH", "USD", "19", False]
    assert [found[name] for name in names] == values
    assert found["payment_methods"] == ["invoice", "cash"]
    assert [line["total"] for line in found["lines"]] == ["12.64", "25.30"]
    assert guest.order(found["total"], coupon="TENTH").status_code == 201


def test_a_person_is_told_of_a_coupon_that_they_have_used_and_a_guest_who_says_who_they_are(
    app: Flask, shop: Shop
) -> None:
    add_coupon(app, "ONCE", percent_ppm=100_000, max_per_customer=1)
    lamp = shop.product()
    first = shop.guest({lamp: 1})
    assert first.order("9.00", coupon="ONCE").status_code == 201
    again = shop.guest({lamp: 1})
    assert ask(again, coupon="ONCE").get_json()["total"] == "9.00"
    known = ask(again, coupon="ONCE", email=f"guest{first.cart_id}@example.org")
    assert (known.status_code, known.get_json()["code"]) == (409, "COUPON_NOT_USABLE")


def test_a_coupon_that_a_draft_has_used_counts_against_all_carts_but_its_own(app_with: AppWith, app: Flask) -> None:
    nobody = Payments(stripe_secret_key="sk_test_x", stripe_webhook_secret="whsec_x", stripe_url="http://127.0.0.1:9")
    shop = Shop(app_with(payments=nobody))
    add_coupon(app, "LAST", percent_ppm=100_000, max_uses=1)
    lamp = shop.product()
    first, second = shop.guest({lamp: 1}), shop.guest({lamp: 1})
    unknown = first.order("9.00", coupon="LAST", payment_method="card", source="pm_x")
    assert unknown.get_json()["code"] == "PAYMENT_UNKNOWN"
    assert ask(first, coupon="LAST").get_json()["total"] == "9.00"
    assert ask(second, coupon="LAST").get_json()["reason"] == "used_up"


def test_what_cannot_be_ordered_is_not_priced(app: Flask, shop: Shop) -> None:
    lamp = shop.product()
    guest, empty = shop.guest({lamp: 1}), shop.guest()
    assert ask(empty).get_json()["code"] == "CART_EMPTY"
    assert ask(guest, coupon="NOBODY").get_json()["code"] == "UNKNOWN_COUPON"
    other = ask(shop.guest(), cart_id=guest.cart_id)
    assert (other.status_code, other.get_json()["code"]) == (404, "CART_NOT_FOUND")
    assert guest.order("10.00").status_code == 201
    assert ask(guest).get_json()["code"] == "CART_CLOSED"
    late = shop.guest({lamp: 1})
    change(app, update(Product).where(Product.id == lamp).values(is_active=False))
    assert ask(late).get_json()["code"] == "PRODUCT_UNAVAILABLE"
