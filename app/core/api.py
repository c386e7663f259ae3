"""The edge of the API: who may enter, what comes in, what goes out, and that a POST sent twice is done once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import timedelta
from functools import partial, wraps
from typing import Any, Final

from flask import Response, current_app, g, request
from flask_smorest import Api, Blueprint
from marshmallow import Schema, ValidationError, fields, missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException, UnsupportedMediaType

from app.core import answering, idempotency
from app.core.dumping import compile_dump
from app.core.errors import BadRequest, FieldError, StaleVersion, Unauthenticated, VersionRequired
from app.core.http import PROBLEM, answer_http_exception
from app.core.openapi import CONTENTS, ETAG, LOCATION
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE, Principal
from app.core.running import settings

View = Callable[..., Any]


class FieldErrorSchema(Schema):
    """One thing wrong with one field."""

    pointer = fields.String(metadata={"description": "JSON pointer (RFC 6901) to the field", "examples": ["/price"]})
    detail = fields.String(
        metadata={"description": "The rule it breaks", "examples": ["Missing data for required field."]}
    )
    in_ = fields.String(
        data_key="in",
        metadata={"description": "Where the field was sent: body, query, header or path", "examples": ["body"]},
    )


class ProblemSchema(Schema):
    """Every error: RFC 9457 problem details."""

    type = fields.String(metadata={"examples": ["about:blank"]})
    title = fields.String(metadata={"examples": ["Unprocessable Content"]})
    status = fields.Integer(metadata={"examples": [422]})
    detail = fields.String(
        metadata={"description": "What happened, for a person", "examples": ["The request breaks a rule."]}
    )
    code = fields.String(metadata={"description": "What happened, for a program; stable", "examples": ["INVALID"]})
    errors = fields.List(fields.Nested(FieldErrorSchema))
    request_id = fields.String(allow_none=True, metadata={"examples": ["4f0c2a9be15d7c31"]})


class Parser(FlaskParser):
    """Refuses unknown parameters everywhere, parameters given twice, and bodies that are not JSON."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {
        "json": "raise",
        "query": "raise",
        "headers": "exclude",
        "files": "raise",
    }

    def load_querystring(self, req: Any, schema: Any) -> Any:
        """The query; raises a validation error for what is given more than once and is no list."""
        asked = super().load_querystring(req, schema)
        twice = [name for name, values in req.args.lists() if len(values) > 1 and name not in asked.multiple_keys]
        if twice:
            raise ValidationError({name: ["Must be given once only."] for name in twice})
        return asked

    def load_json(self, req: Any, schema: Any) -> Any:
        """The JSON body; raises 415 for a body of another kind."""
        if not req.is_json and req.get_data():
            raise UnsupportedMediaType("The body must be JSON (Content-Type: application/json).")
        return super().load_json(req, schema)

    def _raw_load_json(self, req: Any) -> Any:
        """The JSON by the application's own reader, which has a limit on nesting; webargs' would overflow the stack."""
        return current_app.json.loads(req.get_data()) if req.is_json else missing


class SmorestApi(Api):
    """flask-smorest with our error shape."""

    ERROR_SCHEMA = ProblemSchema
    DEFAULT_RESPONSE_CONTENT_TYPE: str = "application/json"

    def _register_responses(self) -> None:
        kept, self.DEFAULT_RESPONSE_CONTENT_TYPE = self.DEFAULT_RESPONSE_CONTENT_TYPE, PROBLEM
        super()._register_responses()
        self.DEFAULT_RESPONSE_CONTENT_TYPE = kept

    def handle_http_exception(self, error: HTTPException) -> Response:
        """Answer with a problem document."""
        return answer_http_exception(error)


# Weak tags count: a proxy that compresses answers makes ours weak, which name versions and not bytes.
_ENTITY_TAG: Final = re.compile(r'(?:W/)?"(?P<opaque>[\x21\x23-\x7e\x80-\xff]*)"')
_VERSION: Final = re.compile(r"v(?P<number>0|[1-9][0-9]{0,17})")
_IF_MATCH: Final = {
    "in": "header",
    "name": "If-Match",
    "required": True,
    "description": "ETag of the record as it was last read, with its quotes (400 otherwise); 428 without it, 412 when "
    "the record has changed since: read it again and decide anew",
    "schema": {"type": "string", "examples": ['"v3"']},
}
_IDEMPOTENCY_KEY: Final = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Made by the client: a random one for each thing that is wanted, kept with it until there is an "
    "answer, and sent again with the same request. Then that is done once; the answer is kept for 24 hours. "
    "409 IDEMPOTENCY_KEY_IN_USE: it is still being worked on, send it again in a while. 422 IDEMPOTENCY_KEY_REUSED: "
    "the key came with something else. A refusal is not kept: what is put right may have the same key",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": idempotency.MAX_KEY_LENGTH,
        "examples": ["9f1c2b7e-5d0a-4c3e-8b6f-2a1d4e7c9b30"],
    },
}
_OF_SECRETS: Final = _IDEMPOTENCY_KEY | {
    "description": "Sent twice within 24 hours with the same key, a request is done once. The answer holds a secret "
    "and is not kept: a repeat is refused with 409 IDEMPOTENCY_ANSWER_NOT_STORED"
}
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "post": _IDEMPOTENCY_KEY,
    "put": _IF_MATCH,
    "patch": _IF_MATCH,
    "delete": _IF_MATCH,
}


