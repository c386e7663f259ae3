"""What the API of OAuth providers and of one's own identities takes and gives."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.auth.models import MAX_EMAIL
from app.auth.providers import PRESETS
from app.core.fields import Instant, StrictSchema, Text, page_of

_NAME = {"description": "As people read it on the log-in page", "examples": ["Example ID"]}
_ISSUER = {
    "description": "OpenID Connect issuer, exactly as the provider writes it; only for the preset oidc",
    "examples": ["https://login.example.org"],
}
_CLIENT_ID = {"description": "What the provider calls this installation", "examples": ["cartwright"]}
_SECRET = {"format": "password", "description": "Never shown again", "examples": ["s3cr3t-of-the-provider"]}
_ENABLED = {"description": "Whether people may log in by it", "examples": [True]}


class _ProviderChange(StrictSchema):
    name = Text(longest=64, required=True, metadata=_NAME)
    issuer = Text(longest=255, load_default=None, allow_none=True, metadata=_ISSUER)
    client_id = Text(longest=255, required=True, metadata=_CLIENT_ID)
    is_enabled = fields.Boolean(load_default=True, truthy={True}, falsy={False}, metadata=_ENABLED)


class NewProviderSchema(_ProviderChange):
    """A provider to add."""

    code = Text(
        longest=64,
        required=True,
        metadata={
            "description": "Stands in addresses: register PUBLIC_URL/login/with/<code>/callback at the provider",
            "examples": ["example"],
        },
    )
    preset = fields.String(
        required=True, validate=validate.OneOf(PRESETS), metadata={"description": "Its kind", "examples": ["oidc"]}
    )
    client_secret = Text(longest=1000, required=True, load_only=True, metadata=_SECRET)


class ProviderChangeSchema(_ProviderChange):
    """A provider's new settings; without a secret it keeps the one it has."""

    client_secret = Text(longest=1000, load_default=None, load_only=True, metadata=_SECRET)


class ProviderSchema(Schema):
    """A provider, without its secret."""

    id = fields.Integer(metadata={"examples": [3]})
    code = fields.String(metadata={"examples": ["example"]})
    name = fields.String(metadata=_NAME)
    preset = fields.String(validate=validate.OneOf(PRESETS), metadata={"examples": ["oidc"]})
    issuer = fields.String(allow_none=True, metadata=_ISSUER)
    client_id = fields.String(metadata=_CLIENT_ID)
    is_enabled = fields.Boolean(metadata=_ENABLED)
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    created_at = Instant(metadata={"examples": ["2026-11-21T10:00:00.000000Z"]})
    updated_at = Instant(metadata={"examples": ["2026-11-21T10:00:00.000000Z"]})


class DeleteProviderArguments(StrictSchema):
    """What may go with a provider."""

    with_identities = fields.Boolean(
        load_default=False,
        metadata={"description": "Disconnect the people who log in by it; without, it is kept while there are some"},
    )


class OfferSchema(Schema):
    """A provider as log-in pages offer it."""

    code = fields.String(metadata={"examples": ["example"]})
    name = fields.String(metadata=_NAME)
    url = fields.String(
        metadata={
            "description": "Where to send a browser to log in; takes ``next``, a path of this site",
            "examples": ["https://shop.example.org/login/with/example"],
        }
    )


class OfferListSchema(Schema):
    """Every provider that people may log in by: 50 at most."""

    items = fields.List(fields.Nested(OfferSchema))


class IdentitySchema(Schema):
    """Somebody's account at a provider, by which they log in here."""

    id = fields.Integer(metadata={"examples": [7]})
    provider = fields.String(metadata={"description": "The provider's code", "examples": ["example"]})
    provider_name = fields.String(metadata=_NAME)
    email = fields.String(
        metadata={
            "description": f"As the provider last said, at most {MAX_EMAIL} characters; empty where it said none",
            "examples": ["ada@example.org"],
        }
    )
    created_at = Instant(metadata={"examples": ["2026-11-21T10:00:00.000000Z"]})
    last_used_at = Instant(metadata={"examples": ["2026-11-21T10:00:00.000000Z"]})


ProviderPage = page_of(ProviderSchema)
IdentityPage = page_of(IdentitySchema)
