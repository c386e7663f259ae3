"""``python -m app.analytics.report_drawing``: the charts of a report as a page that needs nothing else.

Reads ``{title, chart, rows}`` as JSON from standard input and writes ``{html, height}`` to standard output. A process
of its own, because Bokeh is large and background workers do not load it; the page is photographed by a browser without
a network.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any, Final

from app.analytics.charts.of_reports import currencies_of, figure_of
from app.analytics.charts.style import HEIGHT, facts_of

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

WIDTH: Final = 960
_TIME_PX: Final = 360
_PADDING_PX: Final = 16
_TITLE_PX: Final = 36
_CAPTION_PX: Final = 36
_POLICY: Final = "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data: blob:"
"""What a chart says may come from a storefront: whatever it is, the page runs our scripts only and fetches nothing."""
_STYLE: Final = (
    f"html,body{{margin:0;background:#fff}} body{{width:{WIDTH - 2 * _PADDING_PX}px;padding:{_PADDING_PX}px;"
    "color:#142229;font-family:system-ui,sans-serif} "
    f"h1{{height:{_TITLE_PX}px;margin:0;font:600 18px/28px system-ui;white-space:nowrap;overflow:hidden;"
    "text-overflow:ellipsis} "
    f"p{{height:{_CAPTION_PX}px;margin:0;font-size:13px;line-height:18px;color:#4c5d66;overflow:hidden}}"
)


def draw(drawing: Mapping[str, Any]) -> dict[str, Any]:
    """The page of a report's charts (``html``) and how high it is in pixels; raises KeyError for an unknown chart.

    Of a report with several currencies there is a chart for each of the first ones.
    """
    from bokeh.embed import components
    from bokeh.resources import Resources

    chart, rows = drawing["chart"], drawing["rows"]
    currencies: list[str | None] = [*currencies_of(chart, rows)]
    made = [_sized(figure_of(chart, rows, currency)) for currency in currencies or [None]]
    captions = [facts_of(figure).caption for figure in made]
    script, places = components(tuple(made), wrap_script=False)
    nonce, title = secrets.token_hex(16), escape(drawing["title"])
    scripts = [*Resources(mode="inline", components=["bokeh"]).js_raw, script]
    tags = "".join(_tag(code, nonce) for code in scripts)
    charts = "".join(f"{place}<p>{escape(said)}</p>" for place, said in zip(places, captions, strict=True))
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(nonce=nonce)}">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>{charts}{tags}</body></html>"
    )
    height = 2 * _PADDING_PX + _TITLE_PX + sum(figure.height + _CAPTION_PX for figure in made)
    return {"html": html, "height": height}


def _sized(made: Figure) -> Figure:
    """Charts over time are higher than on a page; bars below each other are as high as they are many."""
    if made.height == HEIGHT:
        made.height = _TIME_PX
    return made


def _tag(code: str, nonce: str) -> str:
    """A script of ours in the page; nothing in it can end it."""
    closed = code.replace("</script", "<\\/script")
    return f'<script nonce="{nonce}">{closed}</script>'


if __name__ == "__main__":
    json.dump(draw(json.load(sys.stdin)), sys.stdout)
