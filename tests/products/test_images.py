"""Pictures of products, shown by our server: what is fetched, what is refused, and how often others are asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.core.cache import cache
from app.core.extensions import db
from app.core.permissions import CATALOGUE
from app.core.seats import Seats
from app.products.errors import ImageHostFailed, ImageRefused, ImagesBusy
from app.products.images import gallery
from app.products.images.fetching import MAX_BYTES, Picture, fetch_picture
from tests.calls import add_person, token_of
from tests.conftest import AppWith
from tests.products.conftest import LAMP, URL
from tests.products.pictures import NONE, PICTURES, png
from tests.receiver import Receiver, answer, trickle
from tests.servers import on_sqlite
from tests.test_api_docs_answers import OF_EVERY_SITE, Document

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]

THREADS: Final = 8
Show = Callable[..., TestResponse]


@pytest.fixture
def host() -> Iterator[Receiver]:
    """The server that has the pictures."""
    made = Receiver()
    made.reply = lambda handler: answer(handler, 200, png(), Content_Type="image/png")
    yield made
    made.close()


@pytest.fixture
def shop(app_with: AppWith, host: Receiver, tmp_path: Path) -> Flask:
    """The application, with a shelf of its own, which may ask that server."""
    return app_with(instance_dir=tmp_path, private_targets=frozenset({host.target}), web_threads=THREADS)


@pytest.fixture
def show(shop: Flask, auth_headers: dict[str, str]) -> Show:
    """Gives the one product there is these pictures, and asks for one of them."""

    def ask(*urls: str, position: int = 0, query: str = "", **headers: str) -> TestResponse:
        client = shop.test_client()
        if urls:
            found = client.get(URL, headers=auth_headers).get_json()["items"]
            made = LAMP | {"images": list(urls)}
            if found:
                stated = auth_headers | {"If-Match": f'"v{found[0]["version"]}"'}
                saved = client.put(f"{URL}/{found[0]['id']}", json=made, headers=stated)
            else:
                saved = client.post(URL, json=made, headers=auth_headers)
            assert saved.status_code in {200, 201}, saved.text
        product_id = client.get(URL, headers=auth_headers).get_json()["items"][0]["id"]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.get(f"{URL}/{product_id}/images/{position}{query}", headers=auth_headers | named)

    return ask


def code(response: TestResponse) -> tuple[int, str]:
    assert response.mimetype == "application/problem+json"
    return response.status_code, response.get_json()["code"]


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_shown_as_the_kind_that_its_content_is(host: Receiver, show: Show, kind: str) -> None:
    host.reply = lambda handler: answer(handler, 200, PICTURES[kind], Content_Type="text/html")
    shown = show(f"{host.url}/picture")
    assert (shown.status_code, shown.data, shown.headers["Content-Type"]) == (200, PICTURES[kind], kind)
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert shown.headers["Cache-Control"] == "private, no-cache"
    request = host.requests[0]
    assert (request.method, request.headers["Accept-Encoding"], request.headers.get("Cookie")) == (
        "GET", "identity", None,
    )  # fmt: skip


@pytest.mark.parametrize("what", NONE)
def test_what_is_no_picture_is_not_shown_whatever_it_says_it_is(host: Receiver, show: Show, what: str) -> None:
    host.reply = lambda handler: answer(handler, 200, NONE[what], Content_Type="image/png")
    refused = show(f"{host.url}/picture")
    assert code(refused) == (502, "IMAGE_REFUSED")
    assert NONE[what] not in refused.data or not NONE[what]


def test_a_second_view_asks_nobody_and_who_knows_the_picture_gets_no_body(host: Receiver, show: Show) -> None:
    first = show(f"{host.url}/picture")
    again = show()
    assert (again.status_code, again.data, again.headers["ETag"]) == (200, first.data, first.headers["ETag"])
    known = show(If_None_Match=first.headers["ETag"])
    assert (known.status_code, known.data, known.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert len(host.requests) == 1


def test_the_document_says_what_is_answered(host: Receiver, show: Show, shop: Flask) -> None:
    document = Document(shop.test_client())
    path = f"{URL}/{{product_id}}/images/{{position}}"
    shown = show(f"{host.url}/picture")
    assert set(shown.headers.keys()) - OF_EVERY_SITE <= set(document.response(path, "GET", 200)["headers"])
    assert list(document.response(path, "GET", 200)["content"]) == ["image/*"]
    document.check(show(If_None_Match=shown.headers["ETag"]), path, 304)
    document.check(show(position=3), path, 404)
    host.reply = lambda handler: answer(handler, 500)
    document.check(show(f"{host.url}/other"), path, 502)


def test_an_address_with_a_version_may_be_kept_for_a_day(host: Receiver, show: Show) -> None:
    assert show(f"{host.url}/picture", query="?v=3").headers["Cache-Control"] == "private, max-age=86400"
    assert show(query="?w=3").status_code == 422


def test_a_picture_that_is_replaced_in_the_list_is_replaced_at_once(host: Receiver, show: Show) -> None:
    host.reply = lambda handler: answer(handler, 200, png(len(handler.path)))
    first = show(f"{host.url}/a", f"{host.url}/bb")
    second = show(position=1)
    assert first.data != second.data
    assert show(f"{host.url}/bb", If_None_Match=first.headers["ETag"]).data == second.data
    assert len(host.requests) == 2


def test_where_there_is_no_picture_there_is_none(host: Receiver, show: Show, shop: Flask, auth_headers: Any) -> None:
    assert code(show(f"{host.url}/a", position=1)) == (404, "IMAGE_NOT_FOUND")
    assert code(show(position=999)) == (404, "IMAGE_NOT_FOUND")
    client = shop.test_client()
    assert code(client.get(f"{URL}/999999/images/0", headers=auth_headers)) == (404, "PRODUCT_NOT_FOUND")
    product = client.get(URL, headers=auth_headers).get_json()["items"][0]
    stated = auth_headers | {"If-Match": f'"v{product["version"]}"'}
    assert client.delete(f"{URL}/{product['id']}", headers=stated).status_code == 204
    assert code(client.get(f"{URL}/{product['id']}/images/0", headers=auth_headers)) == (404, "PRODUCT_NOT_FOUND")
    assert host.requests == []


def test_only_who_may_read_products_sees_pictures(host: Receiver, show: Show, shop: Flask) -> None:
    assert show(f"{host.url}/a").status_code == 200
    with shop.app_context():
        without = add_person(email="w@example.org", permissions=frozenset(CATALOGUE) - {"products:read"})
    token = token_of(shop, without)
    client = shop.test_client()
    assert code(client.get(f"{URL}/1/images/0", headers={"Authorization": f"Bearer {token}"})) == (
        403, "PERMISSION_MISSING",
    )  # fmt: skip
    assert code(client.get(f"{URL}/1/images/0"))[0] == 401


@pytest.mark.parametrize(
    ("status", "headers", "wanted"),
    [
        (404, {}, "IMAGE_HOST_FAILED"),
        (500, {}, "IMAGE_HOST_FAILED"),
        (204, {}, "IMAGE_HOST_FAILED"),
        (302, {}, "IMAGE_HOST_FAILED"),
        (200, {"Content_Length": str(MAX_BYTES)}, "IMAGE_HOST_FAILED"),
    ],
)
def test_a_server_without_the_picture_is_a_bad_gateway(
    host: Receiver, show: Show, status: int, headers: dict[str, str], wanted: str
) -> None:
    def reply(handler: Any) -> None:
        answer(handler, status, png(), **headers)
        handler.close_connection = True

    host.reply = reply
    assert code(show(f"{host.url}/a")) == (502, wanted)


def test_what_is_too_large_is_refused_and_not_read_to_its_end(host: Receiver, show: Show) -> None:
    sent = []

    def pour(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(png())
        for _ in range(20 * MAX_BYTES // 65536):
            handler.wfile.write(b"x" * 65536)
            sent.append(65536)

    host.reply = pour
    assert code(show(f"{host.url}/a")) == (502, "IMAGE_REFUSED")
    assert sum(sent) < 3 * MAX_BYTES


def test_the_largest_picture_that_is_allowed_is_shown(host: Receiver, show: Show) -> None:
    content = png() + b"\0" * (MAX_BYTES - len(png()))
    host.reply = lambda handler: answer(handler, 200, content)
    assert show(f"{host.url}/a").data == content
    host.reply = lambda handler: answer(handler, 200, content + b"\0")
    assert code(show(f"{host.url}/b")) == (502, "IMAGE_REFUSED")


# --- Where it may be fetched from ------------------------------------------------------------------------------------


def to(location: str) -> Callable[[Any], None]:
    return lambda handler: answer(handler, 302, Location=location)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://2130706433/",
        "//10.0.0.1/",
        "file:///etc/passwd",
        "ftp://images.example/",
        "http://user:secret@images.example/",
        "",
    ],
)
def test_a_redirect_passes_the_same_gate(host: Receiver, show: Show, location: str) -> None:
    host.reply = to(location)
    refused = show(f"{host.url}/a")
    assert code(refused) == (502, "IMAGE_REFUSED")
    assert "127.0.0.1" not in refused.get_json()["detail"]


@pytest.mark.parametrize("location", ["http://[", "//[x]/", "http://[::1"])
def test_a_redirect_to_what_is_no_address_is_refused_and_remembered(host: Receiver, show: Show, location: str) -> None:
    host.reply = to(location)
    assert [code(show(f"{host.url}/a")) for _ in range(2)] == [(502, "IMAGE_REFUSED")] * 2
    assert len(host.requests) == 1


def test_three_redirects_are_followed_and_no_more(host: Receiver, show: Show) -> None:
    def reply(handler: Any) -> None:
        left = int(handler.path.removeprefix("/"))
        answer(handler, 301, Location=str(left - 1)) if left else answer(handler, 200, png())

    host.reply = reply
    assert show(f"{host.url}/3").data == png()
    assert len(host.requests) == 4
    assert code(show(f"{host.url}/4")) == (502, "IMAGE_REFUSED")
    assert len(host.requests) == 8


def test_a_name_that_means_our_network_is_not_asked(host: Receiver) -> None:
    with pytest.raises(ImageRefused) as refused:
        fetch_picture(
            f"http://images.example:{host.port}/a", private=frozenset(), lookup=lambda _host, _port: ["127.0.0.1"]
        )
    assert "127.0.0.1" not in refused.value.detail
    assert host.requests == []


def test_redirects_and_trickles_end_by_one_deadline(host: Receiver) -> None:
    def reply(handler: Any) -> None:
        if handler.path == "/":
            time.sleep(0.3)
            answer(handler, 302, Location="/slow")
        else:
            trickle(handler)

    host.reply = reply
    began = time.monotonic()
    with pytest.raises(ImageHostFailed):
        fetch_picture(f"{host.url}/", private=frozenset({host.target}), deadline_s=0.8)
    assert 0.6 < time.monotonic() - began < 2


# --- How others are spared, and we ourselves -------------------------------------------------------------------------


def test_a_failure_is_remembered_so_that_nobody_is_asked_for_each_view(
    host: Receiver, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "FAILURE_S", 0.5)
    host.reply = lambda handler: answer(handler, 500)
    first = show(f"{host.url}/a")
    again = show()
    assert code(first) == code(again) == (502, "IMAGE_HOST_FAILED")
    assert first.get_json()["detail"] == again.get_json()["detail"]
    assert len(host.requests) == 1
    host.reply = lambda handler: answer(handler, 200, png())
    time.sleep(0.6)
    assert show().data == png()
    assert len(host.requests) == 2


def test_an_old_picture_is_fetched_again_and_shown_all_the_same_when_that_fails(
    host: Receiver, show: Show, shop: Flask
) -> None:
    assert show(f"{host.url}/a").data == png()
    shop.extensions["gallery"].shelf._keep_s = 0
    host.reply = lambda handler: answer(handler, 500)
    assert show().data == png()
    assert len(host.requests) == 2
    with shop.app_context():
        cache().redis.flushdb()
    host.reply = lambda handler: answer(handler, 200, png(7))
    assert show().data == png(7)


def test_many_views_of_one_picture_at_once_fetch_it_once(host: Receiver, shop: Flask) -> None:
    def reply(handler: Any) -> None:
        time.sleep(0.2)
        answer(handler, 200, png())

    host.reply = reply
    shop.extensions["gallery"]._fetching = Seats(4)

    def view(_: int) -> bytes:
        with shop.app_context():
            content: bytes = shop.extensions["gallery"].show(f"{host.url}/a").picture.content
            return content

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(view, range(4))) == [png()] * 4
    assert len(host.requests) == 1


def test_slow_servers_take_a_quarter_of_the_threads_and_as_many_wait_for_them(
    host: Receiver, shop: Flask, show: Show, auth_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "PATIENCE_S", 60.0)
    gate = threading.Event()

    def reply(handler: Any) -> None:
        gate.wait(60)
        answer(handler, 200, png())

    host.reply = reply
    assert code(show(*[f"{host.url}/{at}" for at in range(8)], position=17)) == (404, "IMAGE_NOT_FOUND")
    product_id = shop.test_client().get(URL, headers=auth_headers).get_json()["items"][0]["id"]

    def view(position: int) -> TestResponse:
        return shop.test_client().get(f"{URL}/{product_id}/images/{position}", headers=auth_headers)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(view, position) for position in range(8)]
        try:
            turned_away = [one.result(60) for one in islice(as_completed(asked), 4)]
            assert {code(found) for found in turned_away} == {(503, "IMAGES_BUSY")}
            host.wait(THREADS // 4)
            assert sum(one.done() for one in asked) == 4
            assert host.most_at_once == THREADS // 4
        finally:
            gate.set()
        assert sorted(one.result(60).status_code for one in asked) == [200] * 4 + [503] * 4


def test_who_waits_too_long_to_fetch_is_turned_away(
    host: Receiver, shop: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "PATIENCE_S", 0.1)
    while shop.extensions["gallery"]._fetching.take():
        pass
    with shop.app_context(), pytest.raises(ImagesBusy):
        shop.extensions["gallery"].show(f"{host.url}/a")
    assert host.requests == []


def test_no_connection_is_held_while_another_server_is_asked(host: Receiver, shop: Flask, show: Show) -> None:
    held = []

    def reply(handler: Any) -> None:
        with shop.app_context():
            held.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]  # of the pools that we use
        answer(handler, 200, png())

    host.reply = reply
    assert show(f"{host.url}/a").status_code == 200
    assert held == [0]


def test_a_picture_is_shown_where_none_can_be_kept(host: Receiver, show: Show, tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where the folder would be")
    assert show(f"{host.url}/a").data == png()
    assert show().data == png()
    assert len(host.requests) == 2
    assert isinstance(fetch_picture(f"{host.url}/a", private=frozenset({host.target})), Picture)
