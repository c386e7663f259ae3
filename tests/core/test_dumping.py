"""Compiled dumps give what marshmallow's give, for every schema that there is and whatever they are handed."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields, post_dump

from app import routes  # noqa: F401  # loads every schema of the API
from app.core.dumping import compile_dump
from app.core.fields import Instant, JsonList, Price, StrictSchema


class Kind(StrEnum):
    """A text that is not quite a text."""

    SOME = "some"


def _all_schemas(above: type[Schema] = Schema) -> Iterator[type[Schema]]:
    for kind in above.__subclasses__():
        is_ours = kind.__module__.startswith("app.") or kind.__module__ == "abc"  # made by page_of
        if is_ours and not issubclass(kind, StrictSchema):  # those only come in
            yield kind
        yield from _all_schemas(kind)


SCHEMAS: Final = sorted(set(_all_schemas()), key=lambda kind: (kind.__module__, kind.__qualname__))
INSTANTS: Final = st.datetimes(timezones=st.just(UTC))
ANYTHING: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2), INSTANTS
)
_DEEPEST: Final = 3


def _values(field: Any, depth: int) -> st.SearchStrategy[Any]:  # noqa: PLR0911  # a kind a line
    """What may stand in a field: mostly what belongs there, sometimes nothing or something else."""
    if isinstance(field, fields.Nested):
        if depth >= _DEEPEST:
            return st.none()
        inner = _things(type(field.schema), depth + 1)
        return st.one_of(st.none(), st.lists(inner, max_size=2) if field.many or field.schema.many else inner)
    if isinstance(field, fields.List):
        several = st.lists(_values(field.inner, depth), max_size=2)
        return st.one_of(st.none(), several, st.just("[1]") if isinstance(field, JsonList) else several)
    if isinstance(field, Price):
        return st.one_of(st.none(), st.integers(-(10**6), 10**15))
    if isinstance(field, Instant):
        return st.one_of(st.none(), INSTANTS, st.just("2026-11-21T10:00:00.000000Z"))
    if isinstance(field, fields.Number):
        return st.one_of(st.integers(), st.booleans(), st.just("12"), ANYTHING)
    if isinstance(field, fields.String):
        return st.one_of(st.text(max_size=5), st.just(Kind.SOME), ANYTHING)
    return ANYTHING


@st.composite
def _things(draw: Any, kind: type[Schema], depth: int = 0) -> Any:
    """An object or a dict with most of what the schema reads."""
    values: dict[str, Any] = {"currency": draw(st.sampled_from(["USD", "JPY", "KWD", "EUR"]))}
    for name, field in kind().dump_fields.items():
        first, _, rest = (field.attribute or name).partition(".")
        if draw(st.integers(0, 30)) and first not in values:
            value = draw(_values(field, depth))
            values[first] = SimpleNamespace(**{rest: value}) if rest else value
    as_what = draw(st.sampled_from([SimpleNamespace, dict, "tuple"]))
    if as_what == "tuple":
        usable = [name for name in values if not name.startswith("_")]
        return namedtuple("Thing", usable)(**{name: values[name] for name in usable})  # noqa: PYI024  # made up here
    return as_what(**values)


def _plain(value: Any) -> Any:
    """A dump without pieces of JSON, which are equal to nothing but themselves."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return ("JSON", orjson.dumps(value)) if isinstance(value, orjson.Fragment) else value


def _outcome(dump: Any, thing: Any) -> Any:
    try:
        return dump(thing)
    except Exception as error:  # noqa: BLE001  # the same one is expected of both
        return type(error)


def test_there_are_schemas_to_compare() -> None:
    assert len(SCHEMAS) > 40
    assert {"ProductSchema", "ProductList", "TaskDetailSchema"} <= {kind.__name__ for kind in SCHEMAS}


@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_a_compiled_dump_is_marshmallows_dump(kind: type[Schema]) -> None:
    schema, many = kind(), kind(many=True)
    dump, dump_many = compile_dump(schema), compile_dump(many)

    @settings(max_examples=25, deadline=None)
    @given(_things(kind))
    def compare(thing: Any) -> None:
        expected = _outcome(schema.dump, thing)
        found = _outcome(dump, thing)
        assert _plain(found) == _plain(expected)
        if isinstance(expected, dict):
            assert list(found) == list(expected)
        assert _plain(_outcome(dump_many, [thing, thing])) == _plain(_outcome(many.dump, [thing, thing]))

    compare()


def test_hooks_and_missing_defaults_are_left_to_marshmallow() -> None:
    class Hooked(Schema):
        name = fields.String(dump_default="nobody")

    class Wrapped(Hooked):
        @post_dump
        def wrap(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
            return {"wrapped": data}

    assert compile_dump(Hooked())(SimpleNamespace()) == {"name": "nobody"}
    assert compile_dump(Hooked())({}) == {"name": "nobody"}
    assert compile_dump(Wrapped())(SimpleNamespace(name="Ada")) == {"wrapped": {"name": "Ada"}}


def test_a_value_that_is_ready_is_not_touched_again() -> None:
    class Plain(Schema):
        name = fields.String()

    text = "x" * 10
    assert compile_dump(Plain())(SimpleNamespace(name=text))["name"] is text
