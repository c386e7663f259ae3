"""Secrets that must be readable again (TOTP seeds, OAuth client secrets, webhook secrets), encrypted at rest."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import current_app
from sqlalchemy import Column, Dialect, Select, Text, select, type_coerce, update
from sqlalchemy.types import TypeDecorator

from app.core.extensions import db
from app.core.orm import Base
from app.core.transactions import in_transaction

_AT_ONCE: Final = 500


class UnreadableSecret(Exception):
    """A stored secret was encrypted with a key that is neither ENCRYPTION_KEY nor one of OLD_ENCRYPTION_KEYS."""


class Vault:
    """Encrypts with the first key; reads what any of them encrypted (Fernet: AES-128-CBC and HMAC-SHA256)."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(_fernet_key(key)) for key in keys])

    def encrypt(self, text: str) -> str:
        """The text as it may be stored."""
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """The text again; raises UnreadableSecret."""
        try:
            return self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken:
            raise UnreadableSecret("the key it was encrypted with is not among the configured ones") from None


class EncryptedText(TypeDecorator[str]):
    """A column whose text is encrypted in the database and plain in the program."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _vault().encrypt(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _vault().decrypt(value)


@dataclass(frozen=True, slots=True)
class SecretCounts:
    """How many stored secrets there are, by what the present keys can do with them."""

    readable: int = 0
    unreadable: int = 0

    def __add__(self, other: SecretCounts) -> SecretCounts:
        return SecretCounts(self.readable + other.readable, self.unreadable + other.unreadable)


def encrypt_again() -> SecretCounts:
    """Encrypt every stored secret with the newest key; afterwards the old keys may be forgotten.

    What cannot be read stays as it is and is counted. 500 rows are a transaction; safe to repeat and to interrupt.
    """
    return _walk(_encrypt_part)


def count_secrets() -> SecretCounts:
    """Try to read every stored secret, and change nothing."""
    return _walk(_count_part)


def encrypted_columns() -> list[Column[Any]]:
    """Every encrypted column of every table."""
    tables = Base.metadata.sorted_tables
    return [column for table in tables for column in table.columns if isinstance(column.type, EncryptedText)]


def _walk(work: Callable[..., tuple[SecretCounts, int | None]]) -> SecretCounts:
    counts = SecretCounts()
    for column in encrypted_columns():
        after: int | None = 0
        while after is not None:
            found, after = work(column=column, after=after)
            counts += found
    return counts


@in_transaction
def _encrypt_part(*, column: Column[Any], after: int) -> tuple[SecretCounts, int | None]:
    session, counts = db.session(), SecretCounts()
    rows = session.execute(_part(column, after).with_for_update()).all()
    kept = {other: other for other in column.table.columns if other.onupdate is not None}  # nobody has changed the row
    for row in rows:
        secret = _read(row.stored)
        counts += _counted(secret)
        if secret is not None:
            mine = update(column.table).where(_identity(column) == row.id)
            session.execute(mine.values({column: secret, **kept}))
    return counts, rows[-1].id if len(rows) == _AT_ONCE else None


@in_transaction
def _count_part(*, column: Column[Any], after: int) -> tuple[SecretCounts, int | None]:
    rows = db.session.execute(_part(column, after)).all()
    counts = sum((_counted(_read(row.stored)) for row in rows), SecretCounts())
    return counts, rows[-1].id if len(rows) == _AT_ONCE else None


def _part(column: Column[Any], after: int) -> Select[Any]:
    identity = _identity(column)
    shown = select(identity.label("id"), type_coerce(column, Text).label("stored"))
    return shown.where(column.is_not(None), identity > after).order_by(identity).limit(_AT_ONCE)


def _identity(column: Column[Any]) -> Column[Any]:
    (identity,) = column.table.primary_key.columns
    return identity


def _read(stored: str) -> str | None:
    try:
        return _vault().decrypt(stored)
    except UnreadableSecret:
        return None


def _counted(secret: str | None) -> SecretCounts:
    return SecretCounts(unreadable=1) if secret is None else SecretCounts(readable=1)


def _vault() -> Vault:
    vault: Vault = current_app.extensions["vault"]
    return vault


def _fernet_key(secret: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(b"cartwright at rest " + secret.encode()).digest())
