"""What the users' API takes and gives."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields

from app.auth.models import MAX_EMAIL
from app.auth.schemas.roles import Names
from app.core.fields import Instant, PageArguments, StrictSchema, Text, page_of

MOST_ROLES: Final = 20

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_EMAIL: Final = {"description": "The name used to log in, in lower case", "examples": ["ada@example.org"]}
_NAME: Final = {"examples": ["Ada Example"]}
_ROLES: Final = {"description": "Names of roles", "examples": [["catalogue manager"]]}
_ACTIVE: Final = {"description": "Whether the user may log in", "examples": [True]}


class UserIn(StrictSchema):
    """Somebody who is to have an account."""

    email = Text(longest=MAX_EMAIL, required=True, metadata=_EMAIL)
    name = Text(longest=255, required=True, metadata=_NAME)
    roles = Names(most=MOST_ROLES, load_default=list, metadata=_ROLES)


class UserChange(StrictSchema):
    """What is to be different about a user."""

    email = Text(
        longest=MAX_EMAIL,
        metadata=_EMAIL | {"description": "Only until its owner has verified it; a new invitation is sent to it"},
    )
    name = Text(longest=255, metadata=_NAME)
    roles = Names(most=MOST_ROLES, metadata=_ROLES)
    is_active = fields.Boolean(
        truthy={True},
        falsy={False},
        metadata={"description": "false: logged out everywhere, and API keys stop working", "examples": [False]},
    )


class UserSchema(Schema):
    """A user."""

    id = fields.Integer(metadata={"examples": [7]})
    email = fields.String(metadata=_EMAIL)
    name = fields.String(metadata=_NAME)
    roles = fields.List(fields.String(), metadata=_ROLES)
    is_active = fields.Boolean(metadata=_ACTIVE)
    email_verified_at = Instant(allow_none=True, metadata=_WHEN | {"description": "null until an invitation was used"})
    has_second_factor = fields.Boolean(metadata={"description": "Whether an authenticator app is set up"})
    last_seen_at = Instant(allow_none=True, metadata=_WHEN)
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class UserArguments(PageArguments):
    """Which users."""

    q = Text(longest=100, metadata={"description": "What the address or the name begins with", "examples": ["ada"]})
    role = Text(longest=64, metadata={"examples": ["admin"]})
    is_active = fields.Boolean(metadata=_ACTIVE)


UserPage = page_of(UserSchema)
