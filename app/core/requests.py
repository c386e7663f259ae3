"""What every request gets: an id and limits on what is sent; and the health checks."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from flask import Flask, Response, current_app, g, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter, Map

from app.config import Settings
from app.core.errors import Unavailable
from app.core.extensions import db
from app.core.orm import ping
from app.core.queues import doorbell
from app.core.seats import Seats
from app.core.uploads import is_streamed, keep_unread

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
_REQUEST_ID: Final = re.compile(r"^[A-Za-z0-9._-]{8,64}$")


class JsonProvider(DefaultJSONProvider):
    """Reads JSON as the standard has it: no NaN, no lone surrogates, and nested a thousand deep at most."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The values of a JSON text; raises ValueError."""
        return orjson.loads(s.decode() if isinstance(s, bytes) else s)


class IdConverter(IntegerConverter):
    """A whole number that a database's id can be; any other is an unknown address."""

    def __init__(self, url_map: Map, **kwargs: Any) -> None:
        super().__init__(url_map, **({"max": 2**63 - 1} | kwargs))


def register_requests(app: Flask, settings: Settings) -> None:
    """Wire request ids, limits of what is sent and ``/healthz`` ``/readyz`` into the application."""
    app.json = JsonProvider(app)
    app.url_map.converters["int"] = IdConverter
    app.url_map.merge_slashes = False  # an address has one spelling; werkzeug would redirect by a page, also in the API
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.wsgi_app = _with_plain_query(app.wsgi_app)  # type: ignore[method-assign, assignment]
    app.extensions["download_seats"] = Seats(settings.web_threads)
    app.extensions["upload_seats"] = Seats(settings.web_threads)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        inside = _with_plain_address(app.wsgi_app)
        app.wsgi_app = ProxyFix(inside, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.before_request(_identify)
    app.before_request(_refuse_endless_body)
    app.after_request(_finish)
    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/readyz", view_func=readyz)


def healthz() -> Response:
    """Say that the process is alive, whatever else is not."""
    return Response('{"status":"ok"}', mimetype="application/json")


def readyz() -> Response:
    """Say that the database and the queue answer; 503 names the one that does not."""
    for name, check in (("database", lambda: ping(db.session())), ("queue", doorbell().redis.ping)):
        try:
            check()
        except Exception as error:
            current_app.logger.warning("%s does not answer: %s", name, error)
            raise Unavailable(f"The {name} does not answer.") from error
    return Response('{"status":"ready"}', mimetype="application/json")


healthz.access = "public"  # type: ignore[attr-defined]
readyz.access = "public"  # type: ignore[attr-defined]


def _with_plain_address(inside: WSGIApplication) -> WSGIApplication:
    """Let only network addresses count as what X-Forwarded-For says; else the proxy itself is the client.

    Who is no proxy can write anything there where more proxies are configured than stand in front.
    """

    def checked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            environ["REMOTE_ADDR"] = str(ip_address(environ.get("REMOTE_ADDR", "").partition("%")[0]))
        except ValueError:
            environ["REMOTE_ADDR"] = environ["werkzeug.proxy_fix.orig"]["REMOTE_ADDR"]
        return inside(environ, start_response)

    return checked


def _with_plain_query(inside: WSGIApplication) -> WSGIApplication:
    """Spell the bytes of a query that should have been escaped as RFC 3986 wants them: werkzeug fails at some."""

    def plain(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        if not query.isascii():
            raw = query.encode("latin-1" if max(query) <= "\xff" else "utf-8", "replace")  # servers differ
            environ["QUERY_STRING"] = "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)
        return inside(environ, start_response)

    return plain


def _identify() -> None:
    g.pop("principal", None)  # a context may stay open around several requests
    sent = request.headers.get("X-Request-Id", "")
    g.request_id = sent if _REQUEST_ID.match(sent) else secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _refuse_endless_body() -> None:
    """Refuse a body that came in chunks and is larger than the limit: werkzeug would cut it there and say nothing."""
    if is_streamed():
        keep_unread()
        return
    if request.content_length is not None or len(request.get_data()) < MAX_BODY_BYTES:
        return
    if request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.get("request_id", "")
    return response
