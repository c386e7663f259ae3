"""How answers are made: rendered, stored for a POST that is sent twice, kept for the next one who asks."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from flask import Response, current_app, g, request

from app.core import idempotency, kept
from app.core.dumping import Dump
from app.core.transactions import before_next_commit
from app.core.uploads import is_streamed

_STORED_HEADERS: Final = ("Location", "ETag", "Content-Type")


def render(status: int, dump: Dump | None, location: Callable[[Any], str] | None, etag: bool, result: Any) -> Response:
    """An answer with what a view returned as its body, and the headers that go with it."""
    body = b"" if dump is None else orjson.dumps(dump(result))
    answer = Response(body, status=status, mimetype="application/json" if dump else None)
    if location is not None:
        answer.headers["Location"] = location(result)
    if etag:
        answer.headers["ETag"] = f'"v{result.version}"'
    return answer


def as_response(rendered: Callable[[Any], Response], result: Any) -> Response:
    """What a view returned as an answer."""
    return result if isinstance(result, Response) else rendered(result)


def once(key: str, work: Callable[[], Any], rendered: Callable[[Any], Response], *, secret: bool) -> Response:
    """Do the work of a key once: the first time it is done, the next times the stored answer is given."""
    caller = g.principal.key if g.get("principal") else f"anonymous:{request.remote_addr}"
    # a view that reads its body itself has done so, and says what makes two of them the same
    body: bytes = g.received if is_streamed() else request.get_data()
    asked = f"{request.method} {request.full_path}\n".encode() + body
    # keyed, because a bare hash of a login would let whoever reads the table guess passwords as fast as they can hash
    secret_key: str = current_app.config["SECRET_KEY"]
    request_hash = hmac.new(secret_key.encode(), asked, hashlib.sha256).hexdigest()
    claim = idempotency.claim(principal=caller, key=key, request_hash=request_hash)
    if isinstance(claim, idempotency.Answer):
        replayed = Response(claim.body, status=claim.status, headers=claim.headers)
        replayed.headers["Idempotent-Replayed"] = "true"
        return replayed
    completed: list[tuple[Any, Response]] = []

    def complete(result: Any) -> None:
        answer = as_response(rendered, result)
        idempotency.complete(claim, None if secret else _storable(answer))
        completed[:] = [(result, answer)]  # the only one, because a transaction may run again

    try:
        with before_next_commit(complete):
            result = work()
        is_rendered = bool(completed) and completed[0][0] is result
        answer = completed[0][1] if is_rendered else as_response(rendered, result)
    except BaseException:
        idempotency.release(claim)
        raise
    if not completed:
        idempotency.complete_alone(claim, None if secret else _storable(answer))
    return answer


def _storable(answer: Response) -> idempotency.Answer:
    headers = {name: answer.headers[name] for name in _STORED_HEADERS if name in answer.headers}
    return idempotency.Answer(answer.status_code, headers, answer.get_data(as_text=True))


def keep(names: Sequence[str], work: Callable[[], Response]) -> Response:
    """What is kept for this address (``app.core.kept``), else what ``work`` answers, which is kept; 304 where known."""
    place = kept.look_at(f"{request.path}?{request.query_string.decode('latin-1')}", names)
    if place.found is not None:
        return _unless_matched(Response(place.found.body, mimetype="application/json"), place.found.etag)
    answer = work()
    if answer.status_code != 200:
        return answer
    body = answer.get_data()
    etag = answer.get_etag()[0] or kept.etag_of(body)
    place.keep(etag, body)
    return _unless_matched(answer, etag)


def tagged(answer: Response) -> Response:
    """Give an answer that is not kept an ETag of its contents; 304 where If-None-Match names it."""
    if answer.status_code != 200:
        return answer
    return _unless_matched(answer, answer.get_etag()[0] or kept.etag_of(answer.get_data()))


def _unless_matched(answer: Response, etag: str) -> Response:
    if request.if_none_match.contains_weak(etag):
        return Response(status=304, headers={"ETag": f'"{etag}"'})
    answer.headers["ETag"] = f'"{etag}"'
    return answer
