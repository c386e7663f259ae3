"""Which variant of a product goes into a storefront's cart where a job does not say it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core import permissions
from app.core.audit import AuditEvent
from app.core.errors import VersionRequired
from app.core.extensions import db
from app.core.orm import utc_now
from app.products.models.products import Product
from app.products.services.products import delete_product
from app.rpa.errors import CartOptionsStale
from app.rpa.models.cart_options import CartOptions
from app.rpa.models.jobs import Action
from app.rpa.models.storefronts import Storefront
from app.rpa.services import preparing, storefronts, submitting
from app.rpa.services.cart_options import put_cart_options, put_many_cart_options
from tests.concurrency import at_once
from tests.rpa.conftest import ASINS, FarmDriver, profile, stock_master
from tests.servers import on_sqlite

API = "/api/v1"
SYSTEM = permissions.system()
BLACK_M = {"size": "M", "colour": "black"}


@pytest.fixture
def shop(app: Flask) -> FarmDriver:
    """A storefront with two options, and one that knows none; five products."""
    with app.app_context():
        stock_master()
        farm = FarmDriver(app)
        options = [{"name": "size", "css": "#size"}, {"name": "colour", "css": ".colour"}]
        farm.storefront(cart=profile()["cart"] | {"options": options})
        farm.storefront("plain")
        return farm


@pytest.fixture
def call(client: FlaskClient, auth_headers: dict[str, str], shop: FarmDriver) -> Callable[..., Any]:
    def send(method: str, path: str, based_on: Any = None, **about: Any) -> Any:
        """Send a call; If-Match is the ETag of the answer that it is based on, or a text."""
        tag = based_on if isinstance(based_on, str | None) else based_on.headers["ETag"]
        headers = auth_headers | ({} if tag is None else {"If-Match": tag})
        return client.open(f"{API}{path}", method=method, headers=headers, **about)

    return send


@pytest.fixture
def ids(app: Flask, shop: FarmDriver) -> dict[str, int]:
    """The ids of products by ASIN, and of storefronts by code."""
    with app.app_context():
        products = {row.asin: row.id for row in db.session.execute(select(Product.asin, Product.id))}
        shops = {row.code: row.id for row in db.session.scalars(select(Storefront))}
        return products | shops


def kept(app: Flask) -> dict[tuple[int, str], dict[str, str]]:
    with app.app_context():
        return {(row.storefront_id, row.asin): row.options for row in db.session.scalars(select(CartOptions))}


def audited(app: Flask) -> list[tuple[str, Any, Any]]:
    with app.app_context():
        rows = select(AuditEvent).where(AuditEvent.topic == "cart_options").order_by(AuditEvent.id)
        return [(row.action, row.before, row.after) for row in db.session.scalars(rows)]


def put(product_id: int, storefront_id: int, options: dict[str, str]) -> None:
    row = db.session.get(CartOptions, (storefront_id, product_id))
    put_cart_options(
        actor=SYSTEM, now=utc_now(), product_id=product_id, storefront_id=storefront_id, options=options,
        expected_version=row.version if row else None,
    )  # fmt: skip


def claimed(shop: FarmDriver, **about: Any) -> dict[str, dict[str, str]]:
    """Submit a job over two products and claim its tasks: the options that each lease has, by ASIN."""
    about = {"action": Action.ADD_TO_CART, "asins": ASINS[:2], **about}
    job = submitting.submit_job(actor=SYSTEM, storefront="shop", name="Carts", **about)
    preparing.prepare_job(job_id=job.id)
    shop.release()
    leases = [shop.leased(task_id) for task_id in shop.task_ids(job)]
    return {lease.asin: dict(lease.options) for lease in leases}


def test_a_job_without_options_takes_each_products_own(app: Flask, shop: FarmDriver, ids: dict[str, int]) -> None:
    with app.app_context():
        put(ids[ASINS[0]], ids["shop"], BLACK_M)
        assert claimed(shop) == {ASINS[0]: BLACK_M, ASINS[1]: {}}


@on_sqlite
def test_a_job_that_names_any_option_takes_none_of_the_products_own(
    app: Flask, shop: FarmDriver, ids: dict[str, int]
) -> None:
    with app.app_context():
        put(ids[ASINS[0]], ids["shop"], BLACK_M)
        assert claimed(shop, options={"size": "L"}) == {ASINS[0]: {"size": "L"}, ASINS[1]: {"size": "L"}}


@on_sqlite
def test_a_view_of_a_product_has_no_options(app: Flask, shop: FarmDriver, ids: dict[str, int]) -> None:
    with app.app_context():
        put(ids[ASINS[0]], ids["shop"], BLACK_M)
        assert claimed(shop, action=Action.VIEW_PRODUCT) == {ASINS[0]: {}, ASINS[1]: {}}


@on_sqlite
def test_what_holds_at_the_visit_counts_and_not_what_held_when_the_job_was_submitted(
    app: Flask, shop: FarmDriver, ids: dict[str, int]
) -> None:
    with app.app_context():
        put(ids[ASINS[0]], ids["shop"], BLACK_M)
        job = submitting.submit_job(
            actor=SYSTEM, action=Action.ADD_TO_CART, storefront="shop", name="Carts", asins=ASINS[:1]
        )
        preparing.prepare_job(job_id=job.id)
        shop.release()
        put(ids[ASINS[0]], ids["shop"], {"size": "XL"})
        assert dict(shop.leased(shop.task_ids(job)[0]).options) == {"size": "XL"}


def test_options_are_put_shown_changed_and_removed_and_each_change_is_audited(
    app: Flask, call: Callable[..., Any], ids: dict[str, int]
) -> None:
    path = f"/products/{ids[ASINS[0]]}/cart-options/{ids['shop']}"
    made = call("PUT", path, json={"options": {"size": "S"}})
    assert (made.status_code, made.get_json()["options"], made.get_json()["asin"]) == (200, {"size": "S"}, ASINS[0])
    assert call("PUT", path, made, json={"options": {"size": "S"}}).headers["ETag"] == made.headers["ETag"]
    assert call("PUT", path, made, json={"options": BLACK_M}).status_code == 200
    shown = call("GET", path)
    assert (shown.get_json()["options"], shown.get_json()["storefront_id"]) == (BLACK_M, ids["shop"])
    for of_one in (f"/products/{ids[ASINS[0]]}/cart-options", f"/storefronts/{ids['shop']}/cart-options"):
        assert [row["options"] for row in call("GET", of_one).get_json()["items"]] == [BLACK_M]
    assert call("DELETE", path, shown).status_code == 204
    assert kept(app) == {}
    gone = [call(method, path, shown) for method in ("GET", "DELETE")]
    assert [(one.status_code, one.get_json()["code"]) for one in gone] == [(404, "CART_OPTIONS_NOT_FOUND")] * 2
    about = {"storefront": "shop"}
    assert audited(app) == [
        ("cart_options.put", about | {"options": None}, about | {"options": {"size": "S"}}),
        ("cart_options.put", about | {"options": {"size": "S"}}, about | {"options": BLACK_M}),
        ("cart_options.delete", about | {"options": BLACK_M}, None),
    ]


def test_options_are_changed_and_removed_only_as_they_were_last_read(
    app: Flask, call: Callable[..., Any], ids: dict[str, int]
) -> None:
    path = f"/products/{ids[ASINS[0]]}/cart-options/{ids['shop']}"
    sent = {"options": {"size": "L"}}
    first = call("PUT", path, json={"options": {"size": "S"}})
    second = call("PUT", path, first, json={"options": BLACK_M})
    assert second.headers["ETag"] == call("GET", path).headers["ETag"] != first.headers["ETag"]
    before = audited(app)
    refused = [
        (answer.status_code, answer.get_json()["code"])
        for method, body in (("PUT", {"json": sent}), ("DELETE", {}))
        for answer in (call(method, path, based_on, **body) for based_on in (None, first))
    ]
    assert refused == [(428, "VERSION_REQUIRED"), (412, "STALE_VERSION")] * 2
    assert (kept(app), audited(app)) == ({(ids["shop"], ASINS[0]): BLACK_M}, before)
    assert call("DELETE", path, second).status_code == 204
    gone = call("PUT", path, second, json=sent)
    assert (gone.status_code, gone.get_json()["code"], kept(app)) == (412, "STALE_VERSION", {})
    anew = call("PUT", path, json=sent)
    assert call("DELETE", path, second).status_code == 412
    assert call("DELETE", path, anew).status_code == 204


def test_of_those_who_change_the_same_options_at_once_one_succeeds(app: Flask, ids: dict[str, int]) -> None:
    def write(size: str, version: int | None) -> None:
        put_cart_options(
            actor=SYSTEM, now=utc_now(), product_id=ids[ASINS[0]], storefront_id=ids["shop"], options={"size": size},
            expected_version=version,
        )  # fmt: skip

    made = at_once(app, *(partial(write, size, None) for size in "SM"))
    assert [type(each) for each in made if each is not None] == [VersionRequired]
    with app.app_context():
        version = db.session.scalars(select(CartOptions)).one().version
    changed = at_once(app, *(partial(write, size, version) for size in ("L", "XL")))
    assert [type(each) for each in changed if each is not None] == [CartOptionsStale]
    assert len(audited(app)) == 2


def test_many_are_written_at_once_and_null_removes(app: Flask, call: Callable[..., Any], ids: dict[str, int]) -> None:
    with app.app_context():
        put(ids[ASINS[0]], ids["shop"], BLACK_M)
        put(ids[ASINS[1]], ids["shop"], BLACK_M)
        put(ids[ASINS[1]], ids["shop"], {"size": "S"})
    entries = [
        {"asin": ASINS[0], "options": None},
        {"asin": ASINS[1], "options": {"size": "S"}},
        {"asin": ASINS[2], "options": {"size": "L"}},
        {"asin": ASINS[3], "options": None},
    ]
    answer = call("POST", f"/storefronts/{ids['shop']}/cart-options", json={"entries": entries})
    assert (answer.status_code, answer.get_json()) == (200, {"changed": 2, "unchanged": 2})
    assert kept(app) == {(ids["shop"], ASINS[1]): {"size": "S"}, (ids["shop"], ASINS[2]): {"size": "L"}}
    assert audited(app)[-1] == (
        "cart_options.put_many",
        {ASINS[0]: BLACK_M, ASINS[2]: None},
        {ASINS[0]: None, ASINS[2]: {"size": "L"}},
    )


@on_sqlite
def test_of_many_a_single_wrong_entry_keeps_all_from_being_written(
    app: Flask, call: Callable[..., Any], ids: dict[str, int]
) -> None:
    entries = [
        {"asin": ASINS[0], "options": {"size": "S"}},
        {"asin": "B0UNKNOWN1", "options": {"size": "S"}},
        {"asin": ASINS[0], "options": None},
        {"asin": ASINS[2], "options": {"fit": "slim"}},
    ]
    answer = call("POST", f"/storefronts/{ids['shop']}/cart-options", json={"entries": entries})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "CART_OPTIONS_REFUSED")
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [
        "/entries/1/asin",
        "/entries/2/asin",
        "/entries/3/options/fit",
    ]
    assert (kept(app), audited(app)) == ({}, [])


@on_sqlite
@pytest.mark.parametrize(
    ("code", "sent", "pointer"),
    [
        ("shop", {"options": {"fit": "slim"}}, "/options/fit"),
        ("plain", {"options": {"size": "M"}}, "/options/size"),
        ("shop", {"options": {}}, "/options"),
        ("shop", {"options": None}, "/options"),
        ("shop", {}, "/options"),
    ],
)
def test_options_that_the_profile_has_no_name_for_are_refused(
    app: Flask, call: Callable[..., Any], ids: dict[str, int], code: str, sent: dict[str, Any], pointer: str
) -> None:
    answer = call("PUT", f"/products/{ids[ASINS[0]]}/cart-options/{ids[code]}", json=sent)
    assert (answer.status_code, [error["pointer"] for error in answer.get_json()["errors"]]) == (422, [pointer])
    assert (kept(app), audited(app)) == ({}, [])


@on_sqlite
def test_a_storefront_without_a_cart_takes_no_options(app: Flask, shop: FarmDriver, call: Callable[..., Any]) -> None:
    with app.app_context():
        document = {name: part for name, part in profile().items() if name != "cart"}
        row = storefronts.create_storefront(actor=SYSTEM, now=utc_now(), code="bare", name="Bare", profile=document)
        product_id, shop_id = db.session.scalars(select(Product.id).limit(1)).one(), row.id
    answer = call("PUT", f"/products/{product_id}/cart-options/{shop_id}", json={"options": {"size": "M"}})
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/options")
    assert kept(app) == {}


@on_sqlite
def test_products_and_storefronts_that_are_not_there_are_not_found(
    app: Flask, call: Callable[..., Any], ids: dict[str, int]
) -> None:
    sent = {"options": {"size": "M"}}
    for path in (f"/products/{ids[ASINS[0]]}/cart-options/999", f"/products/999/cart-options/{ids['shop']}"):
        assert call("PUT", path, json=sent).status_code == 404
    for path in ("/products/999/cart-options", "/storefronts/999/cart-options"):
        assert call("GET", path).status_code == 404
    assert (kept(app), audited(app)) == ({}, [])


def test_options_go_with_their_product_and_their_storefront(app: Flask, shop: FarmDriver, ids: dict[str, int]) -> None:
    with app.app_context():
        put(ids[ASINS[0]], ids["shop"], BLACK_M)
        put(ids[ASINS[1]], ids["shop"], BLACK_M)
        delete_product(actor=SYSTEM, now=utc_now(), product_id=ids[ASINS[0]], expected_version=1)
        assert list(kept(app)) == [(ids["shop"], ASINS[1])]
        storefronts.delete_storefront(actor=SYSTEM, storefront_id=ids["shop"], expected_version=1)
    assert kept(app) == {}


def test_writers_of_the_same_options_at_once_leave_those_of_one_of_them(app: Flask, ids: dict[str, int]) -> None:
    sizes = ["S", "M", "L", "XL"]

    def write(size: str) -> None:
        entries = [{"asin": asin, "options": {"size": size}} for asin in ASINS]
        put_many_cart_options(actor=SYSTEM, storefront_id=ids["shop"], entries=entries, now=utc_now())

    assert at_once(app, *(partial(write, size) for size in sizes)) == [None] * len(sizes)
    values = [options["size"] for options in kept(app).values()]
    assert len(values) == len(ASINS)
    assert len(set(values)) == 1
    assert len(audited(app)) == len(sizes)
