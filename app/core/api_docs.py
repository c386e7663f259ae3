"""The OpenAPI document at /openapi.json, shown by Swagger UI at /docs and by ReDoc at /redoc; all files are our own."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, Final

import orjson
from flask import Flask, Response, current_app, make_response, render_template, request, url_for
from flask_smorest import Api

from app.core.openapi import complete

# Both programs show data: pictures and send requests to this host; ReDoc makes style elements, which its page gives the
# nonce, and searches in a worker made of a blob.
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def register_api_docs(app: Flask, api: Api) -> None:
    """Add /openapi.json, /docs and /redoc, which everybody may read."""

    @cache
    def document() -> bytes:
        return orjson.dumps(complete(api.spec.to_dict()))

    def openapi() -> Response:
        answer = Response(document(), mimetype="application/json")
        answer.add_etag()
        answer.make_conditional(request)
        return answer

    pages = {
        "/openapi.json": ("openapi", openapi),
        "/docs": ("docs", lambda: _page("docs/swagger.html")),
        "/redoc": ("redoc", lambda: _page("docs/redoc.html")),
    }
    for path, (endpoint, view) in pages.items():
        app.add_url_rule(path, endpoint, view)
    for endpoint in ("openapi", "docs", "redoc", "static", "bootstrap.static"):
        app.view_functions[endpoint] = _public(app.view_functions[endpoint])


def _public(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view as a function, because a method takes no attribute, that says that everybody may enter."""

    @wraps(view)
    def shown(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    shown.access = "public"  # type: ignore[attr-defined]
    return shown


def _page(template: str) -> Response:
    nonce = secrets.token_urlsafe(16)
    title = current_app.config["API_TITLE"]
    answer = make_response(render_template(template, nonce=nonce, document_url=url_for("openapi"), title=title))
    answer.headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
    return answer
