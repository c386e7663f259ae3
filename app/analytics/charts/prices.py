"""A product's price across storefronts with its changes marked, and the index of their prices against ours."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from app.analytics.charts import style
from app.analytics.charts.clock import WallClock
from app.analytics.charts.decimation import MOST, MOST_ROWS
from app.analytics.charts.lines import DAY_S, MOST_LINES, Line, Texts, drawn_lines, steps
from app.analytics.charts.ranks import MOST_RANKS, Rank, ranked
from app.analytics.charts.words import (
    amount_float,
    amount_words,
    change_words,
    count_words,
    day_words,
    number_words,
)

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812

Days: TypeAlias = tuple[date, date]
"""The first and the last day of a period, which counts as well."""
OURS: Final = "Our price"
_DECIMATED: Final = "Of {} prices the lowest and highest of each stretch are drawn."


@dataclass(frozen=True, slots=True)
class PricePoint:
    """What a storefront (or we: ``OURS``) asked from a moment on: an aware instant, or a day of the shop."""

    at: datetime | date
    seller: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class IndexPoint:
    """How a storefront's prices stood against ours at the end of a day; 100 is the same. None: not comparable."""

    on: date
    storefront: str
    index: Decimal | None


def price_history(rows: Sequence[PricePoint], *, zone: ZoneInfo, days: Days | None = None) -> Figure:
    """Draw each seller's price as steps with a mark at every change; the rows of each seller ascend.

    The axis is that of the ``days`` that were asked for, if they are given, and else goes around the rows.
    One chart has one currency: that of our price, else the most frequent. Who asks in another one is named below it.
    """
    if not rows:
        return style.empty_figure("No price was seen in this period.")
    ours = [row.currency for row in rows if row.seller == OURS]
    currency = ours[-1] if ours else Counter(row.currency for row in rows).most_common(1)[0][0]
    clock = WallClock(zone)
    sellers: dict[str, list[PricePoint]] = defaultdict(list)
    for row in rows:
        if row.currency == currency:
            sellers[row.seller].append(row)
    _hold_ours(sellers)
    names = sorted(sellers, key=lambda name: (name != OURS, name))
    lines = [_line_of(name, sellers[name], clock) for name in names[:MOST_LINES]]
    has_times = any(isinstance(row.at, datetime) for row in rows)
    when = clock.moment if has_times else _day_of
    made, legend = drawn_lines(lines, unit=currency, when=when, lone_s=DAY_S, axis=_axis(days), from_zero=False)
    table = [
        (when(_place(row.at, clock)), row.seller, amount_words(row.amount_minor, row.currency))
        for row in rows[-MOST_ROWS:]
    ]
    others = sorted({row.seller for row in rows if row.currency != currency})
    caption = " ".join((
        *([f"Asking in another currency: {', '.join(others[:5])}."] if others else []),
        *([f"The first {MOST_LINES} of {len(names)} are drawn."] if len(names) > MOST_LINES else []),
        *([_DECIMATED.format(number_words(len(rows)))] if len(rows) > MOST else []),
        *([clock.note()] if clock.note() else []),
    ))  # fmt: skip
    return style.with_facts(made, style.Facts(caption, ("Time", "Seller", "Price"), table, None, legend))


def price_index(rows: Sequence[IndexPoint], *, days: Days | None = None) -> Figure:
    """Draw each storefront's index by day beside a line at 100, where its prices are ours; days ascend.

    The axis is that of the ``days`` that were asked for, if they are given, and else goes around the rows.
    """
    known: dict[str, list[tuple[float, Decimal]]] = defaultdict(list)
    for row in rows:
        if row.index is not None:
            known[row.storefront].append((_place(row.on, None), row.index))
    if not known:
        return style.empty_figure("Nothing could be compared in this period.")
    names = sorted(known)
    lines = [
        Line(name, [at for at, _ in known[name]], [float(index) for _, index in known[name]],
             [_index_words(index) for _, index in known[name]])
        for name in names[:MOST_LINES]
    ]  # fmt: skip
    about: dict[str, Any] = {"unit": "Index, ours is 100", "lone_s": DAY_S, "axis": _axis(days), "base": 100}
    made, legend = drawn_lines(lines, when=_day_of, from_zero=False, **about)
    table = [
        (day_words(row.on), row.storefront, "" if row.index is None else number_words(row.index, 2))
        for row in rows[-MOST_ROWS:]
    ]
    caption = f"The first {MOST_LINES} of {count_words(len(names), 'storefront')}." if len(names) > MOST_LINES else ""
    return style.with_facts(made, style.Facts(caption, ("Day", "Storefront", "Index"), table, None, legend))


def index_by_storefront(rows: Sequence[IndexPoint]) -> Figure:
    """Draw each storefront's index as a bar, the cheapest first; ``rows`` are of one day."""
    known = sorted((row.index, row.storefront) for row in rows if row.index is not None)
    if not known:
        return style.empty_figure("Nothing can be compared yet.")
    ranks = [
        Rank(name, float(index), _index_words(index), f"{name}: {_index_words(index)}")
        for index, name in known[:MOST_RANKS]
    ]
    caption = (
        f"The {MOST_RANKS} cheapest of {count_words(len(known), 'storefront')}." if len(known) > MOST_RANKS else ""
    )
    table = [(name, number_words(index, 2)) for index, name in known[:MOST_ROWS]]
    return ranked(ranks, style.Facts(caption, ("Storefront", "Index"), table))


def _hold_ours(sellers: dict[str, list[PricePoint]]) -> None:
    """Our price holds up to the end; what a storefront asks now is not known before the next visit."""
    last = max((rows[-1] for rows in sellers.values()), key=lambda row: _day(row.at))
    if OURS in sellers and _day(sellers[OURS][-1].at) < _day(last.at):
        sellers[OURS].append(replace(sellers[OURS][-1], at=last.at))


def _day(at: datetime | date) -> date:
    return at.date() if isinstance(at, datetime) else at


def _line_of(name: str, rows: Sequence[PricePoint], clock: WallClock) -> Line:
    amounts = [row.amount_minor for row in rows]

    def text(at: int) -> str:
        words = (amount_words(amounts[at], rows[at].currency), _change(amounts, at))
        return ", ".join(filter(None, words))

    places = [_place(row.at, clock) for row in rows]
    values = [amount_float(row.amount_minor, row.currency) for row in rows]
    color = style.TEXT if name == OURS else None
    return Line(name, places, values, Texts(len(rows), text), steps(amounts), color, is_step=True)


def _change(amounts: Sequence[int], at: int) -> str:
    return change_words(amounts[at], amounts[at - 1], "before") if at and amounts[at] != amounts[at - 1] else ""


def _place(at: datetime | date, clock: WallClock | None) -> float:
    if isinstance(at, datetime):
        return clock.seconds(at) if clock is not None else at.timestamp()
    return (at.toordinal() - date(1970, 1, 1).toordinal()) * float(DAY_S)


def _axis(days: Days | None) -> tuple[float, float] | None:
    """From half a day before the first day's place to half a day after the last one's, in milliseconds.

    A day's price stands at its beginning; of instants that is half a day more than was asked for.
    """
    if days is None:
        return None
    first, last = (_place(day, None) for day in days)
    return (first - DAY_S / 2) * 1000, (last + DAY_S / 2) * 1000


def _day_of(place: float) -> str:
    return day_words(datetime.fromtimestamp(place, UTC).date())


def _index_words(index: Decimal) -> str:
    away = abs(index - 100)
    said = f", {number_words(away, 1)} % {'dearer' if index > 100 else 'cheaper'} than we are" if away else ""
    return number_words(index, 1) + said
