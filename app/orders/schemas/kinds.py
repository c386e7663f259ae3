"""Kinds of fields that coupons and sales are made of."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields

from app.core.money import Money, MoneyError
from app.core.percents import parse_percent, percent_text
from app.core.running import settings


class MinorUnits(fields.String):
    """An amount of the shop's money as its decimal string; loaded, it is whole minor units."""

    def __init__(self, *, positive: bool = False, **kwargs: Any) -> None:
        self._positive = positive
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            minor = Money.parse(text, settings().currency).minor
        except MoneyError as error:
            raise ValidationError(str(error)) from error
        if self._positive and minor == 0:
            raise ValidationError("must be more than 0.")
        return minor


class Percent(fields.String):
    """A percentage above 0 and up to 100 with at most four decimals as a string; loaded, it is millionths."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else percent_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            ppm = parse_percent(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if ppm == 0:
            raise ValidationError("must be more than 0.")
        return ppm
