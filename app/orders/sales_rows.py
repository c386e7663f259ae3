"""Rows of a file of sales as facts: amounts that hold the identities of docs/metrics.md exactly, or the reason why not.

Nothing is rounded and nothing is made up. Where prices contain tax, gross and discount do, too, and net is what is left
of gross less discount when the tax of the goods is taken out; else net is gross less discount. Always
total = net + shipping + tax, where tax is that of goods and shipping, and shipping is without tax.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.core.money import Money, MoneyError, decimal_text, exponent
from app.operations.files.table import Cells
from app.operations.files.values import MAX_REASON, Refused, read_asin, read_text, require_currency
from app.operations.services.imports.rows import MISSING, Reason, Values
from app.orders.models.sales import SaleKind
from app.orders.sales_columns import NEEDED
from app.products.models.products import MAX_BRAND, MAX_NAME
from app.products.models.stock import MAX_QUANTITY

MAX_EXTERNAL_ID: Final = 72
_AMOUNT: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,4}))?")
_LONGER: Final = re.compile(r"-?[0-9]{13,}(?:\.[0-9]+)?")
_WHOLE: Final = re.compile(r"-?[0-9]{1,10}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOON: Final = time(12)
_MAX_DAYS: Final = 10_000
_AMOUNTS: Final = ("gross", "discount", "tax", "shipping", "net", "total")
_KINDS: Final = {kind.value: kind.value for kind in SaleKind}


class SaleChecker:
    """Makes facts of rows whose columns are mapped."""

    def __init__(
        self,
        *,
        targets: Sequence[str | None],
        names: Sequence[str],
        currency: str,
        tax_included: bool,
        zone: ZoneInfo,
        now: datetime,
    ) -> None:
        self._currency, self._decimals = currency, exponent(currency)
        self._tax_included = tax_included
        self._zone, self._now = zone, now
        self._noons: dict[str, tuple[str, str]] = {}
        kinds: dict[str, Callable[[Any], Any]] = {
            "external_id": _external_id, "sold_at": self._instant, "kind": _kind, "asin": read_asin, "name": _name,
            "brand": _brand, "quantity": _quantity, "currency": self._shops,
        } | dict.fromkeys(_AMOUNTS, self._amount)  # fmt: skip
        self._columns = [
            (at, target, kinds[target], names[at]) for at, target in enumerate(targets) if target is not None
        ]
        self._names = {target: names[at] for at, target in enumerate(targets) if target is not None}

    def check(self, cells: Cells) -> tuple[Values, list[Reason]]:
        """The fact that a row says, amounts in minor units and negative for a refund, and what is wrong with the row.

        ``sold_at`` is a text in UTC as ``instant_of`` reads it, ``sold_on`` the shop's day; a name or brand that the
        row does not say is none. Values count only where nothing is wrong.
        """
        values: Values = {}
        reasons: list[Reason] = []
        for at, target, read, name in self._columns:
            if isinstance(cells, dict) and at not in cells:
                continue
            try:
                values[target] = read(cells[at])
            except Refused as problem:
                reasons.append((name, str(problem)[:MAX_REASON]))
        if not reasons:
            reasons = [(self._named(target), MISSING) for target in NEEDED if values.get(target) is None]
        if not reasons:
            try:
                self._complete(values)
            except _RowRefused as refused:
                reasons.append((self._named(refused.target), str(refused)))
        return values, reasons

    def _named(self, target: str) -> str:
        return self._names.get(target, target)

    def _complete(self, values: Values) -> None:
        """Turn amounts the right way round, and add those that follow from the others."""
        values["sold_at"], values["sold_on"] = values["sold_at"]
        sign = _sign(values)
        given = {name: sign * values[name] for name in ("quantity", *_AMOUNTS) if values.get(name) is not None}
        amounts = dict.fromkeys(("discount", "tax", "shipping"), 0) | given
        if sign > 0 and not amounts["quantity"]:
            raise _RowRefused("quantity", "must be at least 1 in a sale.")
        if amounts["discount"] > amounts["gross"]:
            raise _RowRefused("discount", f"is more than gross, {self._shown(amounts['gross'])}.")
        amounts["net"] = self._net(amounts, given)
        total = amounts["net"] + amounts["shipping"] + amounts["tax"]
        if given.get("total", total) != total:
            said = f"is {self._shown(given['total'])}, but net, shipping and tax are {self._shown(total)}."
            raise _RowRefused("total", said)
        amounts["total"] = total
        values["kind"] = SaleKind.SALE.value if sign > 0 else SaleKind.REFUND.value
        values.update({name: sign * amount for name, amount in amounts.items()})
        values.pop("currency", None)

    def _net(self, amounts: dict[str, int], given: dict[str, int]) -> int:
        """What the goods brought: without discount, tax and shipping."""
        goods, tax, shipping = amounts["gross"] - amounts["discount"], amounts["tax"], amounts["shipping"]
        if not self._tax_included:
            if given.get("net", goods) != goods:
                said = f"is {self._shown(given['net'])}, but gross less discount is {self._shown(goods)}."
                raise _RowRefused("net", said)
            return goods
        least = goods - tax
        most = goods if shipping else least  # without shipping all of the tax is that of the goods
        net = given.get("net", given["total"] - shipping - tax if "total" in given else most)
        if "net" not in given and "total" not in given and least != most:
            said = "is needed, or total: else nobody knows how much of the tax is in the price of the goods."
            raise _RowRefused("net", said)
        if least == most < 0:
            raise _RowRefused("tax", f"is more than gross less discount, which contains it: {self._shown(goods)}.")
        if not max(least, 0) <= net <= most:
            raise self._out_of_range(net, max(least, 0), most, given)
        return net

    def _out_of_range(self, net: int, least: int, most: int, given: dict[str, int]) -> _RowRefused:
        """What is wrong with a net, or with the total that it follows from where the row does not say it."""
        which = self._shown(least) if least == most else f"from {self._shown(least)} to {self._shown(most)}"
        rule = f"gross less discount and the tax in it is {which}."
        if "net" in given:
            return _RowRefused("net", f"is {self._shown(net)}, but {rule}")
        said = f"is {self._shown(given['total'])}, so that net would be {self._shown(net)}, but {rule}"
        return _RowRefused("total", said)

    def _shown(self, minor: int) -> str:
        return decimal_text(minor, self._currency)

    def _amount(self, value: Any) -> int | None:
        """Minor units; an empty cell says nothing."""
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise Refused('must be a text such as "12.50": a number cannot hold every amount exactly.')
        text = value.strip()
        found = _AMOUNT.fullmatch(text)
        if found is None:
            raise Refused(
                "is too large." if _LONGER.fullmatch(text) else "must be a plain decimal such as 1299.90 or -12.50."
            )
        sign, units, parts = found.groups("")
        if len(parts) <= self._decimals:
            minor = int(units + parts.ljust(self._decimals, "0"))
        else:
            try:
                minor = Money.parse(f"{units}.{parts}", self._currency).minor
            except MoneyError as problem:
                raise Refused(str(problem)) from None
        return -minor if sign else minor

    def _shops(self, value: Any) -> None:
        require_currency(value, self._currency)

    def _instant(self, value: Any) -> tuple[str, str] | None:
        """The instant, as text in UTC, and the shop's day."""
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise Refused("must be a text such as 2025-03-01.")
        text = value.strip()
        if _DAY.fullmatch(text):
            return self._noons.get(text) or self._noon(text)
        found = _INSTANT.fullmatch(text)
        if found is None:
            raise Refused("must be a day such as 2025-03-01, or an instant such as 2025-03-01T09:30:00+01:00.")
        if found[1] is None:
            raise Refused("needs a time zone such as Z or +01:00; or leave the time away.")
        try:
            instant = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Refused("is no instant that there is.") from None
        return self._of(instant, instant.astimezone(self._zone).date())

    def _noon(self, text: str) -> tuple[str, str]:
        """What a day alone stands for: the shop's noon of it."""
        try:
            day = date.fromisoformat(text)
            noon = datetime.combine(day, _NOON, self._zone).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Refused("is no day that there is.") from None
        if len(self._noons) >= _MAX_DAYS:
            self._noons.clear()
        self._noons[text] = found = self._of(noon, day)
        return found

    def _of(self, instant: datetime, day: date) -> tuple[str, str]:
        if instant > self._now:
            raise Refused("lies in the future (a day counts from its noon on).")
        if instant < _EARLIEST:
            raise Refused("lies before the year 1970.")
        return instant_text(instant), day.isoformat()


