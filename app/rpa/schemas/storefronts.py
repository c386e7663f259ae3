"""What the storefronts' API takes and gives."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from app.core.fields import Instant, StrictSchema, Text, page_of
from app.rpa.profiles.schemas import ProfileSchema
from app.rpa.schemas.estimates import WAITS, WaitSchema
from app.rpa.schemas.politeness import POLITENESS, OverrideSchema, PolitenessIn

SHOP_NAME = {"examples": ["Kettles and more"]}
_WHEN = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_LATER = {"examples": ["2026-11-21T10:04:30.000000Z"]}
PROFILE: dict[str, Any] = {
    "base_url": "https://www.kettles.example/",
    "allowed_hosts": ["www.kettles.example"],
    "locale": "en_US",
    "currency": "USD",
    "product": {
        "url": "/dp/{asin}",
        "name": [{"structured": "name"}, {"css": "h1"}],
        "price": [{"structured": "price"}, {"css": "#price .now"}],
    },
}
_CHANGES = {"update_master": False, "review_jumps": True}
_CODE = validate.Regexp(
    r"^[a-z0-9][a-z0-9-]{0,63}$", error="must be lower-case letters, digits and hyphens, at most 64."
)


class ChangePolicy(StrictSchema):
    """What happens with the changes that are seen on a storefront."""

    update_master = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": "Whether the products follow it, not only their history; one storefront may say so"},
    )
    review_jumps = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": "Whether people look at price jumps that a second visit has confirmed"},
    )


class StorefrontChange(StrictSchema):
    """A storefront's name and profile."""

    name = Text(longest=255, required=True, metadata=SHOP_NAME)
    profile = fields.Nested(ProfileSchema, required=True, metadata={"examples": [PROFILE]})
    is_active = fields.Boolean(load_default=True, truthy={True}, falsy={False})
    note = Text(
        longest=500,
        load_default=None,
        allow_none=True,
        metadata={"description": "Why the profile is as it is; kept with its version", "examples": ["New layout"]},
    )
    politeness = fields.Nested(
        PolitenessIn,
        metadata={
            "description": "Hours, daily cap, robots.txt; left out it stays as it is, of a new storefront open at any "
            "hour and obeying robots.txt",
            "examples": [POLITENESS],
        },
    )
    changes = fields.Nested(
        ChangePolicy,
        metadata={
            "description": "What happens with changes that are seen; left out it stays as it is, of a new storefront "
            "they are recorded only",
            "examples": [_CHANGES],
        },
    )


class StorefrontIn(StorefrontChange):
    """A new storefront."""

    code = fields.String(
        required=True, validate=_CODE, metadata={"description": "Short name that jobs use", "examples": ["my-shop"]}
    )


class StorefrontSchema(Schema):
    """A shop that the farm visits."""

    id = fields.Integer(metadata={"examples": [1]})
    code = fields.String(metadata={"examples": ["my-shop"]})
    name = fields.String(metadata=SHOP_NAME)
    is_active = fields.Boolean()
    version = fields.Integer(metadata={"description": "The number in the ETag", "examples": [1]})
    profile_version = fields.Integer(metadata={"description": "The number of the active version", "examples": [1]})
    profile = fields.Raw(
        metadata={
            "type": "object",
            "description": "The profile as it was sent; see the schema Profile",
            "examples": [PROFILE],
        }
    )
    politeness = fields.Nested(PolitenessIn, metadata={"examples": [POLITENESS]})
    changes = fields.Nested(ChangePolicy, metadata={"examples": [_CHANGES]})
    robots_override = fields.Nested(
        OverrideSchema,
        allow_none=True,
        metadata={"description": "Who lets robots.txt be disobeyed; null: it is obeyed", "examples": [None]},
    )
    waits = fields.Nested(
        WaitSchema,
        allow_none=True,
        metadata={"description": "Why no visit starts now, and until when; null: they may", "examples": [None, WAITS]},
    )
    pages_today = fields.Integer(
        metadata={"description": "Pages visited on this day of its time zone", "examples": [1250]}
    )
    crawl_delay_ms = fields.Integer(
        metadata={"description": "What its robots.txt wants between two visits; the larger of it and pace.gap_ms holds"}
        | {"examples": [10_000]}
    )
    blocks = fields.Integer(metadata={"description": "Visits in a row that it blocked", "examples": [0]})
    cooldown_until = Instant(
        allow_none=True,
        metadata=_LATER | {"description": "It blocked five visits in a row: then a single one probes"},
    )
    paused_until = Instant(allow_none=True, metadata=_LATER | {"description": "The shop asked us to wait until then"})
    created_at = Instant(metadata=_WHEN)
    updated_at = Instant(metadata=_WHEN)


StorefrontPage = page_of(StorefrontSchema)
