"""The kinds of fields that profile documents are made of: strict about JSON types, bounded, described."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from marshmallow import ValidationError, fields
from marshmallow.validate import Length, Range

from app.rpa.profiles import rules
from app.rpa.profiles.selectors import check_reading_selector

T = TypeVar("T")


def checked(rule: Callable[[T], None]) -> Callable[[T], None]:
    def validate(value: T) -> None:
        try:
            rule(value)
        except rules.ProfileRuleError as error:
            raise ValidationError(_at(error)) from error

    return validate


def _at(error: rules.ProfileRuleError) -> Any:
    """The message under its path, as marshmallow nests messages."""
    message: Any = [str(error)]
    for name in reversed(error.path):
        message = {name: message}
    return message


class Number(fields.Float):
    """A JSON number: marshmallow's own Float also takes strings and booleans."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid")
        return super()._deserialize(value, *args, **kwargs)


class Whole(fields.Integer):
    """A JSON integer: marshmallow's own Integer also takes strings and booleans."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return super()._deserialize(value, *args, **kwargs)


class Flag(fields.Boolean):
    """A JSON boolean: marshmallow's own Boolean also takes words and numbers."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def short_text(
    description: str, example: str, *validators: Callable[[str], Any], longest: int = 500, required: bool = False
) -> fields.String:
    return fields.String(
        required=required,
        validate=[Length(min=1, max=longest), checked(rules.check_text), *validators],
        metadata={"description": description, "examples": [example]},
    )


def selector(description: str, example: str = "#price .now", *, required: bool = False) -> fields.String:
    return short_text(description, example, checked(rules.check_selector), required=required)


def reading_selector(description: str, example: str = "#price .now", *, required: bool = False) -> fields.String:
    """A selector of what is only read: it may lead into open shadow roots and frames by ``>>>``."""
    return short_text(description, example, checked(check_reading_selector), required=required)


def pattern(description: str, example: str = "Visit the (.+) store") -> fields.String:
    return short_text(description, example, checked(rules.check_regex))


def seconds(description: str, low: float, high: float, example: float) -> Number:
    return Number(validate=Range(min=low, max=high), metadata={"description": description, "examples": [example]})


def whole(description: str, low: int, high: int, example: int) -> Whole:
    return Whole(validate=Range(min=low, max=high), metadata={"description": description, "examples": [example]})


def bounded(of: fields.Field[Any], description: str, *, low: int = 0, high: int = 20) -> fields.List[Any]:
    return fields.List(
        of, required=low > 0, validate=Length(min=low or None, max=high), metadata={"description": description}
    )
