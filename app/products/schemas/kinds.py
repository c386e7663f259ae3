"""Kinds of fields that products are made of."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from app.core.errors import AddressRefused
from app.core.outgoing import MAX_URL, check_url
from app.core.running import settings
from app.products import attributes as rules
from app.products import gtin
from app.products.models.products import MAX_IMAGES

_ATTRIBUTES_SAID: Final = (
    f"What only some products have: at most {rules.MAX_KEYS} names of up to {rules.MAX_KEY} characters, each with a "
    f"text (up to {rules.MAX_TEXT} characters), true or false, a number (between -2^53 and 2^53, with at most "
    f"{rules.MAX_DIGITS} significant digits, which come back as they were sent) or a list of up to {rules.MAX_LIST} "
    f"texts; nothing nested; at most {rules.MAX_BYTES} bytes of JSON together"
)
_ATTRIBUTES_SHOWN: Final = {"colour": "copper", "capacity_l": 1.7, "cordless": True, "fits": ["gas", "induction"]}


class Flag(fields.Boolean):
    """true or false as JSON has them; marshmallow's own also takes 1 and "on"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Attributes(fields.Field[dict[str, Any]]):
    """A product's attributes; with ``removals`` as a merge patch, where null takes one away."""

    def __init__(self, *, removals: bool = False, **kwargs: Any) -> None:
        self._removals = removals
        said = "; in a PATCH only those to change, null takes one away" if removals else ""
        shown = {"examples": [_ATTRIBUTES_SHOWN], "description": _ATTRIBUTES_SAID + said}
        super().__init__(metadata={"type": "object", "additionalProperties": True, **shown}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("must be a JSON object.")
        try:
            return rules.clean(value, removals=self._removals)
        except rules.AttributesRefused as refused:
            raise ValidationError(refused.problems) from refused


class ImageUrl(fields.String):
    """The address of a picture, which our server may ask for."""

    def __init__(self) -> None:
        super().__init__(
            validate=validate.Length(max=MAX_URL), metadata={"examples": ["https://images.example/kettle.jpg"]}
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        url = super()._deserialize(value, attr, data, **kwargs).strip()
        try:
            check_url(url, private=settings().private_targets)
        except AddressRefused as refused:
            raise ValidationError(refused.detail) from refused
        return url


class Images(fields.List[str]):
    """The addresses of a product's pictures, in their order."""

    def __init__(self, **kwargs: Any) -> None:
        said = f"At most {MAX_IMAGES} http(s) addresses of pictures, the first one is shown in lists"
        super().__init__(ImageUrl(), validate=validate.Length(max=MAX_IMAGES), metadata={"description": said}, **kwargs)


class Gtin(fields.String):
    """A GTIN with its check digit, kept as it was sent; it may be empty."""

    def __init__(self, **kwargs: Any) -> None:
        said = "8, 12, 13 or 14 digits, the last one by GS1's rule; kept with as many digits as were sent"
        super().__init__(metadata={"description": said, "examples": ["4006381333931"]}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        problem = gtin.problem_of(text) if text else None
        if problem:
            raise ValidationError(problem)
        return text
