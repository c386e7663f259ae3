"""Tables that are only added to: sessions refuse to change or delete their rows."""

from __future__ import annotations

from typing import Final, TypeVar

from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session

M = TypeVar("M", bound=type[DeclarativeBase])

_TABLES: Final[set[str]] = set()


class AppendOnly(RuntimeError):
    """The program tried to change or delete what is only added to."""


def append_only(model: M) -> M:
    """Make a model one whose rows stay as they are: every way through a session raises AppendOnly."""
    _TABLES.add(model.__tablename__)
    event.listen(model, "before_update", _refuse_row)
    event.listen(model, "before_delete", _refuse_row)
    return model


def _refuse_row(_mapper: object, _connection: object, row: DeclarativeBase) -> None:
    raise AppendOnly(f"a row of {row.__tablename__} stays as it is")


@event.listens_for(Session, "do_orm_execute")
def _refuse_statement(state: ORMExecuteState) -> None:
    if not (state.is_update or state.is_delete):
        return
    table = getattr(state.statement, "table", None)  # of the mapped class it is a copy with notes on it
    name: str | None = getattr(table, "name", None)
    if name in _TABLES:
        raise AppendOnly(f"{name} is only added to")
