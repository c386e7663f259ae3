"""BokehJS as the installed package has it: 1.27 MB that browsers fetch once per version, a quarter of it compressed."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from flask import Flask, Response, abort, request, url_for

_FILE: Final = "bokeh.min.js"
_KEPT: Final = "public, max-age=31536000, immutable"


def register_bokeh(app: Flask) -> None:
    """Serve BokehJS below its version, and give templates ``bokeh_url()``; the Python package is not imported."""
    _script.access = "public"  # type: ignore[attr-defined]
    app.add_url_rule("/static/bokeh/<of_version>/bokeh.min.js", "bokeh", _script)
    app.jinja_env.globals["bokeh_url"] = bokeh_url


def bokeh_url() -> str:
    """Where BokehJS is: an address that changes with its version."""
    return url_for("bokeh", of_version=_version())


def _script(of_version: str) -> Response:
    if of_version != _version():
        abort(404)
    plain, compressed = _contents()
    is_compressed = bool(request.accept_encodings["gzip"])
    answer = Response(compressed if is_compressed else plain, mimetype="text/javascript")
    if is_compressed:
        answer.content_encoding = "gzip"
    answer.vary.add("Accept-Encoding")
    answer.headers["Cache-Control"] = _KEPT
    answer.set_etag(f"{of_version}-{'gzip' if is_compressed else 'plain'}")
    answer.make_conditional(request)
    return answer


@cache
def _version() -> str:
    return version("bokeh")


@cache
def _contents() -> tuple[bytes, bytes]:
    """The script, and the same compressed, at its first use."""
    found = find_spec("bokeh")
    if found is None or found.origin is None:
        raise FileNotFoundError(_FILE)
    plain = (Path(found.origin).parent / "server" / "static" / "js" / _FILE).read_bytes()
    return plain, gzip.compress(plain, 9)
