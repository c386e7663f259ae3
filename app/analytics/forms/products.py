"""The search above the list of products, read by the rules of the API's."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from app.products.schemas.listing import MAX_QUERY, ProductArguments


class ProductSearch:
    """What was typed; where it cannot be searched for, ``error`` says why and all products are listed."""

    longest = MAX_QUERY

    def __init__(self, asked: MultiDict[str, str]) -> None:
        """Read the address."""
        self.typed = asked.get("q", "").strip()
        self.cursor = asked.get("cursor") or None
        self.error: str | None = None
        try:
            self.which: dict[str, Any] = ProductArguments(only=("q",)).load({"q": self.typed} if self.typed else {})
        except ValidationError as error:
            said: Any = error.messages
            text = " ".join(map(str, said["q"]))
            self.error, self.which = text[:1].upper() + text[1:], {}

    def status(self) -> int:
        """What a page with this form answers."""
        return 422 if self.error else 200
