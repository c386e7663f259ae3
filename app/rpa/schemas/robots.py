"""What the API says of the robots.txt of storefronts."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields, validate

from app.core.fields import Asin, Instant, StrictSchema
from app.rpa.rules.robots import State
from app.rpa.schemas.politeness import OverrideSchema

_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
_LATER: Final = {"examples": ["2026-11-22T10:00:00.000000Z"]}
_PAGES: Final = [{"url": "https://www.kettles.example/dp/B0CW1A0001", "is_allowed": True}]
_FILES: Final = [
    {
        "url": "https://www.kettles.example/robots.txt", "state": "RULES", "status": 200, "rules": ["Disallow: /cart"],
        "is_whole": True, "crawl_delay_ms": 0, "problem": None, "failures": 0, "is_due": False,
        "fetched_at": "2026-11-21T10:00:00.000000Z", "expires_at": "2026-11-22T10:00:00.000000Z",
        "due_at": "2026-11-22T04:00:00.000000Z",
    }
]  # fmt: skip


class RobotsArguments(StrictSchema):
    """Of which product to show what the rules mean."""

    asin = Asin(load_default=None)


class RobotsFileSchema(Schema):
    """What one server said the last time it could be asked."""

    url = fields.String(metadata={"examples": [_FILES[0]["url"]]})
    state = fields.String(
        attribute="file.state",
        validate=validate.OneOf([state.value for state in State]),
        dump_default=State.UNREAD,
        metadata={
            "description": "UNREAD: nothing is known, so nothing is visited; NONE: there is none, so everything is "
            "allowed; REFUSED: the host may not be asked",
            "examples": ["RULES"],
        },
    )
    status = fields.Integer(
        attribute="file.status", dump_default=None, allow_none=True, metadata={"examples": [200, None]}
    )
    rules = fields.List(
        fields.String(),
        attribute="rules.shown",
        metadata={"description": "The lines that are meant for us, 200 at most", "examples": [["Disallow: /cart"]]},
    )
    is_whole = fields.Boolean(
        attribute="file.is_whole",
        dump_default=True,
        metadata={"description": "false: only its first 500 KiB were read"},
    )
    crawl_delay_ms = fields.Integer(attribute="file.delay_ms", dump_default=0, metadata={"examples": [0]})
    problem = fields.String(
        attribute="file.problem",
        dump_default=None,
        allow_none=True,
        metadata={"description": "Why it could not be read the last time", "examples": [None]},
    )
    failures = fields.Integer(
        attribute="file.failures", dump_default=0, metadata={"description": "How often in a row", "examples": [0]}
    )
    is_due = fields.Boolean(metadata={"description": "Whether it is read again before the next visit"})
    fetched_at = Instant(attribute="file.fetched_at", dump_default=None, allow_none=True, metadata=_WHEN)
    expires_at = Instant(
        attribute="file.expires_at",
        dump_default=None,
        allow_none=True,
        metadata=_LATER | {"description": "Until when it counts"},
    )
    due_at = Instant(attribute="file.due_at", dump_default=None, allow_none=True, metadata=_LATER)


class RobotsPageSchema(Schema):
    """A page that errands go to."""

    url = fields.String(metadata={"examples": [_PAGES[0]["url"]]})
    is_allowed = fields.Boolean(allow_none=True, metadata={"description": "null: that is not known yet"})


class RobotsSchema(Schema):
    """What a storefront's servers say in their robots.txt, and what follows from it."""

    obeys_robots = fields.Boolean(attribute="shop.obeys_robots")
    robots_override = fields.Nested(
        OverrideSchema, attribute="shop.robots_override", allow_none=True, metadata={"examples": [None]}
    )
    user_agent = fields.String(
        metadata={
            "description": "Its first word is what rules have to name",
            "examples": ["Cartwright/1.0 (+https://shop.example.org/bot)"],
        }
    )
    files = fields.List(fields.Nested(RobotsFileSchema), metadata={"examples": [_FILES]})
    pages = fields.List(
        fields.Nested(RobotsPageSchema),
        metadata={"description": "The product's page, and that of the cart if there is one", "examples": [_PAGES]},
    )
