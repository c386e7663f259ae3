"""Completes the OpenAPI document with what every view answers alike: problems by status, and headers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from app.core.http import PROBLEM, phrase

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


REQUEST_ID: Final = _header("Names the request in our logs")
REPLAYED: Final = _header("`true` when this is the stored answer to an earlier request with the same key")
LOCATION: Final = _header("Address of what was made")
ETAG: Final = _header("The record's version, for If-Match and If-None-Match")
_OF_STATUS: Final = {
    401: {"WWW-Authenticate": _header("How to authenticate")},
    429: {"Retry-After": _header("Seconds to wait", "integer")},
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to every operation the problems it can answer with and the headers it sends; changes ``document``."""
    document["components"]["schemas"].pop("PaginationMetadata", None)  # flask-smorest's pages, which we do not use
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                _complete(path, method, operations[method])
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    if "429" in answers:
        answers["429"] = _problem(429)
    for status in _problems(path, method, operation):
        answers[str(status)] = _problem(status)
    for status, answer in answers.items():
        if status.startswith("2"):
            headers = answer.setdefault("headers", {})
            headers["X-Request-Id"] = REQUEST_ID
            if method == "post":
                headers["Idempotent-Replayed"] = REPLAYED


def _problems(path: str, method: str, operation: dict[str, Any]) -> Iterator[int]:
    if "security" in operation:
        yield 401
    if "x-permission" in operation:
        yield 403
    if "{" in path:
        yield 404
    if method != "get":
        yield 409
    if method in {"put", "patch", "delete"}:
        yield from (412, 428)
    if "requestBody" in operation:
        yield from (400, 413, 415)
    if operation.get("parameters") or "requestBody" in operation:
        yield 422


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": phrase(status),
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "headers": {"X-Request-Id": REQUEST_ID, **_OF_STATUS.get(status, {})},
    }
