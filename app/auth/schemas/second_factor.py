"""What the API of the second factor takes and gives."""

from __future__ import annotations

from marshmallow import Schema, fields

from app.auth.schemas.fields import Code
from app.core.fields import Instant, StrictSchema, page_of

_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


class SecondFactorSchema(Schema):
    """What one has of a second factor."""

    totp_confirmed_at = Instant(
        allow_none=True, metadata=_WHEN | {"description": "Since when there is an authenticator app"}
    )
    recovery_codes_left = fields.Integer(metadata={"examples": [10]})
    device_count = fields.Integer(metadata={"description": "Remembered devices", "examples": [1]})
    passkey_count = fields.Integer(metadata={"examples": [0]})
    required_by = fields.List(
        fields.String(), metadata={"description": "One's roles that need a second factor", "examples": [["admin"]]}
    )


class SetUpSchema(Schema):
    """What an authenticator app needs to know."""

    secret = fields.String(metadata={"description": "To be typed; base 32", "examples": [_SEED]})
    uri = fields.String(
        metadata={
            "description": "The same for programs",
            "examples": [f"otpauth://totp/Cartwright:ada%40example.org?secret={_SEED}&issuer=Cartwright"],
        }
    )
    qr = fields.String(
        metadata={
            "description": "uri as a QR code: an SVG picture as data:",
            "examples": ["data:image/svg+xml;base64,PHN2ZyB4bWxu..."],
        }
    )


class FirstCodeSchema(StrictSchema):
    """The first code of an authenticator app."""

    code = Code(required=True)


class RecoveryCodesSchema(Schema):
    """Codes that replace the authenticator app, once each; shown only now."""

    codes = fields.List(fields.String(), metadata={"examples": [["k7r2-9mqz-4t0v-xw3c-5hd8-bn1y"]]})


class DeviceSchema(Schema):
    """A device that needs no code for a while."""

    id = fields.Integer(metadata={"examples": [1]})
    user_agent = fields.String(metadata={"examples": ["Mozilla/5.0 (X11; Linux x86_64) ... Chrome/150.0"]})
    address = fields.String(allow_none=True, metadata={"examples": ["192.0.2.7"]})
    created_at = Instant(metadata=_WHEN)
    last_used_at = Instant(metadata=_WHEN)
    expires_at = Instant(metadata={"examples": ["2026-12-21T10:00:00.000000Z"]})


DevicePage = page_of(DeviceSchema)
