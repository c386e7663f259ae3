"""Every error as one shape: RFC 9457 problem details. The only place that knows which refusal has which status."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

import orjson
from flask import Flask, Response, g, render_template, request
from flask_jwt_extended.exceptions import JWTExtendedException
from flask_wtf.csrf import CSRFError
from jwt.exceptions import PyJWTError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from app.core import audit, errors
from app.core.extensions import limiter
from app.core.permissions import Principal

log = logging.getLogger(__name__)

PROBLEM: Final = "application/problem+json"

STATUS: Final[dict[type[errors.Refusal], int]] = {
    errors.BadRequest: 400,
    errors.Unauthenticated: 401,
    errors.PaymentRequired: 402,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.StaleVersion: 412,
    errors.Invalid: 422,
    errors.VersionRequired: 428,
    errors.TooManyRequests: 429,
    errors.UpstreamFailed: 502,
    errors.Unavailable: 503,
}

MAX_ERRORS: Final = 100
"""Of which one answer tells; so no request makes an answer larger than itself by far."""
_MAX_POINTER: Final = 500
_MAX_DETAIL: Final = 1_000

_CODES: Final = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    412: "STALE_VERSION",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "INVALID",
    429: "RATE_LIMITED",
    500: "INTERNAL",
}
_TITLES: Final = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Where Python 3.11 still has the phrase of an RFC before 9110."""
_HEADINGS: Final = {
    401: "Log in first",
    403: "You may not do this",
    404: "There is nothing here",
    412: "Somebody was faster",
    429: "That was too often",
    500: "Something went wrong",
    503: "Not available right now",
}
"""How pages say what happened, where the status in words says little to people."""


def register_errors(app: Flask) -> None:
    """Answer every failure of the application with a problem document."""
    app.register_error_handler(errors.Refusal, _refused)
    app.register_error_handler(JWTExtendedException, _bad_token)
    app.register_error_handler(PyJWTError, _bad_token)
    app.register_error_handler(CSRFError, _csrf_refused)
    app.register_error_handler(HTTPException, answer_http_exception)
    app.register_error_handler(Exception, _failed)


def phrase(status: int) -> str:
    """The status in words (RFC 9110), which a problem of type about:blank has as its title (RFC 9457, 4.2.1)."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def problem(
    status: int,
    code: str,
    detail: str,
    found: list[dict[str, Any]] | None = None,
    *,
    retry_after_s: int | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Response:
    """Build a problem document, or a page for people; ``found`` lists what is wrong with which field.

    ``facts`` are members of the document that its code explains.
    """
    document = {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": found or [],
        "request_id": g.get("request_id"),
        **(facts or {}),
    }
    if _wants_page():
        heading = _HEADINGS.get(status, document["title"])
        page = render_template("error.html", problem=document, heading=heading, retry_after_s=retry_after_s)
        return Response(page, status=status, mimetype="text/html")
    return Response(orjson.dumps(document), status=status, mimetype=PROBLEM)


def _wants_page() -> bool:
    """Whether a person with a browser is asking, for something that is not the API."""
    return not request.path.startswith("/api/") and "text/html" in request.accept_mimetypes.values()


def answer_http_exception(error: HTTPException) -> Response:
    """Turn werkzeug's and webargs' errors into the same shape."""
    if error.response is not None and error.code is None:
        return Response(error.get_body(), status=500)
    status = error.code or 500
    data: dict[str, Any] = getattr(error, "data", None) or {}
    found = list(islice(_fields(data.get("messages") or {}), MAX_ERRORS))
    code = _CODES.get(status, error.name.upper().replace(" ", "_"))
    detail = "The request breaks a rule." if found else (error.description or error.name)
    answer = problem(status, code, detail, found, retry_after_s=_wait_s() if status == 429 else None)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            answer.headers[name] = value
    return answer


def _refused(refusal: errors.Refusal) -> Response:
    if isinstance(refusal, errors.Forbidden):
        _note(refusal)
    status = next(STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS)
    found = [
        {"pointer": error.pointer[:_MAX_POINTER], "detail": error.detail[:_MAX_DETAIL], "in": error.place}
        for error in refusal.errors[:MAX_ERRORS]
    ]
    wait_s = refusal.retry_after_s if isinstance(refusal, errors.TooManyRequests | errors.Busy) else None
    answer = problem(status, refusal.code, refusal.detail, found, retry_after_s=wait_s, facts=refusal.facts)
    if status == 401:
        answer.headers["WWW-Authenticate"] = _challenge(refusal)
    if wait_s is not None:
        answer.headers["Retry-After"] = str(wait_s)
    return answer


def _note(refusal: errors.Forbidden) -> None:
    """Note in the audit log who tried to change what they may not; reads are only answered."""
    principal: Principal | None = g.get("principal")
    if principal is None or request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    try:
        audit.record_refusal(actor=principal, method=request.method, path=request.path, reason=refusal.detail)
    except SQLAlchemyError as error:
        log.warning("a refusal could not be noted: %s", error)


def _wait_s() -> int | None:
    """Seconds until the rate limit that was hit allows the next request."""
    hit = limiter.current_limit
    return None if hit is None else max(1, hit.reset_at - int(time.time()))


def _challenge(refusal: errors.Refusal) -> str:
    if isinstance(refusal, errors.FreshLoginRequired):  # RFC 9470, 3
        return f'Bearer error="insufficient_user_authentication", max_age={refusal.max_age_s}'
    return "Bearer"


def _csrf_refused(error: CSRFError) -> Response:
    return problem(400, "CSRF_REFUSED", f"{error.description} Reload the page and send it again.")


def _bad_token(error: Exception) -> Response:
    return _refused(errors.Unauthenticated(f"The access token is not valid: {error}."))


def _failed(error: Exception) -> Response:
    log.error("unhandled error", exc_info=error, extra={"path": _path()})
    return problem(500, "INTERNAL", "Something went wrong here; quote the request_id.")


def _path() -> str:
    """The path of the request, without the token of an address that is one's only key to what it shows."""
    token = (request.view_args or {}).get("token")
    return request.path.replace(token, "...") if token else request.path


def _fields(messages: Any) -> Iterator[dict[str, Any]]:
    """Flatten webargs' ``{location: {field: {index: [texts]}}}`` into pointers (RFC 6901)."""
    places = {"json": "body", "query": "query", "headers": "header", "form": "body", "files": "body"}
    for location, nested in messages.items() if isinstance(messages, dict) else ():
        for pointer, detail in _flatten("", nested):
            place = places.get(str(location), str(location))
            yield {"pointer": pointer[:_MAX_POINTER], "detail": detail[:_MAX_DETAIL], "in": place}


def _flatten(pointer: str, nested: Any) -> Iterator[tuple[str, str]]:
    if isinstance(nested, dict):
        for name, inner in nested.items():
            step = "" if name == "_schema" else "/" + str(name).replace("~", "~0").replace("/", "~1")
            yield from _flatten(pointer + step, inner)
    elif isinstance(nested, list | tuple):
        for inner in nested:
            yield from _flatten(pointer, inner)
    else:
        yield pointer, str(nested)
