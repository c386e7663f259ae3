"""What the categories' API takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate

from app.core.fields import Instant, PageArguments, StrictSchema, Text, page_of
from app.products.models.categories import MAX_CATEGORIES, MAX_CATEGORY_NAME, MAX_DEPTH, MAX_PER_PRODUCT, MAX_SLUG
from app.products.slugs import SLUG

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_ID: Final = {"examples": [7]}
_NAME: Final = {"examples": ["Kettles"]}
_SLUG: Final = {"description": "Small letters, digits and single hyphens; unique", "examples": ["kettles"]}
_PARENT: Final = {"description": "The category above; null at the top", "examples": [3]}
_VERSION: Final = {"description": "The number in the ETag", "examples": [1]}
_CHILDREN: Final = {
    "description": f"The categories below it in their order; at most {MAX_DEPTH} levels in all",
    "examples": [[{"id": 8, "name": "Electric kettles", "slug": "electric-kettles", "version": 1, "children": []}]],
}


def _id_field(**kwargs: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(1, 2**63 - 1), **kwargs)


def _slug_field(**kwargs: Any) -> fields.String:
    rule = validate.Regexp(SLUG, error="must be small letters, digits and single hyphens.")
    metadata = _SLUG | {
        "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$",
        "description": f"{_SLUG['description']}; null: made from the name",
    }
    checks: list[Any] = [validate.Length(1, MAX_SLUG), rule]
    return fields.String(allow_none=True, validate=checks, metadata=metadata, **kwargs)


def _position_field(**kwargs: Any) -> fields.Integer:
    metadata = {"description": "Place among those with the same parent, 0 for the first", "examples": [0]}
    return fields.Integer(strict=True, validate=validate.Range(0, MAX_CATEGORIES), metadata=metadata, **kwargs)


class CategoryIds(fields.List[int]):
    """The categories that a product is put into, each once; those above them go without saying."""

    def __init__(self, said: str = "The categories it was put into, by id, ascending", **kwargs: Any) -> None:
        metadata = {"description": said, "examples": [[3, 7]]}
        checks: list[Any] = [validate.Length(max=MAX_PER_PRODUCT), _each_once]
        super().__init__(_id_field(), validate=checks, metadata=metadata, **kwargs)


def _each_once(ids: list[int]) -> None:
    if len(set(ids)) != len(ids):
        raise ValidationError("must name each category only once.")


class CategoryIn(StrictSchema):
    """A new category."""

    name = Text(longest=MAX_CATEGORY_NAME, required=True, metadata=_NAME)
    slug = _slug_field(load_default=None)
    parent_id = _id_field(load_default=None, allow_none=True, metadata=_PARENT)
    position = _position_field(load_default=None, allow_none=True)


class CategoryChange(StrictSchema):
    """What is to be different about a category."""

    name = Text(longest=MAX_CATEGORY_NAME, metadata=_NAME)
    slug = _slug_field()
    parent_id = _id_field(allow_none=True, metadata=_PARENT)
    position = _position_field()


class CategoryArguments(PageArguments):
    """Which categories."""

    parent_id = fields.Integer(
        validate=validate.Range(0, 2**63 - 1),
        metadata={"description": "Only those directly below this one, in their order; 0: those at the top"} | _ID,
    )


class CategoryAboveSchema(Schema):
    """A category above another one."""

    id = fields.Integer(metadata={"examples": [3]})
    name = fields.String(metadata={"examples": ["Kitchen"]})
    slug = fields.String(metadata={"examples": ["kitchen"]})


class CategoryRowSchema(Schema):
    """A category in a list."""

    id = fields.Integer(metadata=_ID)
    parent_id = fields.Integer(allow_none=True, metadata=_PARENT)
    name = fields.String(metadata=_NAME)
    slug = fields.String(metadata=_SLUG)
    version = fields.Integer(metadata=_VERSION)
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


class CategorySchema(CategoryRowSchema):
    """A category with what is above it."""

    ancestors = fields.List(
        fields.Nested(CategoryAboveSchema), metadata={"description": "The categories above it, the topmost first"}
    )


class CategoryNodeSchema(Schema):
    """A category of the tree."""

    id = fields.Integer(metadata=_ID)
    name = fields.String(metadata=_NAME)
    slug = fields.String(metadata=_SLUG)
    version = fields.Integer(metadata=_VERSION)
    children = fields.List(fields.Nested("CategoryNodeSchema"), metadata=_CHILDREN)


class CategoryTreeSchema(Schema):
    """The whole tree."""

    items = fields.List(fields.Nested(CategoryNodeSchema), metadata={"description": "The categories at the top"})


CategoryPage = page_of(CategoryRowSchema)
