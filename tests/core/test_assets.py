"""Files of the pages are asked for once, and again only when they have changed."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


def test_every_file_that_a_page_names_is_kept_for_good(client: FlaskClient) -> None:
    page = client.get("/login").text
    files = re.findall(r'(?:src|href)="((?:/bootstrap)?/static/[^"]+)"', page)
    assert len(files) > 5
    for file in files:
        answer = client.get(file)
        assert (file, answer.status_code) == (file, 200)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789abcdef"])
def test_an_address_that_names_another_content_is_asked_about_each_time(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/static/css/cartwright.css{query}")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("name", ["nothing.css", "../config.py", "..%2f..%2fwsgi.py"])
def test_what_is_no_file_of_ours_is_not_found(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/{name}?v=1").status_code == 404


def test_addresses_of_files_that_are_not_there_can_be_made(app: Flask) -> None:
    with app.test_request_context():
        assert app.url_for("static", filename="nothing.css") == "/static/nothing.css"
