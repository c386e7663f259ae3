"""What the audit log's API takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.auth.queries.audit import WITHOUT_NUMBER
from app.core.fields import Instant, PageArguments, Text, page_of

_ID: Final = validate.Range(1, 2**63 - 1)
_KINDS: Final = ("user", "key", "job", *WITHOUT_NUMBER)
_ACTION: Final = validate.Regexp(
    r"^[a-z_]{1,32}\.[a-z_]{0,31}\Z", error="must be an action (user.create) or the beginning of some (user.)."
)
_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_REQUEST: Final = {"description": "X-Request-Id of the request", "examples": ["4f0c2a9be15d7c31"]}
_ADDRESS: Final = {"description": "Network address that it came from", "examples": ["192.0.2.7"]}


class AuditArguments(PageArguments):
    """Which events."""

    action = fields.String(
        validate=_ACTION,
        metadata={"description": "A whole action, or with a dot at its end all of a kind", "examples": ["user."]},
    )
    actor_kind = fields.String(validate=validate.OneOf(_KINDS), metadata={"examples": ["user"]})
    actor_id = fields.Integer(validate=_ID, metadata={"examples": [7]})
    subject_kind = fields.String(validate=validate.Regexp(r"^[a-z_]{1,32}\Z"), metadata={"examples": ["role"]})
    subject_id = fields.Integer(validate=_ID, metadata={"examples": [3]})
    address = Text(longest=45, metadata=_ADDRESS)
    request_id = Text(longest=64, metadata=_REQUEST)
    since = Instant(data_key="from", metadata=_WHEN | {"description": "From this instant on"})
    until = Instant(data_key="to", metadata=_WHEN | {"description": "Before this instant"})

    @validates_schema
    def kind_and_number(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a number without its kind and a kind without its number: every search has an index to go by."""
        problems = {}
        if "actor_id" in data and data.get("actor_kind") in {None, *WITHOUT_NUMBER}:
            problems["actor_kind"] = ["must say what has this number: user, key or job."]
        if data.get("actor_kind", "system") not in WITHOUT_NUMBER and "actor_id" not in data:
            problems["actor_id"] = ["must say which one."]
        if ("subject_kind" in data) != ("subject_id" in data):
            missing = "subject_id" if "subject_kind" in data else "subject_kind"
            problems[missing] = ["is needed, too; all of a kind are found by action, such as role."]
        if problems:
            raise ValidationError(problems)


class AuditEventSchema(Schema):
    """One deed: who did what to which record, when, from where, with the values before and after."""

    id = fields.Integer(metadata={"examples": [4711]})
    at = Instant(metadata=_WHEN)
    action = fields.String(metadata={"examples": ["role.update"]})
    actor_kind = fields.String(validate=validate.OneOf(_KINDS), metadata={"examples": ["user"]})
    actor_id = fields.Integer(allow_none=True, metadata={"examples": [7]})
    subject_kind = fields.String(metadata={"examples": ["role"]})
    subject_id = fields.Integer(allow_none=True, metadata={"examples": [3]})
    before = fields.Dict(allow_none=True, metadata={"examples": [{"permissions": ["products:read"]}]})
    after = fields.Dict(allow_none=True, metadata={"examples": [{"permissions": ["products:read", "jobs:read"]}]})
    address = fields.String(allow_none=True, metadata=_ADDRESS)
    request_id = fields.String(allow_none=True, metadata=_REQUEST)


AuditEventPage = page_of(AuditEventSchema)
