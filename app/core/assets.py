"""Files of the pages: their addresses name their content, so that browsers keep them for good and ask only once."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, Final

from flask import Flask, Response, request
from werkzeug.security import safe_join

_KEPT: Final = "public, max-age=31536000, immutable"
_FILES: Final = ("static", "bootstrap.static")


def register_assets(app: Flask) -> None:
    """Let ``url_for`` of a file name its content; an answer to such an address is kept, to any other is asked about."""

    def folder(endpoint: str) -> str:
        home = app.blueprints["bootstrap"] if endpoint == "bootstrap.static" else app
        return home.static_folder or ""

    def name_content(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint in _FILES and "filename" in values:
            values["v"] = _content(safe_join(folder(endpoint), values["filename"]))

    def keep(response: Response) -> Response:
        asked = request.args.get("v")
        if request.endpoint in _FILES and asked is not None and request.view_args and response.status_code == 200:
            found = _content(safe_join(folder(request.endpoint), request.view_args["filename"]))
            if asked == found:
                response.headers["Cache-Control"] = _KEPT
        return response

    app.url_defaults(name_content)
    app.after_request(keep)


@lru_cache(maxsize=1000)
def _content(path: str | None) -> str | None:
    """A short name of a file's content; None where there is no such file."""
    try:
        with open(path or "", "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()[:16]
    except OSError:
        return None
