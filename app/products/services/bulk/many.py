"""Changing many products in one transaction: locked in ascending order, and a few statements for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, case, literal, select, update

from app.core import events
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import count_changed, json_text
from app.products.changes import DELETED, THRESHOLD
from app.products.events import ProductDeleted
from app.products.models.products import Product
from app.products.queries.stock import counters
from app.products.services import ledger
from app.products.services.bulk.selecting import by_number
from app.products.services.memberships import UNPLACED, Placing, put_products
from app.products.services.stock import write_thresholds

_PRODUCT: Final[Table] = Product.__table__  # type: ignore[assignment]  # a plain table, whose statements the ORM leaves alone
_ELSEWHERE: Final = frozenset({DELETED, THRESHOLD})


@dataclass(slots=True)
class Present:
    """What is of one product now."""

    product_id: int
    asin: str
    values: dict[str, Any]
    """By attribute, as the history names them."""
    allocated: int = 0
    """How much of it is promised to somebody; known where DELETED was asked for."""

    @property
    def is_deleted(self) -> bool:
        """Whether it was deleted."""
        return bool(self.values[DELETED])


def read_products(
    product_ids: Iterable[int],
    attributes: Collection[str],
    *,
    lock: bool,
    fitting: Sequence[ColumnElement[bool]] = (),
) -> dict[int, Present]:
    """Some attributes of at most some hundred products, deleted ones too, by id in ascending order.

    With ``lock`` the open transaction keeps them as they are. Left out are products that do not exist, and those that
    do not fit.
    """
    columns = [column for name in sorted(set(attributes) - _ELSEWHERE) for column in _columns_of(name)]
    wanted = select(_PRODUCT.c.id, _PRODUCT.c.asin, _PRODUCT.c.deleted_at, *columns)
    wanted = wanted.where(_PRODUCT.c.id.in_(sorted(product_ids)), *fitting).order_by(_PRODUCT.c.id)
    if lock:
        wanted = wanted.with_for_update(of=_PRODUCT)
    found = {
        row.id: Present(row.id, row.asin, {name: _value_of(name, row) for name in {*attributes, DELETED} - {THRESHOLD}})
        for row in db.session.execute(by_number(wanted))
    }
    if not _ELSEWHERE.isdisjoint(attributes) and found:
        _read_counters(found, lock=lock)
    return found


def write_products(
    present: Mapping[int, Present], new: Mapping[int, Mapping[str, Any]], *, now: datetime, placing: Placing = UNPLACED
) -> None:
    """Give locked products new values by attribute; the version of each whose row changes counts up.

    Who calls this writes the history. Categories must be known to ``placing``. Publishes ProductDeleted.
    """
    columns = {id_: found for id_, values in new.items() if (found := _columns_for(values, now))}
    if columns:
        _update(columns, now)
    categories = {id_: values["categories"] for id_, values in new.items() if "categories" in values}
    if categories:
        put_products(categories, placing)
    thresholds = {id_: values[THRESHOLD] for id_, values in new.items() if THRESHOLD in values}
    if thresholds:
        write_thresholds(thresholds, now)
    for product_id in sorted(new):
        if new[product_id].get(DELETED):
            events.publish(ProductDeleted(product_id, present[product_id].asin))


def _columns_of(attribute: str) -> list[Any]:
    names = ("price_minor", "currency") if attribute == "price" else (attribute,)
    return [_PRODUCT.c[name] for name in names]


def _value_of(attribute: str, row: Any) -> Any:
    if attribute == "price":
        return Money(row.price_minor, row.currency)
    return row.deleted_at is not None if attribute == DELETED else getattr(row, attribute)


def _read_counters(found: Mapping[int, Present], *, lock: bool) -> None:
    for present in found.values():
        present.values[THRESHOLD] = None
    rows = ledger.lock(found).values() if lock else db.session.execute(counters(*found)).all()
    for row in rows:
        found[row.product_id].values[THRESHOLD] = row.low_stock_threshold
        found[row.product_id].allocated = row.allocated


def _columns_for(values: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for attribute, value in values.items():
        if attribute == "price":
            columns |= {"price_minor": value.minor, "currency": value.currency}
        elif attribute == DELETED:
            columns["deleted_at"] = now if value else None
        elif attribute != THRESHOLD:
            columns[attribute] = value
    return columns


def _update(columns: Mapping[int, Mapping[str, Any]], now: datetime) -> None:
    names = sorted({name for values in columns.values() for name in values})
    values = {name: _for_each(name, columns) for name in names}
    statement = update(_PRODUCT).where(_PRODUCT.c.id.in_(sorted(columns)))
    count_changed(db.session(), statement.values(**values, version=_PRODUCT.c.version + 1, updated_at=now))


def _for_each(name: str, columns: Mapping[int, Mapping[str, Any]]) -> Any:
    """The value of a column by product; where all get the same one, that one."""
    column = _PRODUCT.c[name]
    wanted = {id_: values[name] for id_, values in columns.items() if name in values}
    first = next(iter(wanted.values()))
    if len(wanted) == len(columns) and all(_is_same(value, first) for value in wanted.values()):
        return literal(first, column.type)
    typed = {id_: literal(value, column.type) for id_, value in wanted.items()}
    return case(typed, value=_PRODUCT.c.id, else_=column)


def _is_same(one: Any, other: Any) -> bool:
    """Whether a column would hold the same: to Python ``{"on": 1}`` and ``{"on": true}`` are equal."""
    if isinstance(one, dict | list) and isinstance(other, dict | list):
        return json_text(one) == json_text(other)
    return bool(one == other)
