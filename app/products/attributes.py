"""The rules of a product's attributes: a flat JSON object of what only some products have (colour, capacity, care)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from app.core.orm import json_text
from app.core.text import UNPRINTABLE_IN_LINES, TextRefused, cleaned

MAX_KEYS: Final = 50
MAX_KEY: Final = 64
_SHOWN: Final = 200
"""Characters of a name that is refused."""
MAX_TEXT: Final = 500
MAX_LIST: Final = 20
MAX_BYTES: Final = 16 * 1024
"""Of all attributes of a product together, as JSON in UTF-8."""
MAX_NUMBER: Final = 2**53
"""Up to here every program that reads JSON reads the same whole number (RFC 8259, 6)."""
MAX_PROBLEMS: Final = 20
"""Of which one answer tells."""
MAX_DIGITS: Final = 15
"""Significant digits that a double keeps of any decimal number: with more, another number would come back."""

Problems = dict[Any, Any]
"""What is wrong, by where it stands: key, then place in a list, then texts."""


class AttributesRefused(ValueError):
    """Some attributes break a rule; ``problems`` says which and where."""

    def __init__(self, problems: Problems) -> None:
        super().__init__(str(problems))
        self.problems = problems


def clean(sent: Mapping[Any, Any], *, removals: bool = False) -> dict[str, Any]:
    """The attributes as they are kept: keys and texts trimmed and in NFC; raises AttributesRefused with all problems.

    With ``removals`` a value may be None, which says that the attribute goes.
    """
    _check_count(sent)
    kept: dict[str, Any] = {}
    problems: Problems = {}
    for key, value in sent.items():
        shown = key[:_SHOWN]
        try:
            name = _name(key)
            if name in kept:
                raise AttributesRefused({shown: [f"stands there twice, as {name!r}."]})
            kept[name] = None if value is None and removals else _value(shown, value)
        except AttributesRefused as refused:
            problems |= refused.problems
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise AttributesRefused(problems)
    check_size({name: value for name, value in kept.items() if value is not None})
    return kept


def merge(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes after a merge patch (RFC 7396): those that ``changes`` names, without the ones that become None.

    Raises AttributesRefused where they are too many or too large together.
    """
    after = {name: value for name, value in {**before, **changes}.items() if value is not None}
    check_size(after)
    return after


def check_size(attributes: Mapping[str, Any]) -> None:
    """Raise AttributesRefused for attributes that are too many or too large together."""
    _check_count(attributes)
    size = len(json_text(attributes).encode())
    if size > MAX_BYTES:
        raise AttributesRefused({"_schema": [f"must be at most {MAX_BYTES} bytes as JSON; these are {size}."]})


def _check_count(attributes: Mapping[Any, Any]) -> None:
    if len(attributes) > MAX_KEYS:
        raise AttributesRefused({"_schema": [f"must be at most {MAX_KEYS} attributes; these are {len(attributes)}."]})


def _name(key: str) -> str:
    try:
        return cleaned(key, shortest=1, longest=MAX_KEY)
    except TextRefused:
        said = f"must have a name of 1 to {MAX_KEY} characters, none of them a control character."
        raise AttributesRefused({key[:_SHOWN]: [said]}) from None


def _value(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        raise AttributesRefused({key: ["must not be an object: attributes are not nested."]})
    if not isinstance(value, list):
        return _plain(value, {key: None})
    if len(value) > MAX_LIST:
        raise AttributesRefused({key: [f"must be a list of at most {MAX_LIST} texts."]})
    for at, text in enumerate(value):
        if not isinstance(text, str):
            raise AttributesRefused({key: {at: ["must be a text: lists hold nothing else."]}})
    return [_plain(text, {key: {at: None}}) for at, text in enumerate(value)]


def _plain(value: Any, place: Problems) -> str | bool | int | float:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, int | float):
        return _number(value, place)
    raise _refused(place, "must be a text, a number, true, false, or a list of texts; leave out what has no value.")


def _text(value: str, place: Problems) -> str:
    if len(value.strip()) > 4 * MAX_TEXT:
        raise _refused(place, f"must be at most {MAX_TEXT} characters.")
    try:
        text = cleaned(value, shortest=0, longest=len(value), unprintable=UNPRINTABLE_IN_LINES)
    except TextRefused as refused:
        raise _refused(place, str(refused)) from None
    if len(text) > MAX_TEXT:
        raise _refused(place, f"must be at most {MAX_TEXT} characters.")
    return text


def _number(value: Any, place: Problems) -> int | float:
    if not math.isfinite(value) or abs(value) > MAX_NUMBER:
        raise _refused(place, "must be a number between -2^53 and 2^53; send others as texts.")
    if isinstance(value, float) and len(Decimal(repr(value)).normalize().as_tuple().digits) > MAX_DIGITS:
        raise _refused(place, f"must have at most {MAX_DIGITS} significant digits; send others as texts.")
    number: int | float = value or abs(value)  # -0.0 is 0.0
    return number


def _refused(place: Problems, message: str) -> AttributesRefused:
    def fill(inner: Problems | None) -> Any:
        return [message] if inner is None else {name: fill(deeper) for name, deeper in inner.items()}

    return AttributesRefused(fill(place))
