"""The JSON Schema of storefront profiles, made from the marshmallow schema that checks them."""

from __future__ import annotations

import json
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from app.rpa.profiles import cart_schemas as profile_cart_schemas
from app.rpa.profiles import parts as profile_parts
from app.rpa.profiles import schemas as profile_schemas
from app.rpa.profiles.schemas import ProfileSchema

_COMPONENTS = "#/components/schemas/"


def json_schema() -> dict[str, Any]:
    """A self-contained JSON Schema (2020-12) of the profile.

    It says less than the check on saving: that selectors, regular expressions and addresses are good, and which parts
    exclude each other, is checked then.
    """
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec("Cartwright", "1", "3.1.0", plugins=[plugin])
    spec.components.schema(_name(ProfileSchema), schema=ProfileSchema)
    parts = _with_own_references(spec.to_dict()["components"]["schemas"])
    kinds = {**vars(profile_parts), **vars(profile_cart_schemas), **vars(profile_schemas)}
    for kind in kinds.values():
        if isinstance(kind, type) and issubclass(kind, Schema) and _name(kind) in parts:
            parts[_name(kind)] = {"description": (kind.__doc__ or "").strip(), **parts[_name(kind)]}
    profile = parts.pop(_name(ProfileSchema))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Storefront profile",
        **profile,
        "$defs": dict(sorted(parts.items())),
    }


def json_schema_text() -> str:
    """The schema as the file in ``docs/`` holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _name(schema: type[Schema] | Schema | str) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Schema")


def _with_own_references(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_own_references(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_own_references(item) for item in value]
    return value.replace(_COMPONENTS, "#/$defs/") if isinstance(value, str) else value
