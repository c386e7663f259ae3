"""The OpenAPI document at /openapi.json, shown by Swagger UI at /docs and by ReDoc at /redoc; all files are our own."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Any, Final

import orjson
from flask import Flask, Response, current_app, make_response, redirect, render_template, request, url_for
from flask_smorest import Api

from app.core.openapi import complete

# Both programs show data: pictures and send requests to this host; ReDoc makes style elements, which its page gives the
# nonce, and searches in a worker made of a blob.
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def register_api_docs(app: Flask, api: Api) -> None:
    """Add /openapi.json, /docs and /redoc, which everybody may read; the root leads to /docs."""

    @cache
    def document() -> bytes:
        return orjson.dumps(complete(api.spec.to_dict()))

    def openapi() -> Response:
        answer = Response(document(), mimetype="application/json")
        answer.add_etag()
        answer.make_conditional(request)
        return answer

    pages = {
        "/": ("root", lambda: redirect("/docs")),
        "/openapi.json": ("openapi", openapi),
        "/docs": ("docs", lambda: _page("docs/swagger.html")),
        "/redoc": ("redoc", lambda: _page("docs/redoc.html")),
    }
    for path, (endpoint, view) in pages.items():
        app.add_url_rule(path, endpoint, view)
    for endpoint in ("root", "openapi", "docs", "redoc", "static"):
        shown: Any = app.view_functions[endpoint]
        shown.access = "public"


def _page(template: str) -> Response:
    nonce = secrets.token_urlsafe(16)
    title = current_app.config["API_TITLE"]
    answer = make_response(render_template(template, nonce=nonce, document_url=url_for("openapi"), title=title))
    answer.headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
    return answer
