"""Keyset pages: every row once, in order, however many share a key."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy import select

from app.auth.models import Role
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.pagination import MAX_LIMIT, Page, fetch_page
from app.core.transactions import in_transaction

START = datetime(2026, 1, 1, tzinfo=UTC)
NEWEST_FIRST = [(Role.created_at, True), (Role.id, True)]
BY_ID = [(Role.id, False)]


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


@pytest.mark.parametrize(
    "cursor",
    ["x", "!!!!", "W10", "é", base64.urlsafe_b64encode(orjson.dumps([1, "2", None])).decode(), "A" * 500, "bnVsbA"],
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
