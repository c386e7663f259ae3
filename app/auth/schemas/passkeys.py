"""What the passkeys' API takes and gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate

from app.auth.schemas.tokens import TokenArguments
from app.auth.services.passkeys import LONGEST_NAME
from app.core.fields import Instant, StrictSchema, Text, page_of

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_BYTES: Final = "gZ2rV0n8bXk..."


class _Bytes(fields.String):
    """Bytes in base64url; attestations are the longest, with a few kilobytes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(1, 65536), metadata={"examples": [_BYTES]}, **kwargs)


class CredentialResponseSchema(Schema):
    """The authenticator's part of the answer: attestationObject for a new passkey, else signature and its like."""

    class Meta:
        unknown = "exclude"  # browsers add members with time

    clientDataJSON = _Bytes(required=True)  # noqa: N815  # WebAuthn's names
    attestationObject = _Bytes()  # noqa: N815
    authenticatorData = _Bytes()  # noqa: N815
    signature = _Bytes()
    userHandle = _Bytes(allow_none=True)  # noqa: N815
    transports = fields.List(fields.String(), validate=validate.Length(max=20), metadata={"examples": [["internal"]]})


class CredentialSchema(Schema):
    """What ``navigator.credentials`` answers, as PublicKeyCredential.toJSON() writes it."""

    class Meta:
        unknown = "exclude"

    id = _Bytes(required=True)
    rawId = _Bytes(required=True)  # noqa: N815
    type = fields.String(required=True, metadata={"examples": ["public-key"]})
    response = fields.Nested(CredentialResponseSchema, required=True)


class AnswerSchema(StrictSchema):
    """A browser's answer, and to what."""

    challenge = fields.String(
        required=True,
        validate=validate.Length(1, 64),
        metadata={"description": "As it came with the options", "examples": ["5f0c2a9d4be14f6e8a0b7c3d2e1f4a5b"]},
    )
    credential = fields.Nested(CredentialSchema, required=True)


class PasskeyLogInSchema(AnswerSchema, TokenArguments):
    """A passkey's answer in exchange for tokens."""


class PasskeyName(StrictSchema):
    """By what people tell their passkeys apart."""

    name = Text(longest=LONGEST_NAME, required=True, metadata={"examples": ["Phone"]})


class PasskeyIn(AnswerSchema, PasskeyName):
    """A new passkey."""


class AskedSchema(Schema):
    """What to hand to ``navigator.credentials``, and a name for it."""

    challenge = fields.String(
        metadata={
            "description": "Send it back with the answer, once, within five minutes",
            "examples": ["5f0c2a9d4be14f6e8a0b7c3d2e1f4a5b"],
        }
    )
    options = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "publicKey for create() or get(), bytes in base64url",
            "examples": [{"challenge": _BYTES, "rpId": "shop.example.org", "userVerification": "required"}],
        },
    )


class PasskeySchema(Schema):
    """One passkey."""

    id = fields.Integer(metadata={"examples": [1]})
    name = fields.String(metadata={"examples": ["Phone"]})
    transports = fields.List(fields.String(), metadata={"examples": [["internal"]]})
    created_at = Instant(metadata=_WHEN)
    last_used_at = Instant(allow_none=True, metadata=_WHEN)


PasskeyPage = page_of(PasskeySchema)
