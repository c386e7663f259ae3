"""What a rule would have told of the changes that are recorded: a question, nothing is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from app.core.extensions import db
from app.core.orm import database_now
from app.products.models.products import ProductUpdate, Source
from app.products.queries.updates import FEED_WINDOW, list_following, number_before
from app.rpa.errors import AlertNotRecorded
from app.rpa.models.storefronts import Storefront
from app.rpa.queries.alert_scopes import check_scope, find_watched
from app.rpa.rules.alerting import OF_CHANGES, AlertKind, Change, Effect, Step, decide, describe_change, effect

DAYS: Final = 7
SHOWN: Final = 100
LOOKED_AT: Final = 40 * FEED_WINDOW
"""Rows of the history, of all kinds, that one preview goes through: the newest ones."""
_PORTION: Final = 1000


@dataclass(frozen=True, slots=True)
class Wish:
    """A rule that there is not yet."""

    kind: str
    when: dict[str, Any]
    storefront: str | None = None
    asins: list[str] | None = None
    category_id: int | None = None
    product_filter_id: int | None = None


@dataclass(frozen=True, slots=True)
class WouldTell:
    """One alert that there would have been."""

    asin: str
    storefront: str
    detail: str
    job_id: int | None
    task_id: int | None
    at: datetime


@dataclass(slots=True)
class Preview:
    """What a rule would have told from ``since`` on: how often, and the newest of it."""

    since: datetime
    is_complete: bool
    """False when there were more changes than are looked at: then ``since`` is later than DAYS ago."""
    count: int = 0
    items: list[WouldTell] = field(default_factory=list)


def preview_rule(wish: Wish) -> Preview:
    """What a rule would have told of the last DAYS days, with products in the categories and filters of now.

    A condition that held before is not told until it has ended. Raises AlertNotRecorded for a kind that does not look
    at recorded changes, StorefrontUnknown or AlertScopeUnknown.
    """
    kind = AlertKind(wish.kind)
    if kind not in OF_CHANGES:
        raise AlertNotRecorded.field(
            "/kind", f"looks at what holds now; there is a preview of {' and '.join(OF_CHANGES)}."
        )
    check_scope(wish)
    since = database_now(db.session()) - timedelta(days=DAYS)
    first = number_before(since)
    last = number_before(None)
    preview = Preview(since, is_complete=last - first <= LOOKED_AT)
    if not preview.is_complete:
        first = last - LOOKED_AT
        preview.since = db.session.scalars(
            select(ProductUpdate.created_at).where(ProductUpdate.id > first).order_by(ProductUpdate.id).limit(1)
        ).one()
    newest: deque[WouldTell] = deque(maxlen=SHOWN)
    for told in _replay(wish, kind, first, since):
        preview.count += 1
        newest.append(told)
    preview.items = list(reversed(newest))
    return preview


def _replay(wish: Wish, kind: AlertKind, first: int, since: datetime) -> Iterator[WouldTell]:
    """Go through the history behind a number as the sweep would have done."""
    codes = {shop.id: shop.code for shop in db.session.execute(select(Storefront.id, Storefront.code))}
    holding: dict[tuple[int, int], bool] = {}
    for row in _changes(kind, first, since, wish):
        code = codes.get(row.storefront_id or 0)
        if code is None or wish.storefront not in (None, code):
            continue
        change, subject = (
            Change(row.previous_attribute, row.current_attribute),
            (row.product_id, row.storefront_id or 0),
        )
        if subject not in holding:
            held = Change(None, row.previous_attribute)
            holding[subject] = row.previous_attribute is not None and decide(kind, wish.when, held) is Step.FIRE
        what = effect(decide(kind, wish.when, change), holds=holding[subject], is_flapping=row.is_flapping)
        if what in (Effect.BEGIN, Effect.END):
            holding[subject] = what is Effect.BEGIN
        if what in (Effect.BEGIN, Effect.TELL):
            detail = describe_change(kind, row.asin, code, change)
            yield WouldTell(row.asin, code, detail, row.job_id, row.task_id, row.created_at)


def _changes(kind: AlertKind, first: int, since: datetime, wish: Wish) -> Iterator[ProductUpdate]:
    """The changes of the rule's attribute and products behind a number, in the order of the sweep."""
    after, is_end = first, False
    while not is_end:
        found = list_following(
            after_id=after, limit=_PORTION, since=since, attribute=OF_CHANGES[kind], source=Source.FARM
        )
        watched = find_watched(wish, {row.product_id: row.asin for row in found.items})
        yield from (row for row in found.items if row.product_id in watched)
        after, is_end = found.next_after_id, found.is_end
