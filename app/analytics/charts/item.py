"""What the browser draws of a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.analytics.charts.style import DARK, facts_of, with_facts
from app.analytics.charts.words import language

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812


def chart_item(figure: Figure) -> dict[str, Any]:
    """A figure as JSON for ``charts.js``: BokehJS's ``json_item`` (doc, root_id), and what is said beside it.

    ``caption`` is a sentence or empty; ``empty`` a sentence instead of a figure, else null; ``legend`` names what is
    drawn; ``table`` has the same figures as ``columns`` and ``rows`` of text; ``dark`` says what each colour becomes in
    the dark look; ``language`` says whose dates and numbers it has. BokehJS reads models in the order of the JSON: its
    keys must not be sorted.
    """
    from bokeh.embed import json_item

    facts, figure.tags = facts_of(figure), []
    try:
        item = dict(json_item(figure))
    finally:
        with_facts(figure, facts)
    table = {"columns": list(facts.columns), "rows": [list(row) for row in facts.rows]}
    return item | {
        "caption": facts.caption,
        "empty": facts.empty,
        "legend": list(facts.legend),
        "table": table,
        "dark": DARK,
        "language": language(),
        "height": figure.height,
    }
