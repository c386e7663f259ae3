"""Time zones in what the API takes."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields

from app.rpa.rules.timing import TimingRefused, check_zone


class Zone(fields.String):
    """The name of a time zone."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return check_zone(text).key
        except TimingRefused as refused:
            raise ValidationError(str(refused)) from None