class ApiBlueprint(Blueprint):
    """A blueprint whose views say who may enter and what they answer."""

    ARGUMENTS_PARSER = Parser()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks.append(self._document_headers)

    @staticmethod
    def _document_headers(doc: dict[str, Any], info: Any, *, method: str, **_kwargs: Any) -> dict[str, Any]:
        """Show the headers that every POST takes and every change of a record needs, and those of one view."""
        headers = list(info.get("own_headers", []))
        if info.get("is_once"):
            headers.append(_IDEMPOTENCY_KEY)
        header = _OF_SECRETS if method == "post" and info.get("is_secret") else _HEADERS.get(method)
        if header is not None and not (header is _IF_MATCH and info.get("is_unversioned")):
            headers.append(header)
        if info.get("is_versioned"):
            headers.append(_IF_MATCH)
        return doc | ({"parameters": [*doc.get("parameters", []), *headers]} if headers else {})

    def arguments(self, schema: Any, **kwargs: Any) -> Callable[[View], View]:
        """flask-smorest's own, with one schema for all requests instead of one made for each."""
        decorate: Callable[[View], View] = super().arguments(schema() if isinstance(schema, type) else schema, **kwargs)
        return decorate

    def requires(self, permission: str, *, fresh: bool = False) -> Callable[[View], View]:
        """Let in only principals with this permission, before anything is parsed.

        With ``fresh`` a user must have proven a short while ago who they are; API keys, which were made that way, pass.
        """
        if permission not in CATALOGUE:
            raise ValueError(permission)
        return partial(self._guard, permission, fresh=fresh)

    def authenticated(self, view: View) -> View:
        """Let in everybody who is logged in, whatever they may do, and every API key."""
        return self._guard(None, view)

    def personal(self, *, fresh: bool = False, complete: bool = False) -> Callable[[View], View]:
        """Let in people who are logged in, for their own account, and no API key.

        With ``complete`` also nobody whose roles need a second factor that the login had not: what helps to set one up
        stays open to them, the rest does not.
        """
        return partial(self._guard, None, fresh=fresh, personal=True, complete=complete)

    def public(self, view: View) -> View:
        """Let everybody in; said out loud, so that forgetting is visible."""
        view.access = "public"  # type: ignore[attr-defined]
        return view

    @staticmethod
    def takes_header(name: str, description: str, example: str) -> Callable[[View], View]:
        """Document a header that the view reads by itself and that may be missing."""

        def decorate(view: View) -> View:
            schema = {"type": "string", "examples": [example]}
            header = {"in": "header", "name": name, "required": False, "description": description, "schema": schema}
            known = getattr(view, "_apidoc", {})
            view._apidoc = known | {"own_headers": [*known.get("own_headers", []), header]}  # type: ignore[attr-defined]  # noqa: SLF001  # flask-smorest's own mark
            return view

        return decorate

    @staticmethod
    def unversioned(view: View) -> View:
        """Say that what this changes or ends has no versions, so that no If-Match is needed; stands above all else."""
        view.is_unversioned = True  # type: ignore[attr-defined]
        view._apidoc = getattr(view, "_apidoc", {}) | {"is_unversioned": True}  # type: ignore[attr-defined]  # noqa: SLF001  # flask-smorest's own mark
        return view

    @staticmethod
    def versioned(view: View) -> View:
        """Say that this POST is based on a version of the record and needs If-Match; stands above all else.

        For what must not be done twice by a second click that brings no Idempotency-Key.
        """
        view._apidoc = getattr(view, "_apidoc", {}) | {"is_versioned": True}  # type: ignore[attr-defined]  # noqa: SLF001  # flask-smorest's own mark
        return view

    def _guard(
        self,
        permission: str | None,
        view: View,
        *,
        fresh: bool = False,
        personal: bool = False,
        complete: bool = False,
    ) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            principal = current_principal()
            if permission is not None:
                principal.require(permission)
            if personal:
                principal.require_person()
            if complete:
                principal.require_complete_login()
            if fresh:
                require_fresh(principal)
            return view(*args, **kwargs)

        guarded.access = permission or "authenticated"  # type: ignore[attr-defined]
        guarded.is_fresh, guarded.is_personal = fresh, personal  # type: ignore[attr-defined]
        document = deepcopy(getattr(view, "_apidoc", {}))
        manual = document.setdefault("manual_doc", {})
        manual["security"] = [{"bearer": []}, {"session": []}]
        if permission is not None:
            manual["x-permission"] = permission
        if personal:
            manual["x-people-only"] = True
        if fresh:
            manual["x-fresh-login"] = True
        guarded._apidoc = document  # type: ignore[attr-defined]  # noqa: SLF001  # flask-smorest's own mark
        return guarded

    def keeps(
        self, names: Callable[..., Sequence[str]], *, unless: frozenset[str] = frozenset()
    ) -> Callable[[View], View]:
        """Keep what a GET answers (``app.core.kept``) and give it an ETag; stands below who may enter, above the rest.

        ``names`` says by the view's arguments what the answer depends on; with a query parameter in ``unless`` it is
        not kept. What is found is given to everybody who may enter, so it is not for views that answer each their own.
        """

        def decorate(view: View) -> View:
            if getattr(view, "access", "public") != "public":
                raise TypeError("who may enter stands above what is kept, else kept answers go to anybody")

            @wraps(view)
            def keeping(*args: Any, **kwargs: Any) -> Response:
                work = partial(view, *args, **kwargs)
                if unless.isdisjoint(request.args):
                    return answering.keep(names(**kwargs), work)
                return answering.tagged(work())

            said = "If-None-Match names the ETag that the answer has"
            documented: View = self.alt_response(304, description=said, success=True)(keeping)
            answers = documented._apidoc["response"]["responses"]  # type: ignore[attr-defined]  # noqa: SLF001  # flask-smorest's own mark
            for answer in (each for of_status in answers.values() for each in of_status):
                answer["headers"] = {"ETag": CONTENTS} | (answer.get("headers") or {})
            return documented

        return decorate

    def answers(
        self,
        status: int,
        schema: type[Schema] | None = None,
        *,
        location: Callable[[Any], str] | None = None,
        etag: bool = False,
        secret: bool = False,
        once: bool = False,
    ) -> Callable[[View], View]:
        """Say what the view answers: status, schema, Location, ETag from the record's version.

        A POST with an Idempotency-Key is done once and its answer given again for 24 hours, and so is with ``once``
        another method that is not safe to repeat by itself; with ``secret`` the answer is not stored. The answer is
        rendered inside the work's transaction, so that both exist together.
        """
        rendered = partial(answering.render, status, compile_dump(schema()) if schema else None, location, etag)

        def decorate(view: View) -> View:
            if getattr(view, "access", "public") != "public":
                raise TypeError("who may enter stands above what is answered, else stored answers go to anybody")

            @wraps(view)
            def answered(*args: Any, **kwargs: Any) -> Response:
                work = partial(view, *args, **kwargs)
                key = request.headers.get("Idempotency-Key")
                if key is None or not (once or request.method == "POST"):
                    return answering.as_response(rendered, work())
                return answering.once(key, work, rendered, secret=secret)

            headers = ({"Location": LOCATION} if location else {}) | ({"ETag": ETAG} if etag else {})
            documented: View = self.response(status, schema, headers=headers or None)(answered)
            documented._apidoc |= {"is_secret": secret, "is_once": once}  # type: ignore[attr-defined]  # noqa: SLF001  # flask-smorest's own mark
            return documented

        return decorate


