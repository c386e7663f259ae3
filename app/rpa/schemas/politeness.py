"""What the API takes and says of how considerately a storefront is visited."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.core.fields import Instant, StrictSchema, Text
from app.rpa.rules.hours import DAYS, MOST_WINDOWS, HoursRefused, check_window, read_hours
from app.rpa.rules.timing import check_zone
from app.rpa.schemas.zones import Zone

LARGEST_CAP: Final = 10_000_000
_WINDOW: Final = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "22:00", "end": "06:00"}
_WHEN: Final = {"examples": ["2026-11-21T10:00:00.000000Z"]}
POLITENESS: Final[dict[str, Any]] = {
    "timezone": "Europe/Berlin",
    "hours": [_WINDOW],
    "daily_cap": 20_000,
    "obeys_robots": True,
    "override_reason": None,
}
_TIME_OF_DAY = validate.Regexp(
    r"^(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", error="must be a time such as 06:30, from 00:00 to 24:00."
)


class WindowSchema(StrictSchema):
    """A part of each of some days in which the shop may be visited."""

    days = fields.List(
        fields.String(validate=validate.OneOf(DAYS)),
        required=True,
        validate=validate.Length(1, len(DAYS)),
        metadata={"description": "On which days it begins", "examples": [_WINDOW["days"]]},
    )
    start = fields.String(required=True, validate=_TIME_OF_DAY, metadata={"examples": ["22:00"]})
    end = fields.String(
        required=True,
        validate=_TIME_OF_DAY,
        metadata={
            "description": "The first minute that is outside; not behind the start: on the next day",
            "examples": ["06:00"],
        },
    )

    @validates_schema(skip_on_field_errors=True)
    def has_length(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a window that begins where it ends."""
        try:
            check_window(data["start"], data["end"])
        except HoursRefused as refused:
            raise ValidationError(str(refused), "end") from None


class PolitenessIn(StrictSchema):
    """When and how often a shop may be visited, and whether its robots.txt is obeyed."""

    timezone = Zone(
        load_default="UTC",
        metadata={"description": "Of the hours and of the cap's day (IANA)", "examples": ["Europe/Berlin"]},
    )
    hours = fields.List(
        fields.Nested(WindowSchema),
        load_default=list,
        validate=validate.Length(max=MOST_WINDOWS),
        metadata={"description": "When visits may start; empty: at any hour", "examples": [[_WINDOW]]},
    )
    daily_cap = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(3, LARGEST_CAP),
        metadata={
            "description": "Pages a day; a view counts for one, an add-to-cart for three. null: as many as the pace "
            "lets",
            "examples": [20_000],
        },
    )
    obeys_robots = fields.Boolean(
        load_default=True,
        truthy={True},
        falsy={False},
        metadata={"description": "Whether robots.txt says which pages are visited and how often"},
    )
    override_reason = Text(
        longest=500,
        allow_none=True,
        load_default=None,
        metadata={
            "description": "Why robots.txt is not obeyed; needed where it is not, and only there",
            "examples": [None, "Agreed with the shop's owner, contract 2026-114"],
        },
    )

    @validates_schema(skip_on_field_errors=True)
    def reason_of_override(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse an override without a reason, a reason without an override, and hours that never come."""
        if not data["obeys_robots"] and data["override_reason"] is None:
            raise ValidationError("is needed where robots.txt is not obeyed.", "override_reason")
        if data["obeys_robots"] and data["override_reason"] is not None:
            raise ValidationError("belongs to obeys_robots: false.", "override_reason")
        read_hours(data["hours"], check_zone(data["timezone"]))


class OverrideSchema(Schema):
    """Who said that a robots.txt is not obeyed, and why."""

    reason = fields.String(metadata={"examples": ["Agreed with the shop's owner, contract 2026-114"]})
    by = fields.String(metadata={"examples": ["user:7"]})
    at = Instant(metadata=_WHEN)
