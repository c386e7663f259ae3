"""Figures of sales as the rows of a file."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from app.analytics.api.formats import Table, money
from app.analytics.queries.sales_analytics import Analytics, Compared, Part
from app.analytics.rules.sales_figures import FIGURES, MONEY, Comparison, Figures

_NAMES = tuple(name.removesuffix("_minor") for name in FIGURES)
_BESIDE = tuple(f"{name}{what}" for name in _NAMES for what in ("_before", "_growth_percent"))


def table_of_parts(found: Analytics) -> Table:
    """A row for every part; where it is compared, with every figure of the period before and how far it has grown."""
    of_days = bool(found.parts) and found.parts[0].key is None
    columns = ("from", "to") if of_days else ("key", "name", "product_id")
    is_compared = bool(found.parts) and found.parts[0].compared is not None
    rows = (
        (*_about(part, of_days=of_days), part.figures.currency, *_cells(part.figures), *_beside(part.compared))
        for part in found.parts
    )
    return Table((*columns, "currency", *_NAMES, *(_BESIDE if is_compared else ())), rows)


def table_of_comparison(found: Compared) -> Table:
    """A row for every figure and currency."""
    rows = []
    for each in found.currencies:
        both = zip(_cells(each.now), _cells(each.before), strict=True)
        names = zip(FIGURES, _NAMES, both, strict=True)
        rows += [(each.now.currency, plain, now, before, each.growth[name]) for name, plain, (now, before) in names]
    return Table(("currency", "figure", "now", "before", "growth_percent"), rows)


def _about(part: Part, *, of_days: bool) -> tuple[str | int | date | None, ...]:
    return (part.first_on, part.last_on) if of_days else (part.key, part.name, part.product_id)


def _beside(compared: Comparison | None) -> list[int | Decimal | None]:
    if compared is None:
        return []
    both = zip(FIGURES, _cells(compared.before), strict=True)
    return [value for name, before in both for value in (before, compared.growth[name])]


def _cells(figures: Figures) -> list[int | Decimal | None]:
    values = ((name, getattr(figures, name)) for name in FIGURES)
    return [money(value, figures.currency) if name in MONEY else value for name, value in values]