def current_principal() -> Principal:
    """For whom this request is done; raises Unauthenticated when nobody is known."""
    if "principal" not in g:
        g.principal = current_app.extensions["authenticate"]()
    if g.principal is None:
        raise Unauthenticated("Log in at /api/v1/auth/login and send the access token as a Bearer token.")
    principal: Principal = g.principal
    return principal


def require_fresh(principal: Principal) -> None:
    """Raise FreshLoginRequired for a user whose login or confirmation is too long ago for something sensitive."""
    principal.require_fresh(now=utc_now(), within=timedelta(minutes=settings().accounts.fresh_minutes))


def if_match() -> int:
    """The version that a change is based on, from If-Match (RFC 9110, 13.1.1).

    Raises VersionRequired without the header and for ``*``, which names no version; BadRequest for what is not one
    entity-tag (8.8.3: its quotes belong to it); StaleVersion for a tag that no version of a record has.
    """
    header = request.headers.get("If-Match", "").strip()
    if header in {"", "*"}:
        raise VersionRequired("Send If-Match with the ETag of the record as you last read it.")
    tag = _ENTITY_TAG.fullmatch(header)
    if tag is None:
        said = 'must be one ETag with its quotes, such as "v3".'
        raise BadRequest(f"If-Match {said}", errors=(FieldError("/If-Match", said, "header"),))
    version = _VERSION.fullmatch(tag["opaque"])
    if version is None:
        said = 'is the ETag of no version; those of records are like "v3".'
        raise StaleVersion(f"If-Match {said}", errors=(FieldError("/If-Match", said, "header"),))
    return int(version["number"])


def unless_known(record: Any) -> Any:
    """The record to answer with, or 304 where If-None-Match names the version that it has."""
    etag = f"v{record.version}"
    if request.if_none_match.contains_weak(etag):
        return Response(status=304, headers={"ETag": f'"{etag}"'})
    return record
