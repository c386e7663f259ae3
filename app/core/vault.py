"""Secrets that must be readable again (TOTP seeds, OAuth client secrets, webhook secrets), encrypted at rest."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import current_app
from sqlalchemy import Column, Dialect, Text, select, update
from sqlalchemy.types import TypeDecorator

from app.core.extensions import db
from app.core.orm import Base
from app.core.transactions import in_transaction


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


@in_transaction
def encrypt_again() -> int:
    """Encrypt every stored secret with the newest key; returns how many. Afterwards the old keys may be forgotten."""
    return sum(_encrypt_again(column) for column in encrypted_columns())


def encrypted_columns() -> list[Column[Any]]:
    """Every encrypted column of every table."""
    tables = Base.metadata.sorted_tables
    return [column for table in tables for column in table.columns if isinstance(column.type, EncryptedText)]


def _encrypt_again(column: Column[Any]) -> int:
    session = db.session()
    (identity,) = column.table.primary_key.columns
    rows = session.execute(select(identity, column).where(column.is_not(None)).with_for_update()).all()
    for row_id, secret in rows:
        session.execute(update(column.table).where(identity == row_id).values({column: secret}))
    return len(rows)


def _vault() -> Vault:
    vault: Vault = current_app.extensions["vault"]
    return vault


def _fernet_key(secret: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(b"cartwright at rest " + secret.encode()).digest())
