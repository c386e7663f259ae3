"""Completes the OpenAPI document with what every view answers alike: problems by status, and headers."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from app.core.http import PROBLEM, phrase

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


REQUEST_ID: Final = _header("Names the request in our logs")
REPLAYED: Final = _header("`true` when this is the stored answer to an earlier request with the same key")
LOCATION: Final = _header("Address of what was made")
ETAG: Final = _header("The record's version, for If-Match and If-None-Match")
CONTENTS: Final = _header("Names the contents, for If-None-Match")
RATES: Final = {
    "RateLimit-Limit": _header("How many requests of this kind are allowed in a while", "integer"),
    "RateLimit-Remaining": _header("How many of them are left", "integer"),
    "RateLimit-Reset": _header("Seconds until all are allowed again", "integer"),
}
_OF_STATUS: Final = {
    401: {"WWW-Authenticate": _header("How to authenticate")},
    429: {"Retry-After": _header("Seconds to wait", "integer"), **RATES},
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the problems that every operation can answer with, as references, and the headers it sends."""
    whole = deepcopy(document)
    components = whole["components"]
    components["schemas"].pop("PaginationMetadata", None)  # flask-smorest's pages, which we do not use
    components["responses"] = {"DEFAULT_ERROR": _problem("Any other error")}
    for path, operations in whole["paths"].items():
        for method in _METHODS:
            if method in operations:
                _complete(path, method, operations[method], components["responses"])
    return whole


def _complete(path: str, method: str, operation: dict[str, Any], shared: dict[str, Any]) -> None:
    answers = operation["responses"]
    declared = {int(status) for status in answers if status[0] in "45"}
    for status in sorted(declared | set(_problems(path, method, operation))):
        name = phrase(status).replace(" ", "")
        shared.setdefault(name, _problem(phrase(status), status))
        said = answers.get(str(status), {}).get("description")  # by the view; beside a reference it takes precedence
        reference = {"$ref": f"#/components/responses/{name}"}
        answers[str(status)] = reference | ({"description": said} if said else {})
    good = [answer for status, answer in answers.items() if status[0] in "123"]
    headers = {"X-Request-Id": REQUEST_ID} | ({"Idempotent-Replayed": REPLAYED} if method == "post" else {})
    headers |= {} if method == "get" else RATES
    for answer in good:
        headers |= answer.get("headers", {})
    for answer in good:
        answer["headers"] = headers


def _problems(path: str, method: str, operation: dict[str, Any]) -> Iterator[int]:
    if "security" in operation or "429" in operation["responses"]:  # limited are those where secrets can be guessed
        yield 401
    if "x-permission" in operation or "x-people-only" in operation:
        yield 403
    if "{" in path:
        yield 404
    if method != "get":
        yield from (409, 413, 429)
    if any(parameter.get("name") == "If-Match" for parameter in operation.get("parameters", [])):
        yield from (400, 412, 428)
    if "requestBody" in operation:
        yield from (400, 415)
    if operation.get("parameters") or "requestBody" in operation:
        yield 422


def _problem(description: str, status: int | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "headers": {"X-Request-Id": REQUEST_ID} | (_OF_STATUS.get(status, {}) if status else {}),
    }
