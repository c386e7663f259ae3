"""Which variant of a product a job puts into carts."""

from __future__ import annotations

import json
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from app.core.fields import Text
from app.rpa.models.jobs import Action

MAX_OPTIONS: Final = 10
_SHOWN: Final = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "description": "Which variant goes into the cart: values as the shop words them, by the names that the "
    "storefront's profile gives to options",
    "examples": [{"size": "M", "colour": "blue"}],
}


class Options(fields.Dict):
    """Wanted values by option, ``least`` of them; ``as_text`` takes them as JSON in a text, as forms send it."""

    def __init__(self, *, as_text: bool = False, least: int | None = None, **kwargs: Any) -> None:
        self._as_text = as_text
        name = fields.String(validate=validate.Regexp(r"^[a-z0-9_-]{1,50}\Z", error="is no name of an option."))
        value = Text(longest=100)
        count = validate.Length(min=least, max=MAX_OPTIONS)
        super().__init__(keys=name, values=value, validate=count, metadata=_SHOWN, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if self._as_text:
            try:
                value = json.loads(value)
            except (ValueError, RecursionError, TypeError):
                raise ValidationError("is no JSON object.") from None
        return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]


def require_cart_for_options(data: dict[str, Any]) -> None:
    """Raise ValidationError for options where nothing is put into a cart."""
    if data.get("action") == Action.VIEW_PRODUCT and data.get("options"):
        raise ValidationError("belongs to add-to-cart.", "options")
