"""The API of evidence: what visits saw, shown so that nothing of it can do anything."""

from __future__ import annotations

import gzip
from typing import Any, Final

from flask import Response, request
from flask.views import MethodView

from app.core.api import ApiBlueprint
from app.core.fields import PageArguments
from app.rpa.models.evidence import Evidence
from app.rpa.queries.evidence import get_evidence, list_evidence, read_evidence
from app.rpa.rules.readings import Kind
from app.rpa.schemas.evidence import EvidenceArguments, EvidencePage

blp = ApiBlueprint("evidence", __name__, description="Pictures and HTML of the pages that visits saw")

_BYTES: Final = {"schema": {"type": "string", "format": "binary", "examples": ["(bytes)"]}}
_SANDBOX: Final = "sandbox; default-src 'none'"
_ETAG: Final = {"ETag": {"description": "Its SHA-256, for If-None-Match", "schema": {"type": "string"}}}
_OK: Final = {
    "200": {
        "description": "A JPEG to show, or HTML to save or to look at in a frame",
        "content": {"image/jpeg": _BYTES, "text/html": _BYTES},
        "headers": _ETAG,
    }
}


@blp.route("/tasks/<int:task_id>/evidence")
class TaskEvidence(MethodView):
    """The evidence of one task."""

    @blp.requires("jobs:read")
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, EvidencePage)
    def get(self, page: dict[str, Any], task_id: int) -> Any:
        """List what is kept of a task's visits: pictures and HTML, for as long as they are kept."""
        return list_evidence(task_id, **page)


@blp.route("/evidence/<int:evidence_id>")
class EvidenceFile(MethodView):
    """One file."""

    @blp.requires("jobs:read")
    @blp.arguments(EvidenceArguments, location="query")
    @blp.answers(200, etag=True)
    @blp.alt_response(304, description="If-None-Match names it", success=True)
    @blp.alt_response(503, description="The store of evidence does not answer")
    @blp.doc(responses=_OK)
    def get(self, how: dict[str, Any], evidence_id: int) -> Any:
        """Get a screenshot, or the HTML of a page as a file.

        The HTML is what a strange shop sent. A browser saves it, or shows it (framed) as a sandboxed document: it has
        no origin, runs no script, sends no form and loads nothing.
        """
        return _answer(get_evidence(evidence_id), is_framed=how["framed"])


def _answer(row: Evidence, *, is_framed: bool) -> Response:
    answer = Response(content_type=row.content_type)
    answer.set_etag(row.sha256)
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.headers["Content-Security-Policy"] = _SANDBOX + ("; frame-ancestors 'self'" if is_framed else "")
    if is_framed:
        answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    if request.if_none_match.contains_weak(row.sha256):
        answer.status_code = 304
        return answer
    content = read_evidence(row)
    if row.kind == Kind.HTML:
        if not is_framed:
            answer.headers["Content-Disposition"] = f'attachment; filename="evidence-{row.id}.html"'
        answer.vary.add("Accept-Encoding")
        if request.accept_encodings["gzip"]:
            answer.content_encoding = "gzip"
        else:
            content = gzip.decompress(content)
    answer.data = content
    return answer
