"""What the dashboard answers."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields

from app.analytics.rules.figures import CAP

_EXAMPLE: Final[dict[str, Any]] = {
    "sales.day": "2026-11-21",
    "sales.today.orders": 12,
    "sales.today.units": 31,
    "sales.today.total": {"amount": "1299.90", "currency": "USD"},
    "sales.yesterday.orders": 40,
    "sales.yesterday.units": 88,
    "sales.yesterday.total": {"amount": "3120.00", "currency": "USD"},
    "orders.open": 7,
    "orders.attention": 1,
    "stock.low": 4,
    "farm.jobs": 2,
    "farm.waiting": 950,
    "farm.running": 8,
    "farm.workers": 8,
    "farm.minute.ended": 118,
    "farm.hour.ended": 6120,
    "farm.hour.success": "98.42",
    "alerts.unread": 3,
}


class FrameSchema(Schema):
    """The figures as they are sent: all of them (`full`), or those that differ from the frame before (`change`)."""

    seq = fields.Integer(
        metadata={
            "description": "Grows by one with each frame. A change that does not follow the frame you have is a gap: "
            "ask for a full one",
            "examples": [4711],
        }
    )
    at = fields.String(
        metadata={"description": "When they were read, UTC", "examples": ["2026-11-21T10:00:00.000000+00:00"]}
    )
    kind = fields.String(metadata={"description": "full or change", "enum": ["full", "change"], "examples": ["full"]})
    figures = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "Values by name, of the parts that your permissions show: sales.* (sales:read; orders, "
            "units and what was paid less what was paid back on the shop's day, in its currency), orders.* "
            "(orders:read), stock.* (stock:read), farm.* (jobs:read; minute and hour are the last 60 seconds and 60 "
            "minutes, success the percentage of those tasks that succeeded, null where there were none), alerts.* "
            f"(storefronts:read). Rows are counted up to {CAP}",
            "examples": [_EXAMPLE],
        },
    )


class DashboardSchema(FrameSchema):
    """The figures, and whether they can be had as they change."""

    live = fields.Boolean(
        metadata={
            "description": "Whether a process is there that sends changes by WebSocket and server-sent events",
            "examples": [True],
        }
    )


class TicketSchema(Schema):
    """What opens one WebSocket."""

    ticket = fields.String(
        metadata={
            "description": "Good once; shown nowhere else",
            "examples": ["qf1mWk0cXv8Zk3p7b2Yt5JrN9sLdHgA4eUoTiQxBzC6"],
        }
    )
    expires_in = fields.Integer(metadata={"description": "Seconds", "examples": [30]})
