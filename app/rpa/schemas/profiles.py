"""What the API of profile versions takes and gives."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, StrictSchema, Text, page_of
from app.rpa.models.storefronts import VersionState
from app.rpa.profiles.diff import ADDED, CHANGED, REMOVED
from app.rpa.profiles.fields import Flag
from app.rpa.profiles.schemas import ProfileSchema
from app.rpa.schemas.storefronts import PROFILE

NOTE: dict[str, Any] = {"description": "Why it is as it is", "examples": ["New layout of the price"]}
NUMBER: dict[str, Any] = {"description": "1, 2, 3 ... per storefront", "examples": [2]}
_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_PLACE = {"examples": ["/product/price/1/css"]}


class ProfileVersionIn(StrictSchema):
    """A profile that is not active yet."""

    profile = fields.Nested(ProfileSchema, required=True, metadata={"examples": [PROFILE]})
    note = Text(longest=500, load_default=None, allow_none=True, metadata=NOTE)


class ProfileActivationIn(StrictSchema):
    """Why a version becomes the active one."""

    note = Text(longest=500, load_default=None, allow_none=True, metadata=NOTE)
    confirm = Flag(
        load_default=False,
        metadata={
            "description": "true: also when its replay has shown that it loses values that are read now, "
            "or when it is a draft that was not replayed though pages are kept",
            "examples": [True],
        },
    )


class ProfileVersionSchema(Schema):
    """A version of a storefront's profile."""

    number = fields.Integer(metadata=NUMBER)
    state = fields.String(
        validate=validate.OneOf([state.value for state in VersionState]),
        metadata={"description": "One version is ACTIVE; a DRAFT never was", "examples": ["ACTIVE"]},
    )
    note = fields.String(allow_none=True, metadata=NOTE)
    copy_of = fields.Integer(
        allow_none=True, metadata={"description": "The earlier version that it brought back", "examples": [None, 1]}
    )
    actor_kind = fields.String(metadata={"description": "Who made it: user, key or system", "examples": ["user"]})
    actor_id = fields.Integer(allow_none=True, metadata={"examples": [7]})
    created_at = Instant(metadata=_WHEN)
    activated_at = Instant(allow_none=True, metadata=_WHEN)


class ProfileVersionDetailSchema(ProfileVersionSchema):
    """A version with its document."""

    profile = fields.Raw(
        metadata={"type": "object", "description": "The profile; see the schema Profile", "examples": [PROFILE]}
    )


class ProfileActivationSchema(ProfileVersionDetailSchema):
    """A version that has just become the active one."""

    replayed = fields.String(
        metadata={
            "description": "What was known of it beforehand",
            "examples": ["Replayed on 12 kept pages against version 1: no values lost."],
        }
    )


class DiffArguments(StrictSchema):
    """Against which version."""

    to = fields.Integer(
        strict=False,
        load_default=None,
        validate=validate.Range(1, 2**31 - 1),
        metadata={"description": "The other version; by itself the active one", "examples": [3]},
    )


class ProfileDifferenceSchema(Schema):
    """One place where two versions differ."""

    pointer = fields.String(metadata=_PLACE | {"description": "A JSON pointer (RFC 6901) into the profile"})
    kind = fields.String(validate=validate.OneOf([ADDED, REMOVED, CHANGED]), metadata={"examples": [CHANGED]})
    before = fields.Raw(allow_none=True, metadata={"description": "null where it is new", "examples": ["#price .now"]})
    after = fields.Raw(allow_none=True, metadata={"description": "null where it is gone", "examples": ["#price b"]})


class ProfileDiffSchema(Schema):
    """What differs between two versions."""

    before = fields.Integer(metadata=NUMBER | {"examples": [1]})
    after = fields.Integer(metadata=NUMBER)
    differences = fields.List(fields.Nested(ProfileDifferenceSchema))


ProfileVersionPage = page_of(ProfileVersionSchema)
