"""Stored secrets are encrypted, and the key can be changed while there are some, on every database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import Text, insert, select, type_coerce, update

from app.auth.models import OauthProvider, Totp, User
from app.config import Settings
from app.core.extensions import db
from app.core.transactions import in_transaction
from app.core.vault import UnreadableSecret, count_secrets
from tests.conftest import AppWith

AT = datetime(2026, 1, 1, tzinfo=UTC)
MANY = 501
"""One more than are encrypted again in one transaction."""
NEW = "a new key, which is long enough to pass"


@pytest.fixture
def secrets(app: Flask) -> Flask:
    """The application with many authenticator apps and one provider in the database."""

    @in_transaction
    def keep() -> None:
        session = db.session()
        for number in range(1, MANY + 1):
            session.add(User(id=number, email=f"u{number}@example.org", name="U", created_at=AT, updated_at=AT))
        session.flush()
        rows = [{"user_id": number, "secret": f"SEED!{number}", "created_at": AT} for number in range(1, MANY + 1)]
        session.execute(insert(Totp), rows)
        provider = OauthProvider(code="x", name="X", preset="oidc", client_id="c", client_secret="hidden")
        provider.created_at = provider.updated_at = AT
        session.add(provider)

    with app.app_context():
        keep()
    return app


def stored(app: Flask) -> dict[int, str]:
    """The seeds as the database has them, by user."""
    with app.app_context():
        return {row.user_id: row[1] for row in db.session.execute(select(Totp.user_id, type_coerce(Totp.secret, Text)))}


def read(app: Flask) -> set[str]:
    """Every secret as the program sees it."""
    with app.app_context():
        return {*db.session.scalars(select(Totp.secret)), *db.session.scalars(select(OauthProvider.client_secret))}


SECRETS = {*(f"SEED!{number}" for number in range(1, MANY + 1)), "hidden"}


def rotate(app: Flask, command: str = "rotate") -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["secrets", command])
    return result.exit_code, result.output.strip()


def test_a_secret_is_not_in_the_database_and_no_two_are_stored_alike(secrets: Flask) -> None:
    kept = stored(secrets)
    assert not any("SEED!" in text for text in kept.values())
    assert len(set(kept.values())) == MANY
    assert read(secrets) == SECRETS


def test_the_key_can_be_changed_and_the_old_one_forgotten(
    secrets: Flask, app_with: AppWith, settings: Settings
) -> None:
    before = stored(secrets)
    both = app_with(encryption_key=NEW, old_encryption_keys=(settings.encryption_key,))
    assert read(both) == SECRETS
    assert rotate(both) == (0, f"{MANY + 1} secrets are now encrypted with ENCRYPTION_KEY.")
    after = stored(both)
    assert not set(before.values()) & set(after.values())
    only_new = app_with(encryption_key=NEW)
    assert read(only_new) == SECRETS
    assert rotate(only_new, "check") == (0, f"{MANY + 1} secrets can be read.")
    with only_new.app_context():
        assert db.session.scalars(select(OauthProvider.updated_at)).one() == AT


def test_without_the_old_key_nothing_is_read_and_nothing_is_changed(secrets: Flask, app_with: AppWith) -> None:
    before = stored(secrets)
    other = app_with(encryption_key=NEW)
    for command in ("check", "rotate"):
        code, said = rotate(other, command)
        assert code == 1
        assert f"{MANY + 1} secrets cannot be read" in said
    assert stored(secrets) == before
    with other.app_context(), pytest.raises(UnreadableSecret):
        db.session.scalars(select(Totp.secret)).all()


def test_one_damaged_secret_keeps_no_other_from_the_new_key(
    secrets: Flask, app_with: AppWith, settings: Settings
) -> None:
    @in_transaction
    def damage() -> None:
        one = update(Totp.__table__).where(Totp.user_id == 7)  # type: ignore[arg-type]  # the table itself
        db.session.execute(one.values(secret=type_coerce("damaged", Text)))

    with secrets.app_context():
        damage()
    both = app_with(encryption_key=NEW, old_encryption_keys=(settings.encryption_key,))
    code, said = rotate(both)
    assert code == 1
    assert said.startswith(f"{MANY} secrets are now encrypted with ENCRYPTION_KEY.")
    assert stored(both)[7] == "damaged"
    with app_with(encryption_key=NEW).app_context():
        counts = count_secrets()
    assert (counts.readable, counts.unreadable) == (MANY, 1)
