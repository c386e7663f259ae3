"""Column kinds mean the same on every database."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from app.auth.models import Role, UserRole
from app.core.extensions import db
from app.core.money import Money
from app.core.orm import Base, clock, count_changed, database_now, utc_now
from app.core.transactions import in_transaction
from app.products.models.products import Product
from tests.conftest import empty_tables
from tests.servers import on_sqlite


@pytest.fixture
def context(context: Flask) -> Flask:
    """An open application context on a database without any row, not even those that an installation begins with."""
    empty_tables()
    return context


@in_transaction
def add(*rows: Base) -> None:
    db.session.add_all(rows)


def count(model: type[Base]) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def product(**values: object) -> Product:
    return Product(**({"asin": "B0CW1A0001", "name": "Lamp", "price": Money(1250, "USD")} | values))


@pytest.mark.parametrize(
    ("one", "other"),
    [("é", "e"), ("a", "A"), ("ß", "ss"), ("ſ", "s"), ("İ", "i"), ("ａ", "a"), ("🔑", "🗝"), ("e\u0301", "é")],
)
def test_keys_that_only_look_alike_are_different(context: Flask, one: str, other: str) -> None:
    add(Role(name=one), Role(name=other))
    found = db.session.scalars(select(Role.name).where(Role.name == other)).all()
    assert found == [other]


def test_the_same_key_twice_is_refused(context: Flask) -> None:
    add(Role(name="é"))
    with pytest.raises(IntegrityError):
        add(Role(name="é"))
    assert count(Role) == 1


def test_errors_show_no_values_of_their_statement(context: Flask) -> None:
    name = "of somebody" * 10
    with pytest.raises(DBAPIError) as caught:
        db.session.execute(text("SELECT nothing FROM nowhere WHERE name = :name"), {"name": name})
    assert name not in str(caught.value)


def test_an_instant_keeps_its_microseconds_and_its_zone(context: Flask) -> None:
    at = datetime(2026, 3, 29, 1, 59, 59, 123456, UTC)
    add(Role(name="x", created_at=at, updated_at=at))
    db.session.rollback()
    assert db.session.scalars(select(Role.created_at)).one() == at
    assert db.session.scalars(select(Role.created_at)).one().tzinfo is UTC
    assert db.session.scalar(select(func.count()).where(Role.created_at == at)) == 1


def test_an_instant_of_another_zone_is_kept_in_utc(context: Flask) -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    add(Role(name="x", created_at=datetime(2026, 1, 1, 5, 30, tzinfo=there)))
    assert db.session.scalars(select(Role.created_at)).one() == datetime(2026, 1, 1, tzinfo=UTC)


def test_an_instant_without_a_zone_is_refused(context: Flask) -> None:
    with pytest.raises(StatementError, match="needs a time zone"):
        add(Role(name="x", created_at=datetime(2026, 1, 1)))  # noqa: DTZ001  # the mistake itself
    assert count(Role) == 0


def test_the_databases_clock_is_aware_and_adds_seconds(context: Flask) -> None:
    now, later = database_now(db.session()), database_now(db.session(), plus_s=60)
    assert now.tzinfo is UTC
    assert abs((now - utc_now()).total_seconds()) < 5
    assert 59.9 < (later - now).total_seconds() < 65


def test_money_comes_back_as_it_was_stored(context: Flask) -> None:
    add(product(price=Money(2**63 - 1, "JPY")))
    db.session.rollback()
    assert db.session.scalars(select(Product)).one().price == Money(2**63 - 1, "JPY")


def test_the_database_itself_refuses_a_negative_price(context: Flask) -> None:
    with pytest.raises(DBAPIError, match="price_not_negative"):
        add(product(price=Money(-1, "USD")))
    assert count(Product) == 0


def test_the_database_itself_refuses_a_row_that_refers_to_nothing(context: Flask) -> None:
    with pytest.raises(IntegrityError):
        add(UserRole(user_id=4711, role_id=4711))
    assert count(UserRole) == 0


def test_every_text_beyond_ascii_is_kept(context: Flask) -> None:
    name = "Лампа 灯 🪔 e\u0301"
    add(product(name=name, description=name * 100))
    db.session.rollback()
    kept = db.session.scalars(select(Product)).one()
    assert (kept.name, kept.description) == (name, name * 100)


def test_instants_are_compared_to_the_microsecond(context: Flask) -> None:
    start = datetime(2026, 3, 4, 12, 0, 0, 999998, UTC)
    moments = [start + timedelta(microseconds=step) for step in range(3)]
    add(*(Role(name=str(at), created_at=moment) for at, moment in enumerate(moments)))
    between = select(Role.created_at).where(Role.created_at > moments[0], Role.created_at < moments[2])
    assert db.session.scalars(between).all() == [moments[1]]


def test_the_databases_clock_is_the_real_one(context: Flask) -> None:
    before = utc_now() - timedelta(milliseconds=2)
    shown = database_now(db.session())
    assert before <= shown <= utc_now() + timedelta(milliseconds=2)


@on_sqlite
def test_the_clock_of_sqlite_has_microseconds_so_that_what_was_noted_before_is_over(context: Flask) -> None:
    for _ in range(50):
        before = utc_now()
        in_statement = db.session.scalar(select(clock(60)))
        assert before <= database_now(db.session())
        assert in_statement is not None
        assert before <= in_statement - timedelta(seconds=60) <= utc_now()


def test_the_databases_clock_goes_on_within_a_transaction_and_never_back(context: Flask) -> None:
    @in_transaction
    def look() -> list[datetime]:
        session = db.session()
        shown = [database_now(session) for _ in range(50)]
        time.sleep(0.03)
        return [*shown, database_now(session)]

    shown = look()
    assert shown == sorted(shown)
    assert shown[-1] - shown[0] >= timedelta(milliseconds=28)


def test_a_compare_and_set_counts_the_rows_it_met_even_when_nothing_in_them_changes(context: Flask) -> None:
    add(*(Role(name=name) for name in "abc"))

    @in_transaction
    def change() -> list[int]:
        session = db.session()
        same = update(Role).where(Role.name.in_(["a", "b"])).values(name=Role.name, updated_at=Role.updated_at)
        none = update(Role).where(Role.name == "x").values(name="y")
        return [count_changed(session, step) for step in (same, none, delete(Role).where(Role.name == "c"))]

    assert change() == [2, 0, 1]
    assert count(Role) == 2


@on_sqlite
def test_sqlite_checks_references_and_lets_readers_read_beside_a_writer(context: Flask) -> None:
    found = {name: db.session.scalar(text(f"PRAGMA {name}")) for name in ("foreign_keys", "journal_mode")}
    assert found == {"foreign_keys": 1, "journal_mode": "wal"}


def test_the_number_of_a_deleted_row_is_not_given_again(context: Flask) -> None:
    numbers = []
    for name in ("one", "two"):
        add(Role(name=name))
        numbers.append(db.session.scalars(select(Role.id)).one())
        in_transaction(lambda: db.session.execute(delete(Role)))()
    assert numbers[1] > numbers[0]
