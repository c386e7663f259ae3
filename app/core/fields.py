"""Field kinds of the API: input that breaks a rule is refused by name, never rounded or guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate
from marshmallow.utils import get_value
from orjson import Fragment

from app.core.money import decimal_text
from app.core.text import UNPRINTABLE, UNPRINTABLE_IN_LINES, TextRefused, cleaned

_CURSOR: Final = "WzI4NTM4NzE2MDQsNDJd"
ASIN: Final = re.compile(r"^[A-Z0-9]{10}$")
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Between these every database has every instant, also with some time added or taken away."""


class StrictSchema(Schema):
    """Base of all input schemas: unknown fields are refused."""

    class Meta:
        unknown = "raise"


class Text(fields.String):
    """A line of text, with ``lines`` several: trimmed, NFC, without control characters, not empty unless ``blank``."""

    def __init__(self, *, longest: int, blank: bool = False, lines: bool = False, **kwargs: Any) -> None:
        self._shortest = 0 if blank else 1
        self._longest = longest
        self._unprintable = UNPRINTABLE_IN_LINES if lines else UNPRINTABLE
        super().__init__(validate=validate.Length(min=self._shortest, max=longest), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return cleaned(text, shortest=self._shortest, longest=self._longest, unprintable=self._unprintable)
        except TextRefused as refused:
            raise ValidationError(str(refused)) from None


class Asin(fields.String):
    """An ASIN: ten letters and digits; lower case is accepted and becomes upper case."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"description": "Ten letters and digits", "examples": ["B0CW1A0001"], "pattern": "^[A-Za-z0-9]{10}$"}
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip().upper()
        if not ASIN.fullmatch(text) or not value.isascii():
            raise ValidationError("must be ten letters and digits, such as B0CW1A0001.")
        return text


def utc_text(instant: datetime) -> str:
    """An instant as JSON carries it: UTC, microseconds and Z."""
    return instant.isoformat(timespec="microseconds")[:26] + "Z"


class Instant(fields.AwareDateTime):
    """An instant in UTC, ISO 8601 with microseconds and Z; a text is one that the database wrote so already."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return value if value is None or isinstance(value, str) else utc_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        instant = super()._deserialize(value, attr, data, **kwargs)
        if not _EARLIEST <= instant < _LATEST:
            raise ValidationError("must be an instant between the years 1970 and 9000.")
        return instant


class Price(fields.String):
    """An amount as its decimal string, from minor units and the ``currency`` that stands beside them."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else decimal_text(value, get_value(obj, "currency"))


class Json(fields.Raw):
    """What stands in a ``JsonText`` column and is no text itself: a text is JSON as it is stored, and stays so."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return Fragment(value) if isinstance(value, str) else value


class JsonList(fields.List[Any]):
    """A list out of such a column, which says what is in it."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return Fragment(value) if isinstance(value, str) else super()._serialize(value, attr, obj, **kwargs)


class PageArguments(StrictSchema):
    """How much of a list, and from where."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, 100), metadata={"description": "Rows per page"})
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(max=4000),
        metadata={"description": "next_cursor of the page before", "examples": [_CURSOR]},
    )


def page_of(item: type[Schema]) -> type[Schema]:
    """The schema of one page of ``item`` rows."""
    name = item.__name__.removesuffix("Schema")
    return Schema.from_dict(
        {
            "items": fields.List(fields.Nested(item)),
            "next_cursor": fields.String(
                allow_none=True,
                metadata={"description": "Cursor of the next page; null on the last", "examples": [_CURSOR]},
            ),
        },
        name=f"{name}List",
    )
