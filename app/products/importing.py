"""Reading products from CSV: every row is either good or refused by line number and rule; none stops the others."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import ValidationError

COLUMNS: Final = ("asin", "name", "brand", "price", "description")


class HeaderRefused(Exception):
    """The first line does not name the columns that there must be."""


@dataclass(frozen=True, slots=True)
class GoodRow:
    """A row whose values keep every rule."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that breaks a rule."""

    line: int
    reason: str


def read_products(
    lines: Iterable[str], check: Callable[[dict[str, Any]], dict[str, Any]]
) -> Iterator[GoodRow | RefusedRow]:
    """Read the rows of a CSV with the columns COLUMNS in any order.

    ``lines`` is an open file (newline="", errors="surrogateescape"), ``check`` makes values of texts and raises
    marshmallow's ValidationError. Raises HeaderRefused.
    """
    reader = csv.reader(lines, strict=True)
    columns = _columns(reader)
    first_lines: dict[str, int] = {}
    for line, fields in _numbered(reader):
        if isinstance(fields, RefusedRow):
            yield fields
            continue
        try:
            values = check(_named(columns, fields))
        except ValidationError as error:
            yield RefusedRow(line, _reasons(error))
            continue
        first = first_lines.setdefault(values["asin"], line)
        if first == line:
            yield GoodRow(line, values)
        else:
            yield RefusedRow(line, f"asin {values['asin']} stands on line {first} already.")


def _columns(reader: Iterator[list[str]]) -> list[str]:
    try:
        columns = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise HeaderRefused(f"The first line is not CSV: {error}.") from error
    problems = [f"column {name!r} is missing" for name in COLUMNS if name not in columns]
    problems += [f"column {name!r} is not known" for name in columns if name not in COLUMNS]
    problems += [f"column {name!r} stands there twice" for name in COLUMNS if columns.count(name) > 1]
    if problems:
        raise HeaderRefused(f"The first line must name the columns {','.join(COLUMNS)}: {'; '.join(problems)}.")
    return columns


def _numbered(reader: Any) -> Iterator[tuple[int, list[str] | RefusedRow]]:
    """Each row with the line it begins on; white lines are left out."""
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, RefusedRow(line, f"is not CSV: {error}.")
            continue
        if fields:
            yield line, fields


def _named(columns: list[str], fields: list[str]) -> dict[str, str]:
    if len(fields) != len(columns):
        raise ValidationError(f"has {len(fields)} fields instead of {len(columns)}.")
    if any("\udc80" <= letter <= "\udcff" for field in fields for letter in field):
        raise ValidationError("is not UTF-8.")
    return dict(zip(columns, fields, strict=True))


def _reasons(error: ValidationError) -> str:
    messages: Any = error.messages
    if isinstance(messages, list):
        return " ".join(messages)
    return "; ".join(f"{name} {' '.join(texts)}" for name, texts in messages.items())
