"""What the API of the order funnel gives; docs/metrics.md says what the numbers mean."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validate

from app.analytics.rules.funnel import Step
from app.analytics.schemas.formats import FormatArguments
from app.analytics.schemas.periods import PeriodArguments

_DAY: Final = {"description": "In the shop's time zone", "examples": ["2026-11-21"]}
_SAID: Final = {
    Step.CARTS: ("Carts into which a first product was put", 412),
    Step.CHECKOUTS: ("Orders that were made of a cart, whether or not they came to anything", 96),
    Step.PLACED: ("Of these, those that were placed", 71),
    Step.PAID: ("Of these, those that were paid", 64),
    Step.DELIVERED: ("Of these, those of which everything has arrived", 58),
}


def _percent(description: str, example: str) -> fields.String:
    metadata: dict[str, Any] = {"description": description, "examples": [example]}
    return fields.String(allow_none=True, metadata=metadata)


def _conversion() -> fields.String:
    return _percent("Orders paid in percent of carts begun; null without carts. It may be more than 100", "15.5")


def _count(step: Step) -> fields.Integer:
    description, example = _SAID[step]
    return fields.Integer(metadata={"description": description, "examples": [example]})


class FunnelArguments(PeriodArguments, FormatArguments):
    """Of which days."""


class FunnelStepSchema(Schema):
    """How many came to a step in the period."""

    step = fields.String(validate=validate.OneOf([step.value for step in Step]))
    count = fields.Integer(metadata={"description": "Each on the day it happened", "examples": [64]})
    of_previous_percent = _percent("In percent of the step before; null for the first, and of nothing", "90.1")
    of_carts_percent = _percent("In percent of the carts begun; null of nothing", "15.5")


class FunnelDaySchema(Schema):
    """How many came to each step on a day."""

    day = fields.Date(metadata=_DAY)
    carts, checkouts = _count(Step.CARTS), _count(Step.CHECKOUTS)
    placed, paid, delivered = _count(Step.PLACED), _count(Step.PAID), _count(Step.DELIVERED)
    conversion_percent = _conversion()


class FunnelSchema(Schema):
    """How many carts became orders in a period."""

    since = fields.Date(data_key="from", metadata=_DAY)
    until = fields.Date(data_key="to", metadata=_DAY)
    counted_from = fields.Date(
        allow_none=True,
        metadata={"description": "The first day on which anything was counted; null: nothing was yet"}
        | {"examples": ["2026-11-01"]},
    )
    conversion_percent = _conversion()
    steps = fields.List(fields.Nested(FunnelStepSchema), metadata={"description": "In their order"})
    days = fields.List(fields.Nested(FunnelDaySchema), metadata={"description": "Every day of the period"})
