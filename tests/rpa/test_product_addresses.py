"""What addresses of product pages tell, and asking for a suggested profile."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.core.extensions import db
from app.rpa.models.trials import Trial
from app.rpa.profiles.addresses import NoAsin, read_addresses
from tests.rpa.keeping import end_trial

SHOP = "https://shop.example"
A, B = "B0CW1A0001", "B0CW1A0002"


@pytest.mark.parametrize(
    ("urls", "template", "sure"),
    [
        ([f"{SHOP}/dp/{A}"], "/dp/{asin}", 0.7),
        ([f"{SHOP}/dp/{A}", f"{SHOP}/dp/{B}"], "/dp/{asin}", 0.95),
        ([f"{SHOP}/dp/{A}/", f"{SHOP}/dp/{B}/"], "/dp/{asin}/", 0.95),
        ([f"{SHOP}/dp/{A}?ref=x#y", f"{SHOP}/dp/{B}?tag=z"], "/dp/{asin}", 0.95),
        ([f"{SHOP}/p?id={A}&x=1", f"{SHOP}/p?id={B}"], "/p?id={asin}", 0.95),
        ([f"{SHOP}/kettle/dp/{A}/ref=1", f"{SHOP}/pot/dp/{B}/ref=2"], "/dp/{asin}", 0.5),
        ([f"{SHOP}/de/a/p/{A}", f"{SHOP}/de/b/p/{B}"], "/p/{asin}", 0.5),
        ([f"{SHOP}/item-{A}.html", f"{SHOP}/item-{B}.html"], "/item-{asin}.html", 0.95),
        ([f"{SHOP}/dp/{A}", f"{SHOP}/p?id={B}"], "/dp/{asin}", 0.3),
        ([f"{SHOP}/teapotsred/{A.lower()}"], "/teapotsred/{asin}", 0.7),
    ],
)
def test_the_pattern_is_where_the_asin_stands(urls: list[str], template: str, sure: float) -> None:
    found = read_addresses(urls)
    assert (found.base_url, found.host, found.template, found.sure) == (f"{SHOP}/", "shop.example", template, sure)
    assert found.asins == (A, B)[: len(urls)]


@pytest.mark.parametrize(
    ("urls", "at"),
    [
        ([f"{SHOP}/kettles/copper"], 0),
        ([f"{SHOP}/dp/{A}", f"{SHOP}/dp/"], 1),
        ([f"{SHOP}/dp/{A}", f"{SHOP}/other/{A.lower()}"], 1),
        ([f"{SHOP}/dp/{{x}}/{A}"], 0),
    ],
)
def test_addresses_without_two_asins_tell_nothing(urls: list[str], at: int) -> None:
    with pytest.raises(NoAsin) as refused:
        read_addresses(urls)
    assert refused.value.at == at


def test_a_port_stays_where_it_is_not_the_usual_one() -> None:
    assert read_addresses([f"http://shop.example:8080/dp/{A}"]).host == "shop.example:8080"
    assert read_addresses([f"https://shop.example:443/dp/{A}"]).base_url == f"{SHOP}/"


@pytest.mark.parametrize(
    ("urls", "pointer"),
    [
        ([], "/urls"),
        ([f"{SHOP}/dp/{A}"] * 3, "/urls"),
        (["file:///etc/passwd"], "/urls/0"),
        ([f"http://127.0.0.1/dp/{A}"], "/urls/0"),
        ([f"http://169.254.169.254/dp/{A}"], "/urls/0"),
        ([f"{SHOP}/dp/{A}", f"http://10.0.0.1/dp/{B}"], "/urls/1"),
        ([f"{SHOP}/dp/{A}", f"https://other.example/dp/{B}"], "/urls/1"),
        ([f"{SHOP}/dp/{A}", f"{SHOP}:8443/dp/{B}"], "/urls/1"),
        ([f"{SHOP}/kettles"], "/urls/0"),
    ],
)
def test_what_is_no_product_page_of_one_shop_on_the_internet_is_refused(
    client: FlaskClient, auth_headers: dict[str, str], urls: list[str], pointer: str
) -> None:
    answer = client.post("/api/v1/storefronts/suggest", json={"urls": urls}, headers=auth_headers)
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, pointer)
    with client.application.app_context():
        assert db.session.scalar(select(func.count()).select_from(Trial)) == 0


def test_a_suggestion_is_asked_for_and_shown_by_api(client: FlaskClient, auth_headers: dict[str, str]) -> None:
    urls = [f"{SHOP}/dp/{A}", f"{SHOP}/dp/{B}"]
    asked = client.post("/api/v1/storefronts/suggest", json={"urls": urls}, headers=auth_headers)
    made: dict[str, Any] = asked.get_json()
    assert (asked.status_code, made["state"], made["urls"]) == (202, "WAITING", urls)
    assert asked.headers["Location"] == f"/api/v1/storefronts/suggestions/{made['id']}"
    with client.application.app_context():
        end_trial(made["id"], {"parts": []})
    done = client.get(asked.headers["Location"], headers=auth_headers).get_json()
    assert (done["state"], done["result"]) == ("DONE", {"parts": []})
    assert client.get("/api/v1/storefronts/suggestions/987654", headers=auth_headers).status_code == 404
