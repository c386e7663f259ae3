"""What the API of replays gives."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields

from app.rpa.schemas.trials import TrialSchema

_SIDE: Final = {"code": None, "name": "Copper kettle", "brand": "Hearth", "price": "1199.00 USD", "availability": None}
_REPLAYED: Final[dict[str, Any]] = {
    "pages": [
        {
            "evidence_id": 31,
            "asin": "B0CW1A0001",
            "url": "https://www.kettles.example/dp/B0CW1A0001",
            "was_read": False,
            "before": _SIDE | {"code": "PRICE_MISSING", "price": None},
            "after": _SIDE,
            "differs": ["code", "price"],
        }
    ],
    "read_well": 0,
    "counts": {"price": {"same": 0, "changed": 0, "gained": 1, "lost": 0}},
    "lost": 0,
    "skipped": 0,
}


class ReplaySchema(TrialSchema):
    """A version of a profile beside the active one, on pages that are kept."""

    profile_version = fields.Integer(metadata={"description": "The version", "examples": [2]})
    against = fields.Function(
        lambda row: row.asks["against"]["number"],
        metadata={"type": "integer", "description": "The version that was active then", "examples": [1]},
    )
    result = fields.Raw(
        allow_none=True,
        metadata={
            "type": "object",
            "description": "Per page what the active version (before) and this one (after) read: a code where the "
            "visit would have failed, and each field; was_read: a page that was read well when it was visited, "
            "read_well: how many of them; counts per field; lost: what only the active one reads",
            "examples": [_REPLAYED],
        },
    )
