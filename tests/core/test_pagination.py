"""Keyset pages: every row once, in order, however many share a key."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import select

from app.auth.models import Role
from app.core.cursors import seal_cursor
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.outbox import Outbox
from app.core.pagination import MAX_LIMIT, Page, _order, fetch_page
from app.core.transactions import in_transaction
from app.orders.models.sales import Sale
from tests.conftest import AppWith, empty_tables
from tests.servers import on_sqlite

START = datetime(2026, 1, 1, tzinfo=UTC)
NEWEST_FIRST = [(Role.created_at, True), (Role.id, True)]
BY_ID = [(Role.id, False)]
MIXED = [(Outbox.kind, False), (Outbox.not_before, True), (Outbox.id, False)]
Keys = Sequence[tuple[Any, bool]]


@pytest.fixture
def context(context: Flask) -> Flask:
    """An open application context on a database without any row, not even those that an installation begins with."""
    empty_tables()
    return context


@in_transaction
def add_roles(*, count: int, first: int = 0) -> None:
    """Roles of which three each share a created_at."""
    db.session.add_all(
        Role(name=f"r{at:03}", created_at=START + timedelta(microseconds=at // 3)) for at in range(first, first + count)
    )


def page(keys: Sequence[tuple[Any, bool]], limit: int = 4, cursor: str | None = None) -> Page[Role]:
    return fetch_page(select(Role), keys=keys, limit=limit, cursor=cursor)


def walk(keys: Sequence[tuple[Any, bool]], limit: int) -> list[list[str]]:
    pages, cursor = [], None
    while True:
        found = page(keys, limit, cursor)
        pages.append([role.name for role in found.items])
        cursor = found.next_cursor
        if cursor is None:
            return pages


@pytest.mark.parametrize("limit", [1, 2, 4, 10, 100])
def test_walking_the_pages_meets_every_row_once_in_order(context: Flask, limit: int) -> None:
    add_roles(count=10)
    names = [f"r{at:03}" for at in range(10)]
    assert [name for part in walk(BY_ID, limit) for name in part] == names
    assert [name for part in walk(NEWEST_FIRST, limit) for name in part] == names[::-1]


def test_the_last_page_has_no_cursor_even_when_it_is_full(context: Flask) -> None:
    add_roles(count=8)
    assert [len(part) for part in walk(BY_ID, 4)] == [4, 4]
    add_roles(count=1, first=8)
    assert [len(part) for part in walk(BY_ID, 4)] == [4, 4, 1]


def test_an_empty_list_is_one_empty_page(context: Flask) -> None:
    assert walk(BY_ID, 4) == [[]]


def test_rows_that_come_in_between_move_nothing(context: Flask) -> None:
    add_roles(count=6)
    first = page(NEWEST_FIRST)
    add_roles(count=3, first=60)
    second = page(NEWEST_FIRST, cursor=first.next_cursor)
    assert [role.name for role in first.items + second.items] == ["r005", "r004", "r003", "r002", "r001", "r000"]


def test_a_page_is_never_larger_than_the_limit_of_all_pages(context: Flask) -> None:
    add_roles(count=MAX_LIMIT + 1)
    assert len(page(BY_ID, limit=10_000).items) == MAX_LIMIT
    assert len(page(BY_ID, limit=0).items) == len(page(BY_ID, limit=-5).items) == 1


@pytest.mark.parametrize(
    "cursor",
    ["x", "!!!!", "W10", "é", "WzEsIjIiLG51bGxd", "A" * 500, "bnVsbA"],
)
def test_a_cursor_that_nobody_made_is_refused(context: Flask, cursor: str) -> None:
    add_roles(count=1)
    with pytest.raises(Invalid) as refusal:
        page(BY_ID, cursor=cursor)
    assert [error.pointer for error in refusal.value.errors] == ["/cursor"]


def test_a_cursor_of_another_order_is_refused(context: Flask) -> None:
    add_roles(count=6)
    cursor = page(NEWEST_FIRST).next_cursor
    with pytest.raises(Invalid):
        page(BY_ID, cursor=cursor)


@in_transaction
def add_effects(*, count: int) -> None:
    """Effects of which many share a kind or an instant, in no order."""
    chance = random.Random(7)
    db.session.add_all(
        Outbox(
            kind=chance.choice(["a", "A", "é", "zz"]),
            unique_key=str(at),
            arguments={},
            not_before=START + timedelta(microseconds=chance.randrange(4)),
        )
        for at in range(count)
    )


def effects(limit: int, cursor: str | None = None) -> Page[Outbox]:
    return fetch_page(select(Outbox), keys=MIXED, limit=limit, cursor=cursor)


@pytest.mark.parametrize("limit", [1, 7, 60])
def test_a_mixed_order_with_ties_meets_every_row_once(context: Flask, limit: int) -> None:
    add_effects(count=60)
    whole = list(db.session.scalars(select(Outbox).order_by(Outbox.kind, Outbox.not_before.desc(), Outbox.id)))
    walked, cursor = [], None
    for _ in range(61):
        found = effects(limit, cursor)
        walked += found.items
        cursor = found.next_cursor
        if cursor is None:
            break
    assert walked == whole
    assert len({row.id for row in walked}) == 60


def test_named_columns_are_paged_like_records(context: Flask) -> None:
    add_roles(count=5)
    columns: Any = select(Role.id, Role.name)
    first = fetch_page(columns, keys=BY_ID, limit=3, cursor=None, scalars=False)
    second = fetch_page(columns, keys=BY_ID, limit=3, cursor=first.next_cursor, scalars=False)
    assert [row.name for row in first.items + second.items] == ["r000", "r001", "r002", "r003", "r004"]


def forged(*values: object) -> str:
    """A cursor of the list of effects as an older version, or a mistake of ours, may have made it."""
    return seal_cursor([_order(MIXED), *values])


NOW = "2026-01-01T00:00:00+00:00"
BY_DAY = [(Sale.sold_on, True), (Sale.id, True)]


@in_transaction
def add_sales(*, count: int) -> None:
    """Facts of which three each share a day."""
    db.session.add_all(
        Sale(
            **dict.fromkeys(("quantity", "gross_minor", "discount_minor", "tax_minor", "shipping_minor"), 0),
            **dict.fromkeys(("net_minor", "total_minor"), 0),
            unique_key=str(at),
            kind="sale",
            sold_at=START,
            sold_on=date(2026, 1, 1) + timedelta(days=at // 3),
            asin="B000000001",
            name="Lamp",
            currency="USD",
        )
        for at in range(count)
    )


def test_days_are_paged_like_other_keys(context: Flask) -> None:
    add_sales(count=8)
    walked, cursor = [], None
    for _ in range(5):
        found: Page[Sale] = fetch_page(select(Sale), keys=BY_DAY, limit=2, cursor=cursor)
        walked += [sale.unique_key for sale in found.items]
        cursor = found.next_cursor
        if cursor is None:
            break
    assert walked == [str(at) for at in range(7, -1, -1)]


@on_sqlite
@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", 20260101, None, True, "2026-01-01T00:00:00+00:00"])
def test_a_cursor_with_what_is_no_day_is_refused(context: Flask, day: object) -> None:
    with pytest.raises(Invalid) as refusal:
        fetch_page(select(Sale), keys=BY_DAY, limit=2, cursor=seal_cursor([_order(BY_DAY), day, 1]))
    assert [error.pointer for error in refusal.value.errors] == ["/cursor"]


@pytest.mark.parametrize(
    "values",
    [
        ("a", NOW, 2**63),
        ("a", NOW, -(2**63)),
        ("a", NOW, 1.0),
        ("a", NOW, True),
        ("a", NOW, "1"),
        ("a", NOW, None),
        ("a", NOW, [1]),
        ("a", "2026-01-01T00:00:00", 1),
        ("a", "0001-01-01T00:00:00+14:00", 1),
        ("a", "9999-12-31T23:59:59-14:00", 1),
        ("a", "yesterday", 1),
        ("a", 1767225600, 1),
        ("a\0", NOW, 1),
        (1, NOW, 1),
        ("a", NOW),
        ("a", NOW, 1, 1),
        (),
    ],
    ids=str,
)
def test_a_forged_cursor_is_refused_before_it_reaches_the_database(context: Flask, values: tuple[object, ...]) -> None:
    with pytest.raises(Invalid) as refusal:
        effects(5, forged(*values))
    assert [error.pointer for error in refusal.value.errors] == ["/cursor"]


@pytest.mark.parametrize(
    "values", [("a", "0001-01-02T00:00:00+00:00", 1), ("'; DROP TABLE outbox; --", NOW, 2**63 - 1), ("", NOW, -1)]
)
def test_a_cursor_that_could_be_ours_is_only_a_place_in_the_list(context: Flask, values: tuple[object, ...]) -> None:
    add_effects(count=3)
    assert len(effects(5, forged(*values)).items) <= 3
    assert len(effects(5).items) == 3


@on_sqlite
@pytest.mark.parametrize("at", [0, 8, 9, 12, -1])
def test_a_cursor_that_was_tampered_with_is_refused(context: Flask, at: int) -> None:
    add_effects(count=3)
    raw = bytearray(base64.urlsafe_b64decode(f"{effects(1).next_cursor}=="))
    raw[at] ^= 1
    with pytest.raises(Invalid):
        effects(5, base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="))


@on_sqlite
def test_a_cursor_that_was_given_under_the_key_before_is_still_good(context: Flask, app_with: AppWith) -> None:
    add_effects(count=3)
    cursor = effects(1).next_cursor
    old = context.extensions["settings"].secret_key
    with app_with(secret_key="n" * 40, old_secret_keys=(old,)).app_context():
        assert len(effects(5, cursor).items) == 2
    with app_with(secret_key="n" * 40).app_context(), pytest.raises(Invalid):
        effects(5, cursor)


@on_sqlite
@given(cursor=st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_cursor_gives_a_page_or_is_refused(context: Flask, cursor: str) -> None:
    try:
        found = effects(5, cursor).items
    except Invalid:
        return
    assert found == []


def test_a_cursor_of_another_list_in_the_same_order_is_refused(context: Flask) -> None:
    add_roles(count=6)
    with pytest.raises(Invalid):
        fetch_page(select(Outbox), keys=[(Outbox.id, False)], limit=5, cursor=page(BY_ID).next_cursor)
