"""What the API of tries takes and gives."""

from __future__ import annotations

from typing import Any, Final

from flask import url_for
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.core.fields import Asin, Instant, StrictSchema, page_of
from app.rpa.models.trials import TrialState
from app.rpa.profiles.schemas import ProfileSchema
from app.rpa.rules.codes import RULES, Code
from app.rpa.schemas.storefronts import PROFILE

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_LATER: Final = {"examples": ["2026-11-21T10:00:04.000000Z"]}
_READ: Final[dict[str, Any]] = {
    "fields": {
        "price": {
            "value": "1199.00 USD",
            "source": "css #price .now",
            "raw": "$1,199.00",
            "code": None,
            "detail": None,
            "sources": [
                {"source": "structured price", "values": []},
                {"source": "css #price .now", "values": ["$1,199.00"]},
            ],
        }
    },
    "final_url": "https://www.kettles.example/dp/B0CW1A0001",
    "http_status": 200,
    "timings_ms": {"context": 41, "navigate": 412, "ready": 12, "extract": 35, "capture": 80},
    "browser": "HeadlessChrome/150.0.7100.0",
    "screenshot_missing": None,
}


class TryIn(StrictSchema):
    """Which profile is tried on which product."""

    asin = Asin(required=True)
    version = fields.Integer(
        strict=True,
        validate=validate.Range(1, 2**31 - 1),
        metadata={"description": "A version of the profile; by itself the active one", "examples": [2]},
    )
    profile = fields.Nested(
        ProfileSchema, metadata={"description": "A profile that is kept nowhere yet", "examples": [PROFILE]}
    )

    @validates_schema
    def _one_profile(self, data: dict[str, Any], **_: Any) -> None:
        if "version" in data and "profile" in data:
            raise ValidationError("say either version or profile, not both.", "profile")


class TrialSchema(Schema):
    """How far something is that a worker does for who writes a profile."""

    id = fields.Integer(metadata={"examples": [7]})
    state = fields.String(
        validate=validate.OneOf([state.value for state in TrialState]),
        metadata={"description": "DONE and FAILED are ends", "examples": ["DONE"]},
    )
    code = fields.String(
        allow_none=True,
        validate=validate.OneOf([code.value for code in Code]),
        metadata={"description": "Why it FAILED", "examples": [None, "SELECTOR_MISSING"]},
    )
    detail = fields.String(allow_none=True, metadata={"examples": [None, "No source of product.name has a value."]})
    advice = fields.Function(
        lambda row: RULES[Code(row.code)].advice if row.code else None,
        metadata={
            "type": ["string", "null"],
            "description": "What to do about the code",
            "examples": [None, RULES[Code.SELECTOR_MISSING].advice],
        },
    )
    created_at = Instant(metadata=_WHEN)
    finished_at = Instant(allow_none=True, metadata=_LATER)
    expires_at = Instant(metadata={"examples": ["2026-11-28T10:00:00.000000Z"]})


class TrySchema(TrialSchema):
    """One try of a profile on one product; nothing of it is recorded as seen."""

    storefront_id = fields.Integer(metadata={"examples": [1]})
    asin = fields.Function(
        lambda row: row.asks["asin"],
        metadata={"type": "string", "description": "The product", "examples": ["B0CW1A0001"]},
    )
    profile_version = fields.Integer(
        allow_none=True, metadata={"description": "null where the profile came with the request", "examples": [2]}
    )
    screenshot = fields.Function(
        lambda row: _screenshot_url(row) if row.has_screenshot else None,
        metadata={
            "type": ["string", "null"],
            "description": "Where the picture of the page is",
            "examples": ["/api/v1/storefronts/1/tries/7/screenshot", None],
        },
    )


class TryDetailSchema(TrySchema):
    """A try with what it read."""

    result = fields.Raw(
        allow_none=True,
        metadata={
            "type": "object",
            "description": "Per field its value, source and raw string, or the code that says why there is none; what "
            "every source gave; timings in milliseconds per stage",
            "examples": [_READ],
        },
    )


def _screenshot_url(row: Any) -> str:
    return url_for("tries.TryScreenshot", storefront_id=row.storefront_id, try_id=row.id)


TryPage = page_of(TrySchema)
