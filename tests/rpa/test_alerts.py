"""What operators are told of the farm: once per crossing, from what is committed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.core import permissions
from app.core.extensions import db
from app.core.orm import utc_now
from app.notifications.models import WebhookEvent
from app.notifications.services.webhooks import create_webhook
from app.products.models.products import ProductUpdate
from app.products.services.observations import follow_observed_change
from app.rpa.errors import TooManyAlertRules
from app.rpa.models.alerts import Alert, AlertRule
from app.rpa.models.jobs import Action, Job
from app.rpa.models.schedules import JobSchedule
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.alerting import AlertKind, Change, Step, decide
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Availability, TaskOutcome
from app.rpa.services import alert_sweep, alerts, firing, schedules
from app.rpa.services.alert_sweep import look, sweep_alerts
from app.rpa.services.ending import finish_jobs
from app.rpa.services.outcomes import finish_task
from app.rpa.services.submitting import submit_errand
from tests.rpa.conftest import ASINS, FarmDriver, reading
from tests.servers import on_sqlite

API = "/api/v1"
PRICE = AlertKind.PRICE
SOLD_OUT = Availability.OUT_OF_STOCK
RULE: dict[str, Any] = {"name": "Drops", "kind": "price", "when": {"percent": 10, "direction": "down"}}


def rule(kind: str, when: dict[str, Any] | None = None, **about: Any) -> int:
    made = alerts.create_rule(actor=permissions.system(), name=f"a {kind}", kind=kind, when=when or {}, **about)
    return made.id


def visit(farm: FarmDriver, *shown: Any, asin: str = ASINS[0], storefront: str = "shop") -> None:
    """Visit one product again and again; it shows these readings, or ends with these codes."""
    for each in shown:
        task_id = farm.task_ids(farm.submit([asin], storefront=storefront))[0]
        farm.release()
        outcome = TaskOutcome(each) if isinstance(each, Code) else TaskOutcome(None, each)
        assert finish_task(lease=farm.leased(task_id), outcome=outcome)


def told(rule_id: int) -> list[Alert]:
    db.session.rollback()
    return list(db.session.scalars(select(Alert).where(Alert.rule_id == rule_id).order_by(Alert.id)))


@pytest.mark.parametrize(
    ("when", "previous", "current", "step"),
    [
        ({"percent": 10}, "10.00 USD", "9.00 USD", Step.TELL),
        ({"percent": 10}, "10.00 USD", "9.01 USD", Step.NOTHING),
        ({"percent": 10, "direction": "up"}, "10.00 USD", "9.00 USD", Step.NOTHING),
        ({"percent": 10, "direction": "up"}, "10.00 USD", "11.00 USD", Step.TELL),
        ({"percent": 0.5}, "0.00 USD", "9.00 USD", Step.NOTHING),
        ({"percent": 1}, "10.00 USD", "9.00 EUR", Step.NOTHING),
        ({"percent": 1}, None, "9.00 USD", Step.NOTHING),
        ({"amount": "1.00", "currency": "USD"}, "10.00 USD", "11.00 USD", Step.TELL),
        ({"amount": "1.01", "currency": "USD"}, "10.00 USD", "11.00 USD", Step.NOTHING),
        ({"amount": "1.00", "currency": "EUR"}, "10.00 USD", "12.00 USD", Step.NOTHING),
        ({"below": "10.00", "currency": "USD"}, "12.00 USD", "9.99 USD", Step.FIRE),
        ({"below": "10.00", "currency": "USD"}, "9.00 USD", "10.00 USD", Step.END),
        ({"below": "10.00", "currency": "USD"}, "12.00 USD", "9.99 EUR", Step.NOTHING),
        ({"above": "10.00", "currency": "USD"}, None, "10.01 USD", Step.FIRE),
        ({"above": "10.00", "currency": "USD"}, "11.00 USD", "10.00 USD", Step.END),
        ({"above": "10.00", "currency": "USD"}, "11.00 USD", None, Step.NOTHING),
    ],
)
def test_a_price_fires_where_its_rule_says(when: dict[str, Any], previous: str, current: str, step: Step) -> None:
    assert decide(PRICE, when, Change(previous, current)) is step


def test_each_price_drop_is_told_once_and_a_rise_is_not(farm: FarmDriver) -> None:
    drops = rule("price", RULE["when"])
    visit(farm, reading("10.00"), reading("8.00"), reading("9.00"), reading("7.00"))
    assert sweep_alerts() == 2
    assert sweep_alerts() == 0
    first, second = told(drops)
    assert first.detail == "B000000001 on shop: price from 10.00 USD to 8.00 USD."
    assert (first.asin, first.storefront, first.ended_at) == (ASINS[0], "shop", first.fired_at)
    assert second.task_id is not None
    assert second.task_id > (first.task_id or 0)


def test_a_threshold_is_told_once_until_it_is_crossed_back(farm: FarmDriver) -> None:
    cheap = rule("price", {"below": "9.00", "currency": "USD"})
    visit(farm, reading("10.00"), reading("8.00"), reading("7.50"))
    assert sweep_alerts() == 1
    visit(farm, reading("7.00"))
    assert sweep_alerts() == 0
    assert [alert.ended_at for alert in told(cheap)] == [None]
    visit(farm, reading("9.00"), reading("8.50"))
    assert sweep_alerts() == 1
    assert [alert.ended_at is None for alert in told(cheap)] == [False, True]


@on_sqlite
def test_gone_and_back_are_told_of_the_storefront_and_product_asked_for(farm: FarmDriver) -> None:
    farm.storefront("other")
    gone, back = rule("availability", {"becomes": "gone"}, storefront="shop"), rule("availability", {"becomes": "back"})
    one = rule("availability", {"becomes": "gone"}, asins=[ASINS[1]])
    for shop in ("shop", "other"):
        visit(farm, reading(), reading(availability=SOLD_OUT), storefront=shop)
    visit(farm, reading(), asin=ASINS[0])
    sweep_alerts()
    assert [alert.subject.endswith("@1") for alert in told(gone)] == [True]
    assert [alert.storefront for alert in told(back)] == ["shop"]
    assert told(one) == []


@on_sqlite
def test_values_that_flap_are_left_out(farm: FarmDriver) -> None:
    flips = rule("price", {"percent": 1})
    visit(farm, *(reading(price) for price in ("10.00", "9.00") * 6))
    count = sweep_alerts()
    assert 0 < count < 11
    visit(farm, *(reading(price) for price in ("10.00", "9.00") * 2))
    assert sweep_alerts() == 0
    assert len(told(flips)) == count


def test_a_storefront_that_blocks_is_told_when_it_begins_and_again_after_its_end(farm: FarmDriver) -> None:
    blocked = rule("blocked")

    def cool(until: Any) -> None:
        db.session.execute(update(Storefront).values(cooldown_until=until, blocks=5))
        db.session.commit()

    assert sweep_alerts() == 0
    cool(utc_now() + timedelta(minutes=1))
    assert [sweep_alerts(), sweep_alerts()] == [1, 0]
    cool(None)
    assert sweep_alerts() == 0
    cool(utc_now() + timedelta(minutes=1))
    assert sweep_alerts() == 1
    assert [alert.ended_at is None for alert in told(blocked)] == [False, True]
    assert told(blocked)[0].detail == "shop has blocked 5 visits in a row and is left alone."


@on_sqlite
def test_a_schedule_that_cannot_be_run_is_told_once_until_it_runs(farm: FarmDriver) -> None:
    late = rule("schedule", storefront="shop")
    wish = {"action": "view-product", "storefront": "shop", "name": "check", "asins": ASINS}
    number = schedules.create_schedule(actor=permissions.system(), name="Hourly", wish=wish, every_s=3600).id

    def fire(*, is_active: bool, seconds_late: int) -> None:
        db.session.execute(update(Storefront).values(is_active=is_active))
        due = utc_now() - timedelta(seconds=seconds_late)
        db.session.execute(update(JobSchedule).values(next_at=due, starts_at=due))
        db.session.commit()
        assert firing.fire(schedule_id=number)

    fire(is_active=False, seconds_late=300)
    assert [sweep_alerts(), sweep_alerts()] == [1, 0]
    assert told(late)[0].detail.startswith("The schedule Hourly could not be run: storefront")
    fire(is_active=True, seconds_late=100)
    assert sweep_alerts() == 0
    assert told(late)[0].ended_at is not None


def test_a_job_that_ended_with_failed_tasks_is_told_once(farm: FarmDriver) -> None:
    visit(farm, Code.TLS_ERROR)
    finish_jobs()
    failed = rule("job")
    visit(farm, Code.TLS_ERROR, Code.NOT_FOUND, reading())
    assert sweep_alerts() == 0
    finish_jobs()
    assert [sweep_alerts(), sweep_alerts()] == [1, 0]
    assert [alert.detail for alert in told(failed)] == ["1 of 1 tasks of the job check failed."]


@on_sqlite
def test_a_failed_errand_tells_nobody_since_somebody_waits_for_its_end(farm: FarmDriver) -> None:
    failed = rule("job")
    errand = submit_errand(actor=permissions.system(), action=Action.VIEW_PRODUCT, storefront="shop", asin=ASINS[0])
    assert finish_task(lease=farm.leased(errand.id), outcome=TaskOutcome(Code.TLS_ERROR))
    visit(farm, Code.TLS_ERROR)
    finish_jobs()
    ended = {errand.job_id: "COMPLETED_WITH_ERRORS", errand.job_id + 1: "COMPLETED_WITH_ERRORS"}
    assert {row.id: row.state for row in db.session.scalars(select(Job))} == ended
    assert sweep_alerts() == 1
    assert [alert.job_id for alert in told(failed)] == [errand.job_id + 1]


def test_two_workers_that_look_at_once_tell_each_crossing_once(
    farm: FarmDriver, in_threads: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    drops, cheap = rule("price", {"percent": 1}), rule("price", {"below": "9.50", "currency": "USD"})
    for asin in ASINS:
        visit(farm, reading("10.00"), reading("9.00"), asin=asin)
    counts = in_threads([sweep_alerts] * 4)
    assert all(isinstance(count, int) for count in counts), counts
    assert sum(counts) == 10
    assert (len(told(drops)), len(told(cheap))) == (5, 5)


@on_sqlite
def test_a_change_that_the_product_takes_over_is_told_once(farm: FarmDriver) -> None:
    drops = rule("price", {"percent": 1})
    db.session.execute(update(Storefront).values(updates_master=True))
    db.session.commit()
    visit(farm, reading("10.00"), reading("9.00"))
    seen = db.session.scalars(select(ProductUpdate.id).where(ProductUpdate.storefront_id.is_not(None))).one()
    follow_observed_change(now=utc_now(), update_id=seen)
    assert len(db.session.scalars(select(ProductUpdate.id).where(ProductUpdate.observed_id == seen)).all()) == 1
    assert sweep_alerts() == 1
    assert len(told(drops)) == 1


@on_sqlite
def test_a_long_history_is_gone_through_in_portions(farm: FarmDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_sweep, "PORTION", 2)
    drops = rule("price", {"percent": 1})
    for asin in ASINS:
        visit(farm, reading("10.00"), reading("9.00"), asin=asin)
    assert look(rule_id=drops) == (2, False)
    assert sweep_alerts() == 3
    assert len(told(drops)) == 5


@on_sqlite
def test_what_was_before_a_rule_or_while_it_was_paused_is_not_told(farm: FarmDriver) -> None:
    visit(farm, reading("10.00"), reading("8.00"))
    drops = rule("price", RULE["when"], is_active=False)
    visit(farm, reading("6.00"))
    assert sweep_alerts() == 0
    alerts.update_rule(actor=permissions.system(), rule_id=drops, expected_version=1, **RULE)
    assert sweep_alerts() == 0
    visit(farm, reading("5.00"))
    assert sweep_alerts() == 1


@on_sqlite
def test_a_rule_that_cannot_be_looked_at_is_in_no_other_ones_way(farm: FarmDriver) -> None:
    rule("price", {"percent": "many"})
    good = rule("price", {"percent": 1})
    visit(farm, reading("10.00"), reading("9.00"))
    with pytest.raises(ExceptionGroup, match="alert rules"):
        sweep_alerts()
    assert len(told(good)) == 1


@on_sqlite
def test_webhooks_are_told_with_the_alert(farm: FarmDriver) -> None:
    about: dict[str, Any] = {"name": "pager", "url": "https://hooks.example.org/a", "kinds": ["alert.fired"]}
    create_webhook(actor=permissions.system(), now=utc_now(), private=frozenset(), **about)
    drops = rule("price", RULE["when"])
    visit(farm, reading("10.00"), reading("8.00"))
    sweep_alerts()
    body = orjson.loads(db.session.scalars(select(WebhookEvent.body)).one())
    assert body["type"] == "alert.fired"
    assert (body["data"]["rule_id"], body["data"]["asin"], body["data"]["kind"]) == (drops, ASINS[0], "price")


def test_rules_are_made_changed_and_deleted_and_alerts_put_away(
    client: FlaskClient, auth_headers: dict[str, str], farm: FarmDriver
) -> None:
    made = client.post(f"{API}/alert-rules", json=RULE | {"storefront": "shop"}, headers=auth_headers)
    assert made.status_code == 201, made.text
    number = made.get_json()["id"]
    url, etag = f"{API}/alert-rules/{number}", {"If-Match": made.headers["ETag"]}
    visit(farm, reading("10.00"), reading("8.00"))
    sweep_alerts()
    (alert,) = client.get(f"{API}/alerts?is_read=false", headers=auth_headers).get_json()["items"]
    assert (alert["rule_id"], alert["read_at"]) == (number, None)
    read = client.post(f"{API}/alerts/{alert['id']}/read", headers=auth_headers).get_json()
    assert read["read_at"] is not None
    put_away = client.post(f"{API}/alerts/{alert['id']}/dismiss", headers=auth_headers).get_json()
    assert put_away["read_at"] == read["read_at"]
    assert client.get(f"{API}/alerts", headers=auth_headers).get_json()["items"] == []
    listed = client.get(f"{API}/alerts?is_dismissed=true&rule_id={number}", headers=auth_headers).get_json()["items"]
    assert [each["id"] for each in listed] == [alert["id"]]
    changed = client.put(url, json=RULE | {"name": "All"}, headers=auth_headers | etag)
    assert (changed.status_code, changed.get_json()["version"], changed.get_json()["storefront"]) == (200, 2, None)
    stale = client.put(url, json=RULE, headers=auth_headers | etag)
    assert (stale.status_code, stale.get_json()["code"]) == (412, "STALE_VERSION")
    assert client.delete(url, headers=auth_headers | etag).status_code == 412
    gone = client.delete(url, headers=auth_headers | {"If-Match": changed.headers["ETag"]})
    assert gone.status_code == 204
    assert client.get(url, headers=auth_headers).get_json()["code"] == "ALERT_RULE_NOT_FOUND"
    assert client.get(f"{API}/alerts/{alert['id']}", headers=auth_headers).get_json()["code"] == "ALERT_NOT_FOUND"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kind": "weather"}, "/kind"),
        ({"when": {}}, "/when/percent"),
        ({"when": {"percent": 5, "below": "1.00"}}, "/when/percent"),
        ({"when": {"percent": 0}}, "/when/percent"),
        ({"when": {"percent": 5, "currency": "USD"}}, "/when/currency"),
        ({"when": {"below": "5.00"}}, "/when/currency"),
        ({"when": {"below": "5.001", "currency": "USD"}}, "/when/below"),
        ({"when": {"below": "5.00", "currency": "USD", "direction": "up"}}, "/when/direction"),
        ({"when": {"becomes": "gone"}}, "/when/becomes"),
        ({"kind": "availability", "when": {}}, "/when/becomes"),
        ({"kind": "blocked", "when": {}, "asins": [ASINS[0]]}, "/asins"),
        ({"kind": "blocked"}, "/when/percent"),
        ({"storefront": "nowhere"}, "/storefront"),
        ({"asins": []}, "/asins"),
    ],
)
@on_sqlite
def test_a_rule_that_says_nothing_clear_is_refused_and_none_is_made(
    client: FlaskClient, auth_headers: dict[str, str], farm: FarmDriver, change: dict[str, Any], pointer: str
) -> None:
    answer = client.post(f"{API}/alert-rules", json=RULE | change, headers=auth_headers)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.get_json()["errors"]]
    assert db.session.scalars(select(AlertRule.id)).all() == []


@on_sqlite
def test_there_are_at_most_so_many_rules(farm: FarmDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "MAX_RULES", 1)
    rule("blocked")
    with pytest.raises(TooManyAlertRules):
        rule("blocked")
    assert len(db.session.scalars(select(AlertRule.id)).all()) == 1