class _RowRefused(Exception):
    """The values of a row contradict each other; ``target`` is the one to look at."""

    def __init__(self, target: str, detail: str) -> None:
        super().__init__(detail)
        self.target = target


def instant_text(instant: datetime) -> str:
    """An instant as checked rows have it: in UTC, with microseconds."""
    return instant.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def instant_of(text: str) -> datetime:
    """The instant that ``instant_text`` wrote."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _sign(values: Values) -> int:
    """1 where the amounts of a row are as a sale has them, -1 where they are those of a refund as facts have them.

    A refund may be said by its kind, by amounts and quantity that are negative, or by both.
    """
    numbers = {name: values[name] for name in ("quantity", *_AMOUNTS) if values.get(name) is not None}
    above = [name for name, number in numbers.items() if number > 0]
    below = [name for name, number in numbers.items() if number < 0]
    kind = values.get("kind")
    if below and kind == SaleKind.SALE:
        raise _RowRefused(below[0], "must not be negative in a sale.")
    if above and below:
        raise _odd_one(above, below)
    if not below and kind == SaleKind.REFUND:
        for name in ("quantity", *_AMOUNTS):
            if values.get(name) is not None:
                values[name] = -values[name]
        return -1
    return -1 if below else 1


def _odd_one(above: Sequence[str], below: Sequence[str]) -> _RowRefused:
    """What is wrong with numbers of two signs: named is one of those that are fewer; of as many, one beside gross."""
    is_below = len(below) < len(above) or (len(below) == len(above) and "gross" in above)
    odd, others = (below, above) if is_below else (above, below)
    is_what, are_what = ("negative", "positive") if is_below else ("positive", "negative")
    names = ", ".join(others)
    return _RowRefused(odd[0], f"is {is_what}, but {names} {'are' if len(others) > 1 else 'is'} {are_what}.")


def _external_id(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return read_text(value, longest=MAX_EXTERNAL_ID, shortest=0) or None


def _kind(value: Any) -> str | None:
    text = read_text(value, longest=MAX_EXTERNAL_ID, shortest=0).lower()
    if text and text not in _KINDS:
        raise Refused(f"must be {' or '.join(_KINDS)}.")
    return text or None


def _name(value: Any) -> str | None:
    return read_text(value, longest=MAX_NAME, shortest=0) or None


def _brand(value: Any) -> str | None:
    return read_text(value, longest=MAX_BRAND, shortest=0) or None


def _quantity(value: Any) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_QUANTITY:
        raise Refused(f"must be a whole number from -{MAX_QUANTITY} to {MAX_QUANTITY}.")
    return value
