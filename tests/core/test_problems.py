"""Every error has one shape, and says no more than it should."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.config import Settings
from app.core import errors
from app.core.api import ApiBlueprint
from app.core.http import STATUS
from app.core.logs import configure_logging
from app.core.requests import MAX_BODY_BYTES
from tests.core.notes import DoneSchema, kept_notes
from tests.servers import on_sqlite

pytestmark = [pytest.mark.usefixtures("database"), on_sqlite]


TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    428: "Precondition Required",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def problem(answer: TestResponse, status: int, code: str) -> dict[str, str]:
    """The pointers and rules of a problem document that must be whole."""
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    document = answer.get_json()
    assert set(document) == {"type", "title", "status", "detail", "code", "errors", "request_id"}
    assert (document["status"], document["code"]) == (status, code)
    assert document["title"] == TITLES[status]
    assert {error["in"] for error in document["errors"]} <= {"body", "query", "header", "path"}
    assert document["detail"]
    assert document["request_id"] == answer.headers["X-Request-Id"]
    return {error["pointer"]: error["detail"] for error in document["errors"]}


def test_an_unknown_address_is_404(notes: FlaskClient) -> None:
    assert problem(notes.get("/nowhere"), 404, "NOT_FOUND") == {}
    assert problem(notes.put("/notes/none"), 404, "NOT_FOUND") == {}
    assert problem(notes.put(f"/notes/{2**63}"), 404, "NOT_FOUND") == {}
    assert problem(notes.put(f"/notes/{2**63 - 1}"), 428, "VERSION_REQUIRED") == {}


def test_a_method_that_is_not_allowed_is_405_and_names_those_that_are(notes: FlaskClient) -> None:
    answer = notes.delete("/notes")
    assert problem(answer, 405, "METHOD_NOT_ALLOWED") == {}
    assert {"GET", "POST"} <= {method.strip() for method in answer.headers["Allow"].split(",")}


def test_a_body_beyond_the_limit_is_413(notes: FlaskClient) -> None:
    body = b'{"text": "' + b"x" * MAX_BODY_BYTES + b'"}'
    answer = notes.post("/notes", data=body, content_type="application/json")
    assert problem(answer, 413, "TOO_LARGE") == {}
    assert kept_in(notes) == []


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""])
def test_a_body_that_is_not_json_is_415(notes: FlaskClient, kind: str) -> None:
    answer = notes.post("/notes", data=b'{"text": "kettle"}', content_type=kind)
    assert problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE") == {}
    assert kept_in(notes) == []


@pytest.mark.parametrize(
    "body", [b"{", b'{"text": }', b"\xff\xfe", b"[" * 100_000, b'{"text": NaN}', b'{"text": "\\ud800"}']
)
def test_malformed_json_is_400(notes: FlaskClient, body: bytes) -> None:
    answer = notes.post("/notes", data=body, content_type="application/json")
    assert list(problem(answer, 400, "BAD_REQUEST")) == [""]
    assert kept_in(notes) == []


@pytest.mark.parametrize("body", ["[]", '"text"', "7", "null"])
def test_json_that_is_no_object_is_refused(notes: FlaskClient, body: str) -> None:
    answer = notes.post("/notes", data=body, content_type="application/json")
    assert problem(answer, 422, "INVALID")
    assert kept_in(notes) == []


def test_unknown_and_missing_fields_are_named_by_pointers(notes: FlaskClient) -> None:
    found = problem(notes.post("/notes", json={"txt": "kettle", "a/b~c": 1}), 422, "INVALID")
    assert set(found) == {"/text", "/txt", "/a~1b~0c"}
    assert kept_in(notes) == []


def test_a_pointer_leads_into_lists_and_objects(notes: FlaskClient) -> None:
    places = [{"city": "Oslo"}, {"city": "", "street": "x"}]
    answer = notes.post("/notes", json={"text": "kettle", "places": places})
    assert set(problem(answer, 422, "INVALID")) == {"/places/1/city", "/places/1/street"}
    assert {error["in"] for error in answer.get_json()["errors"]} == {"body"}


def test_unknown_and_bad_parameters_are_refused(notes: FlaskClient) -> None:
    answer = notes.get("/notes?limit=0&colour=red")
    assert set(problem(answer, 422, "INVALID")) == {"/limit", "/colour"}
    assert {error["in"] for error in answer.get_json()["errors"]} == {"query"}
    assert notes.get("/notes?limit=100").get_json() == {"done": True}


def test_a_parameter_that_is_given_twice_is_refused(notes: FlaskClient) -> None:
    for query in ("limit=10&limit=20", "limit=10&limit=10"):
        answer = notes.get(f"/notes?{query}")
        assert problem(answer, 422, "INVALID") == {"/limit": "Must be given once only."}
        assert {error["in"] for error in answer.get_json()["errors"]} == {"query"}


def test_who_is_unknown_is_401_before_anything_is_read(notes_app: Flask) -> None:
    answer = notes_app.test_client().post("/notes", data=b"{", content_type="application/json")
    assert problem(answer, 401, "UNAUTHENTICATED") == {}
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_who_may_not_is_403_before_anything_is_read_and_told_what_is_missing(notes: FlaskClient) -> None:
    answer = notes.post("/notes", data=b"{", content_type="application/json", headers={"X-Reader": "1"})
    assert problem(answer, 403, "PERMISSION_MISSING") == {}
    assert "products:write" in answer.get_json()["detail"]


def test_a_change_without_a_version_is_428(notes: FlaskClient) -> None:
    assert problem(notes.put("/notes/3"), 428, "VERSION_REQUIRED") == {}


@pytest.mark.parametrize("etag", ['"v3"', 'W/"v3"'])
def test_a_version_is_read_from_if_match(notes: FlaskClient, etag: str) -> None:
    assert notes.put("/notes/3", headers={"If-Match": etag}).status_code == 204
    assert problem(notes.put("/notes/4", headers={"If-Match": etag}), 409, "CONFLICT") == {}


@pytest.mark.parametrize("etag", ["", " ", "*"])
def test_an_if_match_that_names_no_version_is_428(notes: FlaskClient, etag: str) -> None:
    assert problem(notes.put("/notes/3", headers={"If-Match": etag}), 428, "VERSION_REQUIRED") == {}


@pytest.mark.parametrize("etag", ["v3", "3", '"v3', 'v3"', "'v3'", '"v1", "v3"', 'w/"v3"', '"v 3"', "W/v3", '""v3""'])
def test_an_if_match_without_one_quoted_etag_is_400(notes: FlaskClient, etag: str) -> None:
    answer = notes.put("/notes/3", headers={"If-Match": etag})
    assert list(problem(answer, 400, "BAD_REQUEST")) == ["/If-Match"]
    assert [error["in"] for error in answer.get_json()["errors"]] == ["header"]
    assert 'such as "v3"' in answer.get_json()["detail"]


@pytest.mark.parametrize(
    "etag", ['""', '"abc"', '"3"', '"v"', '"v03"', '"v-1"', '"v1.5"', '"V3"', '"v²"', '"v' + "9" * 19 + '"']
)
def test_an_etag_that_no_version_has_is_412(notes: FlaskClient, etag: str) -> None:
    answer = notes.put("/notes/3", headers={"If-Match": etag})
    assert list(problem(answer, 412, "STALE_VERSION")) == ["/If-Match"]
    assert [error["in"] for error in answer.get_json()["errors"]] == ["header"]


def test_a_refusal_says_in_which_part_of_the_request_the_field_was(
    notes: FlaskClient, client: FlaskClient, auth_headers: dict[str, str]
) -> None:
    def places(answer: TestResponse) -> dict[str, str]:
        assert answer.status_code == 422
        return {error["pointer"]: error["in"] for error in answer.get_json()["errors"]}

    assert places(notes.post("/notes", json={"text": "refused"})) == {"/text": "body"}
    assert places(notes.post("/notes", json={"text": "kettle"}, headers={"Idempotency-Key": "a key"})) == {
        "/Idempotency-Key": "header"
    }
    key = {"Idempotency-Key": "key"}
    assert notes.post("/notes", json={"text": "kettle"}, headers=key).status_code == 201
    assert places(notes.post("/notes", json={"text": "pot"}, headers=key)) == {"/Idempotency-Key": "header"}
    assert places(client.get("/api/v1/products?cursor=x", headers=auth_headers)) == {"/cursor": "query"}


@pytest.fixture
def json_logs(notes_app: Flask, settings: Settings) -> Iterator[io.StringIO]:
    """What is logged, as production writes it."""
    root, written = logging.getLogger(), io.StringIO()
    before = root.handlers[:]
    configure_logging(dataclasses.replace(settings, log_json=True))
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written
    root.handlers[:] = before


def test_a_failure_hides_its_details_from_the_caller_and_logs_them_with_the_request_id(
    notes: FlaskClient, json_logs: io.StringIO
) -> None:
    answer = notes.get("/broken", headers={"X-Request-Id": "request-12345"})
    assert problem(answer, 500, "INTERNAL") == {}
    assert "hunter2" not in answer.get_data(as_text=True)
    assert "Traceback" not in answer.get_data(as_text=True)
    (logged,) = (json.loads(line) for line in json_logs.getvalue().splitlines())
    assert (logged["request_id"], logged["level"], logged["path"]) == ("request-12345", "error", "/broken")
    assert "hunter2" in logged["exception"]


def test_a_token_in_an_address_is_not_logged(notes: FlaskClient, json_logs: io.StringIO) -> None:
    answer = notes.get("/broken/kU2m9h9d3nWc6m0xkT9Aqw")
    assert problem(answer, 500, "INTERNAL") == {}
    (logged,) = (json.loads(line) for line in json_logs.getvalue().splitlines())
    assert logged["path"] == "/broken/..."
    assert "kU2m9h9d3nWc6m0xkT9Aqw" not in json_logs.getvalue()


def test_a_log_line_stays_one_line_whatever_it_says(json_logs: io.StringIO) -> None:
    logging.getLogger("tests").warning("%s", 'first\n{"level": "error"}')
    (line,) = json_logs.getvalue().splitlines()
    assert json.loads(line)["event"] == 'first\n{"level": "error"}'


def test_every_kind_of_refusal_has_a_status_of_its_own() -> None:
    kinds = errors.Refusal.__subclasses__()
    assert {kind for kind in kinds if kind.__module__ == errors.__name__} == set(STATUS)
    assert len(set(STATUS.values())) == len(STATUS)


def test_a_view_that_checks_who_may_enter_after_stored_answers_is_refused_at_import() -> None:
    blp = ApiBlueprint("wrong", "wrong")
    with pytest.raises(TypeError, match="stored answers"):

        @blp.answers(200, DoneSchema)
        @blp.requires("products:write")
        def view() -> None: ...


def test_a_permission_outside_the_catalogue_is_refused_at_import() -> None:
    with pytest.raises(ValueError, match="products:fly"):
        ApiBlueprint("wrong", "wrong").requires("products:fly")


def kept_in(client: FlaskClient) -> list[str]:
    with client.application.app_context():
        return kept_notes()
