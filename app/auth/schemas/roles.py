"""What the roles' API takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate

from app.core.fields import Instant, StrictSchema, Text, page_of
from app.core.permissions import CATALOGUE

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_NAME: Final = {"examples": ["price checker"]}
_DESCRIPTION: Final = {"examples": ["Compares prices and changes nothing"]}
_SECOND_FACTOR: Final = {
    "description": "Whether its holders need a second factor; null: as the operator set it for staff",
    "examples": [True],
}


class Names(fields.List[str]):
    """A list of names, each at most once."""

    def __init__(self, *, most: int, fewest: int = 0, **kwargs: Any) -> None:
        checks: list[Callable[[Any], Any]] = [validate.Length(fewest, most), _each_once]
        super().__init__(fields.String(validate=validate.Length(1, 64)), validate=checks, **kwargs)


def _each_once(names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise ValidationError("must name each only once.")


def _permissions(**kwargs: Any) -> Names:
    metadata = {
        "description": "What it allows, by names of the catalogue",
        "examples": [["products:read", "jobs:read"]],
    }
    return Names(most=len(CATALOGUE), metadata=metadata, **kwargs)


class RoleIn(StrictSchema):
    """A new role."""

    name = Text(longest=64, required=True, metadata=_NAME)
    description = Text(longest=255, blank=True, load_default="", metadata=_DESCRIPTION)
    permissions = _permissions(required=True)
    requires_second_factor = fields.Boolean(
        load_default=None, allow_none=True, truthy={True}, falsy={False}, metadata=_SECOND_FACTOR
    )


class RoleChange(StrictSchema):
    """What is to be different about a role."""

    name = Text(longest=64, metadata=_NAME)
    description = Text(longest=255, blank=True, metadata=_DESCRIPTION)
    permissions = _permissions()
    requires_second_factor = fields.Boolean(allow_none=True, truthy={True}, falsy={False}, metadata=_SECOND_FACTOR)


class RoleSchema(Schema):
    """A role."""

    id = fields.Integer(metadata={"examples": [7]})
    name = fields.String(metadata=_NAME)
    description = fields.String(metadata=_DESCRIPTION)
    permissions = _permissions()
    is_locked = fields.Boolean(metadata={"description": "Allows everything and is changed by nobody"})
    is_built_in = fields.Boolean(metadata={"description": "Comes with the product; is neither renamed nor deleted"})
    requires_second_factor = fields.Boolean(allow_none=True, metadata=_SECOND_FACTOR)
    user_count = fields.Integer(metadata={"description": "How many users have it", "examples": [2]})
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class PermissionSchema(Schema):
    """A permission of the catalogue."""

    name = fields.String(metadata={"examples": ["products:read"]})
    description = fields.String(metadata={"examples": ["Read the product master and its update history"]})


class CatalogueSchema(Schema):
    """All permissions there are."""

    items = fields.List(fields.Nested(PermissionSchema))


RolePage = page_of(RoleSchema)
