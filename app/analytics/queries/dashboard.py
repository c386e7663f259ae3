"""The figures of the dashboard, read together: a few statements along indexes, whoever looks at them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, and_, case, func, or_, select

from app.analytics.queries.farm_load import find_load
from app.analytics.queries.sales_figures import totals
from app.analytics.rules.farm_buckets import success_rate
from app.analytics.rules.figures import CAP
from app.analytics.rules.periods import Period
from app.core.extensions import db
from app.core.money import decimal_text
from app.core.running import settings
from app.orders.models.orders import Order, OrderState
from app.orders.models.sales import Sale
from app.orders.services.sales import day_of
from app.products.models.products import Product
from app.products.models.stock import Stock
from app.rpa.models.jobs import BATCH, Job, JobState, Task, TaskState
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.alerts import count_unread
from app.rpa.rules.job_moves import OPEN

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
_VISITED: Final = (TaskState.SUCCEEDED, TaskState.REFUSED, TaskState.FAILED)
"""Ends that a browser was sent out for; cancelled and skipped ones say nothing of how well the farm does."""
_ENDED: Final = tuple(state for state in JobState if state not in OPEN)


def read_figures(*, now: datetime) -> dict[str, Any]:
    """Every figure by its name. Days are the shop's, ``now`` says which is today; the farm's hour ends now."""
    return _of_sales(now) | _of_orders() | _of_stock() | _of_farm() | {"alerts.unread": count_unread().count}


def _of_sales(now: datetime) -> dict[str, Any]:
    today = day_of(now)
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    figures: dict[str, Any] = {"sales.day": today.isoformat()}
    for name, day in days.items():
        figures |= {f"sales.{name}.{figure}": value for figure, value in _sums_of(day).items()}
    return figures


def _sums_of(day: date) -> dict[str, Any]:
    """Orders, units and what was paid, less what was paid back, in the shop's own currency."""
    currency = settings().currency
    own = next((each for each in totals(Period(day, day)) if each.currency == currency), None)
    orders, units, minor = (own.orders, own.units, own.total_minor) if own else (0, 0, 0)
    return {"orders": orders, "units": units, "total": {"amount": decimal_text(minor, currency), "currency": currency}}


def _of_orders() -> dict[str, Any]:
    return {
        "orders.open": _count(select(Order.id).where(Order.state == OrderState.PLACED)),
        "orders.attention": _count(select(Order.id).where(Order.attention.is_not(None))),
    }


def _of_stock() -> dict[str, Any]:
    return {"stock.low": _count(select(Stock.product_id).where(Stock.is_low.is_(True)))}


def _of_farm() -> dict[str, Any]:
    jobs = select(func.count()).where(Job.state.in_(OPEN), Job.lane == BATCH)
    load = find_load()
    ended = _ended(load.at)
    within_hour = {state: count for state, (count, _lately) in ended.items()}
    success = success_rate(within_hour)
    return {
        "farm.jobs": db.session.scalar(jobs) or 0,
        "farm.waiting": load.waiting + load.queued,
        "farm.running": load.running,
        "farm.workers": load.idle + load.busy,
        "farm.minute.ended": sum(lately for _count, lately in ended.values()),
        "farm.hour.ended": sum(within_hour.values()),
        "farm.hour.success": None if success is None else str(success),
    }


def _ended(now: datetime) -> dict[str, tuple[int, int]]:
    """By state how many tasks have ended within the last hour, and how many of these within the last minute."""
    recent = or_(Job.state.in_(OPEN), and_(Job.state.in_(_ENDED), Job.finished_at > now - HOUR))
    lately = func.count(case((Task.finished_at > now - MINUTE, 1)))
    rows = db.session.execute(
        select(Task.state, func.count(), lately)
        .join(Job, Job.id == Task.job_id)
        .where(recent, Task.finished_at > now - HOUR)
        .group_by(Task.state)
    )  # without a condition on the state, for which SQLite would look through all tasks there ever were
    return {state: (count, within) for state, count, within in rows if state in _VISITED}


def _count(rows: Select[Any]) -> int:
    """How many rows there are, up to CAP."""
    return db.session.scalar(select(func.count()).select_from(rows.limit(CAP).subquery())) or 0


def find_beginnings() -> dict[str, bool]:
    """What a new shop has already: products, storefronts, jobs, sales; by the permission that shows it."""
    firsts = {
        "products:read": Product.id,
        "storefronts:read": Storefront.id,
        "jobs:read": Job.id,
        "sales:read": Sale.id,
    }
    asked = [
        select(column).limit(1).scalar_subquery().label(f"first_{at}") for at, column in enumerate(firsts.values())
    ]
    found = db.session.execute(select(*asked)).one()
    return {permission: first is not None for permission, first in zip(firsts, found, strict=True)}
