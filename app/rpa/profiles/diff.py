"""What differs between two profile documents, place by place. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.core.orm import json_text

ADDED: Final = "added"
REMOVED: Final = "removed"
CHANGED: Final = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One place: ``pointer`` is a JSON pointer (RFC 6901); ``before`` or ``after`` is None where there is nothing."""

    pointer: str
    kind: str
    before: Any
    after: Any


def differences(before: Any, after: Any, pointer: str = "") -> Iterator[Difference]:
    """The places where two JSON values differ, in the order of the documents; lists are compared entry by entry."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names: list[Any] = [*before, *(name for name in after if name not in before)]
        yield from _parts(before, after, names, pointer)
    elif isinstance(before, list) and isinstance(after, list):
        mine, theirs = dict(enumerate(before)), dict(enumerate(after))
        yield from _parts(mine, theirs, list(range(max(len(before), len(after)))), pointer)
    elif json_text(before) != json_text(after):
        yield Difference(pointer, CHANGED, before, after)


def _parts(before: Mapping[Any, Any], after: Mapping[Any, Any], names: list[Any], pointer: str) -> Iterator[Difference]:
    for name in names:
        at = f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"
        if name not in after:
            yield Difference(at, REMOVED, before[name], None)
        elif name not in before:
            yield Difference(at, ADDED, None, after[name])
        else:
            yield from differences(before[name], after[name], at)
