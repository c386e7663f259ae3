"""Field kinds of the accounts' API."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.auth.passwords import LENGTH_RULE, LONGEST, SHORTEST


class Password(fields.String):
    """A password as typed: nothing trimmed, nothing normalised."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            validate=validate.Length(1, LONGEST),
            metadata={"format": "password", "examples": ["correct horse battery staple"]},
            load_only=True,
            **kwargs,
        )


class NewPassword(fields.String):
    """A password to come. That it is long enough is checked with its other rules, in the form in which it is hashed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            validate=validate.Length(1, LONGEST, error=LENGTH_RULE),
            metadata={"format": "password", "minLength": SHORTEST, "examples": ["correct horse battery staple"]},
            load_only=True,
            **kwargs,
        )


class Code(fields.String):
    """A code of an authenticator app, or a recovery code."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"description": "Six digits of the authenticator app, or a recovery code", "examples": ["123456"]}
        super().__init__(validate=validate.Length(1, 40), metadata=metadata, load_only=True, **kwargs)
