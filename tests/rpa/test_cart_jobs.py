"""Jobs that put a quantity and a variant into carts: what is asked for, what is refused, and what comes back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core.extensions import db
from app.core.money import Money
from app.rpa.models.jobs import Job, TaskState
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import CartReading, Choice, ChoicesReading, Read, TaskOutcome
from app.rpa.services import leases, outcomes, preparing
from app.rpa.services.ending import finish_jobs
from tests.auth.people import new_person
from tests.browsing import Visitor
from tests.rpa.conftest import ASINS, FarmDriver, profile, stock_master
from tests.servers import on_sqlite

Send = Callable[..., Any]
API = "/api/v1"
JOB = {"action": "add-to-cart", "storefront": "shop", "name": "Carts", "asins": ASINS[:1]}
WISH = {"quantity": 25, "options": {"size": "M", "colour": "Nachtblau"}}


@pytest.fixture
def shop(app: Flask) -> FarmDriver:
    """A storefront with two options and a field for the quantity, and one without either."""
    with app.app_context():
        stock_master()
        farm = FarmDriver(app)
        options = [{"name": "size", "css": "#size"}, {"name": "colour", "css": ".colour"}]
        farm.storefront(cart=profile()["cart"] | {"options": options, "quantity_field": {"input": "#n"}})
        farm.storefront("plain")
        return farm


@pytest.fixture
def send(client: FlaskClient, auth_headers: dict[str, str], shop: FarmDriver) -> Send:
    return lambda path, **about: client.post(f"{API}{path}", headers=auth_headers, **about)


def refused_at(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.get_json()["errors"]]


def count_jobs(app: Flask) -> int:
    with app.app_context():
        return len(list(db.session.scalars(select(Job.id))))


def ended(app: Flask, shop: FarmDriver, job_id: int, outcome: TaskOutcome) -> int:
    """Let the only task of a job end so; gives its id."""
    with app.app_context():
        preparing.prepare_job(job_id=job_id)
        task_id = shop.task_ids(db.session.get_one(Job, job_id))[0]
        shop.release()
        lease = shop.leased(task_id)
        assert (lease.quantity, lease.options) == (WISH["quantity"], WISH["options"])
        assert outcomes.finish_task(lease=lease, outcome=outcome)
        return task_id


def read(text: str) -> Read[Money]:
    return Read(Money.parse(text, "USD"), "cart css .p", f"${text}")


def test_quantity_and_variant_go_with_the_job_to_the_worker_and_come_back_with_findings(
    app: Flask, shop: FarmDriver, send: Send, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    job = send("/jobs", json=JOB | WISH).get_json()
    assert {name: job[name] for name in WISH} == WISH
    reading = CartReading(25, read("10.00"), read("9.00"), read("250.00"), {"size": "M", "colour": "nachtblau"})
    task_id = ended(app, shop, job["id"], TaskOutcome(None, reading))
    task = client.get(f"{API}/tasks/{task_id}", headers=auth_headers).get_json()
    assert {name: task[name] for name in WISH} == WISH
    result = task["result"]
    assert (result["quantity"], result["price_differs"], result["options"]["colour"]) == (25, True, "nachtblau")
    assert [(one["code"], one["detail"]) for one in result["findings"]] == [
        ("PRICE_DIFFERS", "The product's page shows 9.00 USD, the cart 250.00 USD for 25.")
    ]
    new_person(app, "ada@example.org", role="admin")
    page = Visitor(app, "ada@example.org").client.get(f"/admin/tasks/{task_id}").text
    for said in ("25 pieces, colour Nachtblau, size M", "PRICE_DIFFERS", "250.00 USD", "size: <bdi>M</bdi>"):
        assert said in page


@on_sqlite
@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (
            TaskOutcome(Code.VARIANT_REQUIRED, ChoicesReading("size", (Choice("S", True), Choice("<b>", False)))),
            {
                "option": "size",
                "choices": [{"value": "S", "is_available": True}, {"value": "<b>", "is_available": False}],
            },
        ),
        (TaskOutcome(Code.QUANTITY_LIMITED, CartReading(3, None, None)), {"quantity": 3}),
    ],
)
def test_what_the_shop_offers_instead_is_the_result_of_a_refusal(
    app: Flask, shop: FarmDriver, send: Send, outcome: TaskOutcome, result: dict[str, Any]
) -> None:
    task_id = ended(app, shop, send("/jobs", json=JOB | WISH).get_json()["id"], outcome)
    with app.app_context():
        task = shop.task(task_id)
        assert (task.state, task.code) == (TaskState.REFUSED, outcome.code)
        assert task.result is not None
        assert result.items() <= task.result.items()
    new_person(app, "ada@example.org", role="admin")
    page = Visitor(app, "ada@example.org").client.get(f"/admin/tasks/{task_id}").text
    assert "What was read" in page
    assert "<bdi><b>" not in page


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"quantity": 1000}, "/quantity"),
        ({"quantity": "2"}, "/quantity"),
        ({"storefront": "plain", "quantity": 11}, "/quantity"),
        ({"storefront": "plain", "options": {"size": "M"}}, "/options/size"),
        ({"options": {"fit": "slim"}}, "/options/fit"),
        ({"options": {"size": ""}}, "/options/size/value"),
        ({"options": {"size": "x" * 101}}, "/options/size/value"),
        ({"options": {"Size": "M"}}, "/options/Size/key"),
        ({"options": {f"o{n}": "M" for n in range(11)}}, "/options"),
        ({"options": ["M"]}, "/options"),
        ({"action": "view-product", "options": {"size": "M"}}, "/options"),
    ],
)
def test_a_wish_that_cannot_be_put_into_a_cart_is_refused_and_no_job_is_made(
    app: Flask, send: Send, change: dict[str, Any], pointer: str
) -> None:
    assert refused_at(send("/jobs", json=JOB | change)) == [pointer]
    if "action" not in change:
        errand = {"asin": ASINS[0], "storefront": change.get("storefront", "shop")}
        wish = {name: value for name, value in change.items() if name != "storefront"}
        assert refused_at(send("/add-to-cart", json=errand | wish)) == [pointer]
        assert refused_at(send("/jobs/estimate", json=JOB | change)) == [pointer]
    assert count_jobs(app) == 0


@on_sqlite
def test_an_errand_takes_a_variant(send: Send, app: Flask) -> None:
    answer = send("/add-to-cart", json={"asin": ASINS[0], "storefront": "shop"} | WISH)
    assert answer.status_code == 202, answer.text
    assert {name: answer.get_json()[name] for name in WISH} == WISH
    with app.app_context():
        lease = leases.claim_task(task_id=answer.get_json()["id"], release_no=1, worker_id=None, lease_s=30)
        assert lease is not None
        assert (lease.quantity, lease.options) == (25, WISH["options"])


@on_sqlite
def test_a_job_that_is_cloned_has_the_same_wish_unless_it_is_told_another(
    app: Flask, shop: FarmDriver, send: Send
) -> None:
    job = send("/jobs", json=JOB | WISH).get_json()
    assert {name: send(f"/jobs/{job['id']}/clone", json={}).get_json()[name] for name in WISH} == WISH
    other = send(f"/jobs/{job['id']}/clone", json={"options": {"size": "S"}, "quantity": 2}).get_json()
    assert (other["options"], other["quantity"]) == ({"size": "S"}, 2)
    assert refused_at(send(f"/jobs/{job['id']}/clone", json={"storefront": "plain"})) == ["/quantity"]
    ended(app, shop, job["id"], TaskOutcome(Code.CART_NOT_EMPTY))
    with app.app_context():
        finish_jobs()
    again = send(f"/jobs/{job['id']}/retry", json={}).get_json()
    assert {name: again[name] for name in WISH} == WISH


@on_sqlite
def test_a_job_over_a_file_takes_options_as_json(app: Flask, send: Send) -> None:
    form = {"action": "add-to-cart", "storefront": "shop", "name": "File", "quantity": "2"}

    def upload(options: str) -> Any:
        file = (io.BytesIO(b"asin\nB000000001\n"), "a.csv")
        return send("/jobs/upload", data=form | {"options": options, "file": file})

    assert upload(json.dumps({"size": "M"})).get_json()["options"] == {"size": "M"}
    for wrong in ("size=M", "[1]", "{" * 5000, '{"size": 1}'):
        assert refused_at(upload(wrong))[0].startswith("/options")
    assert count_jobs(app) == 1


@on_sqlite
def test_the_command_line_takes_options(app: Flask, shop: FarmDriver) -> None:
    runner = app.test_cli_runner()
    command = ["job", "submit", "add-to-cart", "--storefront", "shop", "--asin", ASINS[0]]
    made = runner.invoke(args=[*command, "--option", "size=M", "--option", "colour=a=b"])
    assert made.exit_code == 0, made.output
    with app.app_context():
        assert db.session.scalars(select(Job.options)).one() == {"size": "M", "colour": "a=b"}
    for wrong in (["--option", "size"], ["--option", "size=M", "--option", "size=S"], ["--option", "fit=slim"]):
        assert runner.invoke(args=[*command, *wrong]).exit_code != 0
    assert count_jobs(app) == 1
