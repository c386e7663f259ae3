"""What an event of the audit log changed, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """One field: what went and what came; what a list kept is in neither."""

    field: str
    gone: list[str]
    come: list[str]


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Change]:
    """The fields whose values differ, in the order they were noted; all of them where there is only one side."""
    old, new = before or {}, after or {}
    fields = [*old, *(field for field in new if field not in old)]
    return [_change(field, old.get(field), new.get(field)) for field in fields if old.get(field) != new.get(field)]


def _change(field: str, old: Any, new: Any) -> Change:
    gone, come = _texts(old), _texts(new)
    if isinstance(old, list) and isinstance(new, list):
        gone, come = [text for text in gone if text not in come], [text for text in come if text not in gone]
    return Change(field.replace("_", " "), gone, come)


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, list):
        return [str(each) for each in value]
    if isinstance(value, dict):
        return [f"{key}: {' '.join(_texts(inner)) or '–'}" for key, inner in value.items()]
    return [str(value)]
