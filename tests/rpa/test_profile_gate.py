"""Profiles that name this machine or a private network are not saved, by whichever way they come."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.core.extensions import db
from app.rpa.models.storefronts import ProfileVersion, Storefront
from tests.rpa.conftest import profile
from tests.servers import on_sqlite

pytestmark = on_sqlite
Headers = dict[str, str]
SHOPS = "/api/v1/storefronts"
INSIDE = [
    "169.254.169.254", "10.0.0.1", "100.64.0.1", "0.0.0.0", "192.0.2.1", "224.0.0.1", "255.255.255.255", "localhost",
    "LOCALHOST", "shop.localhost", "127.0.0.1:8070", "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "127\u30020\u30020\u30021",
]  # fmt: skip
BOTH = ["/profile/base_url", "/profile/allowed_hosts/0"]


def at(host: str) -> dict[str, Any]:
    return profile(base_url=f"http://{host}/", allowed_hosts=[host])


def saved() -> list[Any]:
    """What there is of storefronts and versions."""
    db.session.rollback()
    shops = [(row.name, row.version, row.profile) for row in db.session.scalars(select(Storefront))]
    return [shops, db.session.scalar(select(func.count()).select_from(ProfileVersion))]


def refused(answer: Any, pointers: list[str]) -> None:
    assert (answer.status_code, answer.get_json()["code"]) == (422, "ADDRESS_REFUSED"), answer.text
    errors = answer.get_json()["errors"]
    assert [error["pointer"] for error in errors] == pointers
    for error in errors:
        assert "is not on the internet; an operator may list it in ALLOWED_PRIVATE_TARGETS." in error["detail"]


@pytest.mark.parametrize("host", INSIDE)
def test_a_new_storefront_inside_is_refused_at_its_fields_and_not_made(
    client: FlaskClient, auth_headers: Headers, host: str
) -> None:
    sent = {"code": "shop", "name": "Shop", "profile": at(host)}
    refused(client.post(SHOPS, json=sent, headers=auth_headers), BOTH)
    with client.application.app_context():
        assert saved() == [[], 0]


def test_of_several_hosts_those_that_are_inside_are_named(client: FlaskClient, auth_headers: Headers) -> None:
    hosts = ["shop.example", "10.0.0.1", "8.8.8.8", "localhost:81"]
    sent = {"code": "shop", "name": "Shop", "profile": profile(allowed_hosts=hosts)}
    answer = client.post(SHOPS, json=sent, headers=auth_headers)
    refused(answer, ["/profile/allowed_hosts/1", "/profile/allowed_hosts/3"])
    assert answer.get_json()["errors"][1]["detail"].startswith("localhost:81 is not")


def test_a_storefront_is_not_moved_inside_by_a_change_or_a_draft(client: FlaskClient, auth_headers: Headers) -> None:
    sent = {"code": "shop", "name": "Shop", "profile": profile()}
    made = client.post(SHOPS, json=sent, headers=auth_headers)
    assert made.status_code == 201, made.text
    url = f"{SHOPS}/{made.get_json()['id']}"
    with client.application.app_context():
        before = saved()
    change = {"name": "Moved", "profile": at("10.0.0.1")}
    refused(client.put(url, json=change, headers=auth_headers | {"If-Match": '"v1"'}), BOTH)
    draft = {"profile": at("169.254.169.254")}
    refused(client.post(f"{url}/profile-versions", json=draft, headers=auth_headers), BOTH)
    with client.application.app_context():
        assert saved() == before


def test_the_commands_refuse_as_well_and_name_the_fields(app: Flask, tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside.json", tmp_path / "outside.json"
    inside.write_text(json.dumps(at("127.0.0.1:8070")))
    outside.write_text(json.dumps(profile()))
    run = app.test_cli_runner().invoke
    assert run(args=["storefront", "create", str(outside), "--code", "shop"]).exit_code == 0
    with app.app_context():
        before = saved()
    for arguments in (["create", str(inside), "--code", "other"], ["update", "shop", str(inside)]):
        said = run(args=["storefront", *arguments])
        assert said.exit_code == 1
        assert "profile/base_url 127.0.0.1:8070 is not on the internet" in said.output
        with app.app_context():
            assert saved() == before


def test_the_exact_host_and_port_that_the_operator_allows_is_saved_and_no_other_port(
    app: Flask, client: FlaskClient, auth_headers: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = dataclasses.replace(app.extensions["settings"], private_targets=frozenset({("127.0.0.1", 8070)}))
    monkeypatch.setitem(app.extensions, "settings", allowed)
    other = {"code": "other", "name": "Shop", "profile": at("127.0.0.1:8071")}
    refused(client.post(SHOPS, json=other, headers=auth_headers), BOTH)
    mine = {"code": "shop", "name": "Shop", "profile": at("127.0.0.1:8070")}
    assert client.post(SHOPS, json=mine, headers=auth_headers).status_code == 201


def test_a_storefront_that_is_inside_already_can_be_renamed_and_stopped(
    app: Flask, client: FlaskClient, auth_headers: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {"code": "shop", "name": "Shop", "profile": at("10.0.0.1")}
    with monkeypatch.context() as patch:
        targets = frozenset({("10.0.0.1", 80)})
        patch.setitem(
            app.extensions, "settings", dataclasses.replace(app.extensions["settings"], private_targets=targets)
        )
        made = client.post(SHOPS, json=sent, headers=auth_headers)
    change = {"name": "Closed", "profile": at("10.0.0.1"), "is_active": False}
    url = f"{SHOPS}/{made.get_json()['id']}"
    answer = client.put(url, json=change, headers=auth_headers | {"If-Match": '"v1"'})
    assert (answer.status_code, answer.get_json()["name"]) == (200, "Closed")
