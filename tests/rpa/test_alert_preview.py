"""What a rule would have told of the recorded changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.core.extensions import db
from app.core.orm import utc_now
from app.products.models.products import ProductUpdate
from app.rpa.models.alerts import Alert, AlertRule
from app.rpa.queries import alert_previews
from app.rpa.queries.alert_previews import DAYS, SHOWN, Wish, preview_rule
from app.rpa.rules.readings import Availability
from app.rpa.services.alert_sweep import sweep_alerts
from tests.rpa.conftest import ASINS, FarmDriver, reading
from tests.rpa.test_alerts import rule, told, visit
from tests.servers import on_sqlite

GONE = reading(availability=Availability.OUT_OF_STOCK)
RULES: list[tuple[str, dict[str, Any]]] = [
    ("price", {"percent": 10, "direction": "down"}),
    ("price", {"below": "9.00", "currency": "USD"}),
    ("availability", {"becomes": "gone"}),
    ("availability", {"becomes": "back"}),
]


def _make_older(days: float, *, up_to: int | None = None) -> None:
    """Let the changes so far have been made so many days ago."""
    at = utc_now() - timedelta(days=days)
    where = [] if up_to is None else [ProductUpdate.id <= up_to]
    db.session.execute(update(ProductUpdate).where(*where).values(created_at=at))
    db.session.commit()


def test_a_preview_tells_what_the_rule_itself_told(farm: FarmDriver) -> None:
    rules = [rule(kind, when) for kind, when in RULES]
    shown = [reading("10.00"), reading("8.00"), GONE, reading("9.50"), reading("8.50"), reading("8.40"), GONE, GONE]
    for asin in ASINS[:2]:
        visit(farm, *shown, asin=asin)
    visit(farm, *[reading(price) for price in ("10.00", "8.00") * 4], asin=ASINS[2])
    sweep_alerts()
    for (kind, when), rule_id in zip(RULES, rules, strict=True):
        preview = preview_rule(Wish(kind, when))
        there = told(rule_id)
        assert there, kind
        assert (preview.count, preview.is_complete) == (len(there), True)
        assert [each.detail for each in preview.items] == [alert.detail for alert in reversed(there)]
        assert [each.task_id for each in preview.items] == [alert.task_id for alert in reversed(there)]


@on_sqlite
def test_a_preview_looks_at_the_products_and_the_storefront_of_the_rule(farm: FarmDriver) -> None:
    farm.storefront("other")
    for asin in ASINS[:2]:
        visit(farm, reading("10.00"), reading("8.00"), asin=asin)
    drops = ("price", {"percent": 10})
    assert preview_rule(Wish(*drops)).count == 2
    assert [each.asin for each in preview_rule(Wish(*drops, asins=[ASINS[1]])).items] == [ASINS[1]]
    assert preview_rule(Wish(*drops, storefront="other")).count == 0


@on_sqlite
def test_what_held_before_and_what_is_older_than_seven_days_is_not_shown(farm: FarmDriver) -> None:
    cheap = Wish("price", {"below": "9.00", "currency": "USD"})
    visit(farm, reading("10.00"), reading("8.00"))
    _make_older(DAYS + 1)
    assert preview_rule(cheap).count == 0
    visit(farm, reading("7.00"))
    assert preview_rule(cheap).count == 0
    visit(farm, reading("9.00"), reading("8.00"))
    assert [each.detail for each in preview_rule(cheap).items] == [
        "B000000001 on shop: price from 9.00 USD to 8.00 USD."
    ]


@on_sqlite
def test_at_most_a_hundred_are_shown_with_how_many_there_are(farm: FarmDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_previews, "_PORTION", 7)
    visit(farm, reading("10.00"), reading("8.00"))
    row = db.session.scalars(select(ProductUpdate).where(ProductUpdate.storefront_id.is_not(None))).one()
    names = ("product_id", "asin", "attribute", "source", "storefront_id", "actor_kind", "created_at")
    like = {name: getattr(row, name) for name in names}
    for price in range(SHOWN):
        values = {"previous_attribute": f"{900 - price}.00 USD", "current_attribute": f"{100 + price}.00 USD"}
        db.session.add(ProductUpdate(**like, **values))
    db.session.commit()
    preview = preview_rule(Wish("price", {"percent": 10}))
    assert (preview.count, len(preview.items)) == (SHOWN + 1, SHOWN)
    assert preview.items[0].detail.endswith("from 801.00 USD to 199.00 USD.")
    assert preview.items[-1].detail.endswith("from 900.00 USD to 100.00 USD.")


@on_sqlite
def test_of_a_very_long_history_the_newest_part_is_looked_at_and_that_is_said(
    farm: FarmDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for asin in ASINS[:3]:
        visit(farm, reading("10.00"), reading("8.00"), asin=asin)
    newest = db.session.scalars(select(ProductUpdate.id).order_by(ProductUpdate.id.desc())).all()
    _make_older(2, up_to=newest[2])
    _make_older(1, up_to=newest[1])
    monkeypatch.setattr(alert_previews, "LOOKED_AT", 2)
    preview = preview_rule(Wish("price", {"percent": 10}))
    assert (preview.count, preview.is_complete) == (2, False)
    assert utc_now() - preview.since < timedelta(days=1, hours=1)


@on_sqlite
def test_a_preview_writes_nothing(client: FlaskClient, auth_headers: dict[str, str], farm: FarmDriver) -> None:
    visit(farm, reading("10.00"), reading("8.00"))
    sent = {"kind": "price", "when": {"percent": 10}}
    answer = client.post("/api/v1/alert-rules/preview", json=sent, headers=auth_headers)
    assert answer.status_code == 200, answer.text
    assert (answer.get_json()["count"], answer.get_json()["items"][0]["asin"]) == (1, ASINS[0])
    assert db.session.scalars(select(Alert.id)).all() == db.session.scalars(select(AlertRule.id)).all() == []


@on_sqlite
@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"kind": "blocked"}, "/kind"),
        ({"kind": "cart"}, "/kind"),
        ({"kind": "price"}, "/when/percent"),
        ({"kind": "price", "when": {"percent": 1}, "storefront": "nowhere"}, "/storefront"),
        ({"kind": "price", "when": {"percent": 1}, "category_id": 99}, "/category_id"),
        ({"kind": "price", "when": {"percent": 1}, "category_id": 9, "asins": ["B000000001"]}, "/category_id"),
        ({"kind": "price", "when": {"percent": 1}, "product_filter_id": 99}, "/product_filter_id"),
    ],
)
def test_a_preview_of_what_is_not_clear_is_refused(
    client: FlaskClient, auth_headers: dict[str, str], farm: FarmDriver, sent: dict[str, Any], pointer: str
) -> None:
    answer = client.post("/api/v1/alert-rules/preview", json=sent, headers=auth_headers)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.get_json()["errors"]]
