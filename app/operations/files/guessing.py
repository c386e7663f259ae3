"""Guessing what the columns of a file are: by what they are called, else by what stands in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

REASON: Final = "refused_because"
"""The column of a file of refused rows that says why; it is ignored when the mended file comes back."""
_ENOUGH: Final = 0.8
"""Which part of a column's values must look like it."""

Look = tuple[str, Callable[[str], bool]]
"""A target and whether a value looks like it."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What a column is taken for, and by what: its ``name``, its ``content``, or nothing."""

    target: str | None
    by: str | None


def guess(
    names: Sequence[str],
    values: Sequence[Sequence[Any]],
    *,
    called: Callable[[str], str | None],
    looks: Sequence[Look],
) -> list[Guess]:
    """A guess for each column; ``values`` are some of each column's. Nothing is guessed for two columns.

    ``called`` says what a column of a name is; ``looks`` are asked in their order about those whose name says nothing.
    """
    guesses = [Guess(None, None)] * len(names)
    taken: set[str] = set()
    for at, name in enumerate(names):
        target = called(name)
        if target is not None and target not in taken:
            taken.add(target)
            guesses[at] = Guess(target, "name")
    for target, looks_like in looks:
        if target in taken:
            continue
        for at, name in enumerate(names):
            if guesses[at].target is None and name != REASON and _mostly(values[at], looks_like):
                taken.add(target)
                guesses[at] = Guess(target, "content")
                break
    return guesses


def by_name(called: Mapping[str, str]) -> dict[str, str]:
    """The target of each plain name, of targets with all that their columns are called."""
    return {name: target for target, names in called.items() for name in names.split()}


def plain(name: str) -> str:
    """The letters and digits of a column's name, small."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _mostly(values: Sequence[Any], looks_like: Callable[[str], bool]) -> bool:
    texts = [value.strip() for value in values if isinstance(value, str) and value.strip()]
    return bool(texts) and sum(map(looks_like, texts)) >= _ENOUGH * len(texts)
