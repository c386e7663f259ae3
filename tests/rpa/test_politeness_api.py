"""Hours, cap and robots.txt of a storefront over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.core.audit import AuditEvent
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.outbox import Outbox
from app.rpa.models.robots import RobotsFile
from app.rpa.models.storefronts import Storefront
from app.rpa.rules.robots import State
from tests.rpa.conftest import profile
from tests.servers import on_sqlite

pytestmark = [on_sqlite]

Headers = dict[str, str]
NIGHT = {"days": ["mon", "fri"], "start": "22:00", "end": "06:00"}
POLITE = {
    "timezone": "Europe/Berlin", "hours": [NIGHT], "daily_cap": 500, "obeys_robots": True, "override_reason": None,
}  # fmt: skip
URL = "/api/v1/storefronts"


def _made(client: FlaskClient, headers: Headers, **changes: Any) -> Any:
    return client.post(URL, json={"code": "shop", "name": "Shop", "profile": profile()} | changes, headers=headers)


def _put(client: FlaskClient, headers: Headers, version: int, **changes: Any) -> Any:
    sent = {"name": "Shop", "profile": profile()} | changes
    shop_id = client.get(URL, headers=headers).get_json()["items"][0]["id"]
    return client.put(f"{URL}/{shop_id}", json=sent, headers=headers | {"If-Match": f'"v{version}"'})


def test_a_new_storefront_is_open_at_any_hour_and_obeys_robots_txt(client: FlaskClient, auth_headers: Headers) -> None:
    made = _made(client, auth_headers).get_json()
    assert made["politeness"] == {
        "timezone": "UTC", "hours": [], "daily_cap": None, "obeys_robots": True, "override_reason": None,
    }  # fmt: skip
    assert (made["robots_override"], made["waits"], made["pages_today"]) == (None, None, 0)


def test_what_is_said_of_politeness_is_kept_and_left_alone_by_who_does_not_speak_of_it(
    client: FlaskClient, auth_headers: Headers
) -> None:
    assert _made(client, auth_headers, politeness=POLITE).get_json()["politeness"] == POLITE
    assert _put(client, auth_headers, 1, name="Other").get_json()["politeness"] == POLITE
    changed = _put(client, auth_headers, 2, politeness={"daily_cap": 10}).get_json()["politeness"]
    assert (changed["daily_cap"], changed["hours"], changed["timezone"]) == (10, [], "UTC")


def test_an_override_names_who_and_why_and_is_audited(client: FlaskClient, auth_headers: Headers) -> None:
    _made(client, auth_headers)
    reason = "Agreed with the owner."
    override = {"obeys_robots": False, "override_reason": reason}
    shown = _put(client, auth_headers, 1, politeness=override).get_json()
    assert shown["robots_override"]["reason"] == reason
    assert shown["robots_override"]["by"].startswith("user:")
    assert shown["robots_override"]["at"].endswith("Z")
    with client.application.app_context():
        event = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "storefront.update")).one()
        assert event.before is not None
        assert event.after is not None
        assert event.before["politeness"]["obeys_robots"] is True
        assert event.after["politeness"]["override_reason"] == reason
    again = _put(client, auth_headers, 2, politeness=override).get_json()
    assert again["robots_override"] == shown["robots_override"]
    assert _put(client, auth_headers, 3, politeness={}).get_json()["robots_override"] is None


@pytest.mark.parametrize(
    ("politeness", "pointer"),
    [
        ({"obeys_robots": False}, "/politeness/override_reason"),
        ({"obeys_robots": False, "override_reason": " "}, "/politeness/override_reason"),
        ({"override_reason": "no need of one"}, "/politeness/override_reason"),
        ({"timezone": "Moon/Tranquility"}, "/politeness/timezone"),
        ({"daily_cap": 1}, "/politeness/daily_cap"),
        ({"daily_cap": 1.5}, "/politeness/daily_cap"),
        ({"hours": [NIGHT | {"days": []}]}, "/politeness/hours/0/days"),
        ({"hours": [NIGHT | {"days": ["someday"]}]}, "/politeness/hours/0/days/0"),
        ({"hours": [NIGHT | {"start": "6:00"}]}, "/politeness/hours/0/start"),
        ({"hours": [NIGHT, NIGHT | {"end": "22:00"}]}, "/politeness/hours/1/end"),
        ({"hours": [NIGHT] * 22}, "/politeness/hours"),
        ({"hours": [NIGHT | {"zone": "UTC"}]}, "/politeness/hours/0/zone"),
        ({"overridden_by": "user:1"}, "/politeness/overridden_by"),
    ],
)
def test_what_is_no_politeness_is_refused_at_the_field_and_nothing_is_made(
    client: FlaskClient, auth_headers: Headers, politeness: dict[str, Any], pointer: str
) -> None:
    answer = _made(client, auth_headers, politeness=politeness)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [pointer]
    with client.application.app_context():
        assert db.session.scalar(select(func.count()).select_from(Storefront)) == 0


def test_a_storefront_says_why_nothing_starts_and_until_when(client: FlaskClient, auth_headers: Headers) -> None:
    _made(client, auth_headers, is_active=False)
    shown = client.get(URL, headers=auth_headers).get_json()["items"][0]["waits"]
    assert shown == {"reason": "STOREFRONT_INACTIVE", "detail": "The storefront is not active.", "until": None}


def test_what_robots_txt_says_of_a_product_is_shown(client: FlaskClient, auth_headers: Headers) -> None:
    shop_id = _made(client, auth_headers).get_json()["id"]
    unread = client.get(f"{URL}/{shop_id}/robots", headers=auth_headers).get_json()
    assert [file["state"] for file in unread["files"]] == ["UNREAD"]
    assert [page["is_allowed"] for page in unread["pages"]] == [None, None]
    with client.application.app_context():
        now = utc_now()
        db.session.add(
            RobotsFile(
                storefront_id=shop_id, origin="http://shop.example:80", state=State.RULES, status=200, fetched_at=now,
                expires_at=now, due_at=now + timedelta(hours=1), body="User-agent: *\nDisallow: /cart\n",
            )
        )  # fmt: skip
        db.session.commit()
    shown = client.get(f"{URL}/{shop_id}/robots?asin=b00000000x", headers=auth_headers).get_json()
    assert shown["files"][0]["rules"] == ["Disallow: /cart"]
    assert (shown["files"][0]["url"], shown["files"][0]["is_due"]) == ("http://shop.example/robots.txt", False)
    assert shown["pages"] == [
        {"url": "http://shop.example/dp/B00000000X", "is_allowed": True},
        {"url": "http://shop.example/cart", "is_allowed": False},
    ]
    assert shown["user_agent"].startswith("Cartwright/")
    bad = client.get(f"{URL}/{shop_id}/robots?asin=x", headers=auth_headers)
    assert (bad.status_code, bad.get_json()["errors"][0]["pointer"]) == (422, "/asin")


def test_robots_txt_is_read_again_when_somebody_wants_it(client: FlaskClient, auth_headers: Headers) -> None:
    shop_id = _made(client, auth_headers).get_json()["id"]
    answer = client.post(f"{URL}/{shop_id}/robots/refresh", headers=auth_headers)
    assert (answer.status_code, answer.get_json()["files"][0]["is_due"]) == (202, True)
    assert client.post(f"{URL}/999/robots/refresh", headers=auth_headers).status_code == 404
    with client.application.app_context():
        assert db.session.scalars(select(Outbox.kind)).all() == ["refresh_robots"]
        assert "storefront.robots_refresh" in db.session.scalars(select(AuditEvent.action)).all()
