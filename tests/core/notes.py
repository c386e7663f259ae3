"""A small API for the tests: notes, kept in the audit trail, which is the plainest table there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, g, request, url_for
from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy import select

from app.core import audit
from app.core.api import ApiBlueprint, current_principal, if_match
from app.core.audit import AuditEvent
from app.core.errors import Conflict, Invalid
from app.core.extensions import db
from app.core.fields import PageArguments, StrictSchema, Text
from app.core.permissions import Principal
from app.core.transactions import in_transaction

pauses: dict[str, Callable[[], object]] = {}
"""What happens while a note with this text is worked on, before its transaction."""


def authenticate_by_header() -> Principal | None:
    """The user whose number is in X-User; they may write products unless X-Reader is sent."""
    user = request.headers.get("X-User")
    if user is None:
        return None
    held = frozenset() if "X-Reader" in request.headers else frozenset({"products:write"})
    return Principal(kind="user", id=int(user), name=f"user {user}", permissions=held, request_id=g.request_id)


@in_transaction
def make_note(*, actor: Principal, text: str) -> AuditEvent:
    """Keep a note; refuses the text ``refused`` after writing it."""
    audit.record(actor=actor, action="note", subject=("note", None), after={"text": text})
    db.session.flush()
    if text == "refused":
        raise Invalid.field("/text", "is refused.")
    return db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()


def kept_notes() -> list[str]:
    """The texts of all notes in the database, in order."""
    rows = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "note").order_by(AuditEvent.id))
    texts = [row.after["text"] for row in rows if row.after]
    db.session.remove()
    return texts


class PlaceIn(StrictSchema):
    """Where a note was made."""

    city = Text(longest=20, required=True)


class NoteIn(StrictSchema):
    """A note as it is sent."""

    text = Text(longest=200, required=True)
    places = fields.List(fields.Nested(PlaceIn))


class NoteSchema(Schema):
    """A note as it is answered."""

    id = fields.Integer()
    text = fields.Function(lambda row: row.after["text"])


class DoneSchema(Schema):
    """What is done without a record."""

    done = fields.Boolean()
    secret = fields.String()


blp = ApiBlueprint("notes", "notes")


@blp.route("/notes")
class Notes(MethodView):
    """All notes."""

    @blp.public
    @blp.arguments(PageArguments, location="query")
    @blp.answers(200, DoneSchema)
    def get(self, page: dict[str, Any]) -> Any:
        """Accept the parameters of a list."""
        return {"done": True}

    @blp.requires("products:write")
    @blp.arguments(NoteIn)
    @blp.answers(201, NoteSchema, location=lambda row: url_for("notes.Note", number=row.id))
    def post(self, sent: dict[str, Any]) -> Any:
        """Keep a note."""
        pauses.get(sent["text"], bool)()
        return make_note(actor=current_principal(), text=sent["text"])


@blp.route("/notes/<int:number>")
class Note(MethodView):
    """One note."""

    @blp.authenticated
    @blp.answers(204)
    def put(self, number: int) -> Any:
        """Ask for the version."""
        if if_match() != number:
            raise Conflict("This is another version.")


@blp.route("/secrets")
class Secrets(MethodView):
    """Answers that are not kept."""

    @blp.public
    @blp.answers(200, DoneSchema, secret=True)
    def post(self) -> Any:
        """Write, and answer with a secret."""
        make_note(actor=Principal(kind="guest", id=None, name="guest", permissions=frozenset()), text="secret")
        return {"done": True, "secret": "only once"}


@blp.route("/looks")
class Looks(MethodView):
    """Work that writes nothing."""

    @blp.authenticated
    @blp.answers(200, DoneSchema)
    def post(self) -> Any:
        """Write nothing."""
        pauses.get("look", bool)()
        return {"done": True}


@blp.route("/broken")
@blp.route("/broken/<token>")
class Broken(MethodView):
    """Work that fails."""

    @blp.public
    def get(self, token: str = "") -> Response:  # it stands in the address
        """Fail with details that are nobody's business."""
        raise RuntimeError("the password is hunter2")
