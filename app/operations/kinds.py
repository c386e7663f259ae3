"""The kinds of long-running work: each domain registers its own, and says who may see them and what they write to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.core.permissions import CATALOGUE

MAX_NAME: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What holds for all operations of a kind."""

    name: str
    reads: str
    """The permission that seeing one needs."""
    writes: str
    """The permission that stopping one needs."""
    slot: int | None
    """What it writes to: of the operations with the same slot one writes at a time. None: it writes nothing."""


_KINDS: Final[dict[str, Kind]] = {}
KINDS: Final[Mapping[str, Kind]] = MappingProxyType(_KINDS)
"""Every kind by its name; ``app.wiring`` has the domains register theirs."""


def register_kinds(kinds: Iterable[Kind]) -> None:
    """Make kinds of operations known in this process; safe to repeat. Raises ValueError for what cannot be one."""
    for kind in kinds:
        is_other = _KINDS.get(kind.name, kind) != kind
        if is_other or len(kind.name) > MAX_NAME or not {kind.reads, kind.writes} <= CATALOGUE.keys():
            raise ValueError(kind.name)
        _KINDS[kind.name] = kind


def writing_to(slot: int) -> list[str]:
    """The kinds that write to the same."""
    return [kind.name for kind in _KINDS.values() if kind.slot == slot]


def spoken(name: str | None) -> str:
    """A kind as a sentence calls it; None is any."""
    return "operation" if name is None else name.replace("_", " ")
