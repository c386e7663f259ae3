"""The first administrator, by service and by command; and what is kept of a person."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from app.auth.errors import EmailTaken
from app.auth.models import Role, User, UserRole
from app.auth.queries.access import Access, find_session_access
from app.auth.queries.accounts import has_administrator
from app.auth.roles import ADMIN, BUILT_IN
from app.auth.services import sessions
from app.auth.services.accounts import create_administrator
from app.auth.services.privacy import erase_person
from app.core import personal_data
from app.core.errors import Invalid
from app.core.extensions import db
from app.core.orm import utc_now
from app.core.permissions import CATALOGUE, system
from app.core.transactions import in_transaction
from tests.concurrency import at_once
from tests.servers import on_sqlite


def create(email: str = "ada@example.org", password: str = "a good password") -> int:
    return create_administrator(actor=system(), email=email, name="Ada", password=password, now=utc_now())


def log_in(user_id: int) -> str:
    """Start a session for a user; returns its name."""
    proof, client = sessions.Proof(user_id, "password", second_factor=False), sessions.Client("192.0.2.1", "test")
    started = sessions.start_session(proof=proof, kind="api", client=client, now=utc_now(), lifetime=timedelta(hours=1))
    return started.sid


def read(sid: str) -> Access | None:
    return find_session_access(sid, now=utc_now(), staff_second_factor=False)


def access_of(user_id: int) -> Access | None:
    """What a user may do who logs in now."""
    return read(log_in(user_id))


def users() -> int:
    return db.session.scalar(select(func.count()).select_from(User)) or 0


def run(app: Flask, *arguments: str, **environ: str) -> Result:
    return app.test_cli_runner().invoke(args=["user", "create-admin", *arguments], env=environ)


def test_an_administrator_has_every_permission_through_a_locked_role(context: Flask) -> None:
    assert not has_administrator()
    found = access_of(create())
    assert found is not None
    assert found.permissions == frozenset(CATALOGUE)
    assert (found.kind, found.name, found.lacks_second_factor) == ("user", "Ada", False)
    assert db.session.scalars(select(Role.name).where(Role.is_locked.is_(True))).all() == [ADMIN]
    assert has_administrator()


def test_a_second_administrator_shares_the_role(context: Flask) -> None:
    create()
    create("bob@example.org")
    assert users() == 2
    assert db.session.scalars(select(Role.name).order_by(Role.id)).all() == list(BUILT_IN)
    held = select(Role.name).join(UserRole, UserRole.role_id == Role.id)
    assert db.session.scalars(held).all() == [ADMIN, ADMIN]


@pytest.mark.parametrize("email", ["ada@example.org", "ADA@EXAMPLE.ORG", " ada@example.org "])
def test_an_address_in_use_is_refused(context: Flask, email: str) -> None:
    create()
    with pytest.raises(EmailTaken):
        create(email)
    assert users() == 1


def test_two_with_one_address_at_once_become_one(context: Flask) -> None:
    create("first@example.org")
    outcomes = at_once(context, create, create)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["EmailTaken", "int"]
    assert users() == 2


@pytest.mark.parametrize(
    "email", ["", "ada", "@", "ada@", "@example.org", "a b@example.org", "a@b@c", "a@b", "a" * 251 + "@b.c"]
)
@on_sqlite
def test_a_malformed_address_is_refused(context: Flask, email: str) -> None:
    with pytest.raises(Invalid) as refusal:
        create(email)
    assert [error.pointer for error in refusal.value.errors] == ["/email"]
    assert users() == 0


def test_the_command_prints_a_generated_password_once_and_it_works(app: Flask) -> None:
    made = run(app, "--if-none")
    assert made.exit_code == 0
    found = re.search(r"^Password, shown only now: (\S{20})$", made.output, re.MULTILINE)
    assert found
    login = {"email": "admin@localhost", "password": found[1]}
    assert app.test_client().post("/api/v1/auth/login", json=login).status_code == 200
    again = run(app, "--if-none")
    assert (again.exit_code, again.output) == (0, "")


@on_sqlite
def test_the_command_takes_address_and_password_from_the_environment_and_keeps_quiet_about_it(app: Flask) -> None:
    made = run(app, ADMIN_EMAIL="Boss@Example.org", ADMIN_PASSWORD="a good password")
    assert (made.exit_code, made.output) == (0, "Administrator: boss@example.org\n")
    login = {"email": "boss@example.org", "password": "a good password"}
    assert app.test_client().post("/api/v1/auth/login", json=login).status_code == 200


@on_sqlite
def test_the_command_generates_although_a_password_is_in_the_environment(app: Flask) -> None:
    made = run(app, "--generate", ADMIN_PASSWORD="a good password")
    assert made.exit_code == 0
    assert "a good password" not in made.output
    assert "shown only now" in made.output


@on_sqlite
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--email", "nobody", "--password", "a good password"], "email must be an email address"),
        (["--password", "short"], "password must have 8 to 128 characters."),
    ],
)
def test_the_command_says_what_is_wrong_and_creates_nobody(app: Flask, arguments: list[str], reason: str) -> None:
    refused = run(app, *arguments)
    assert refused.exit_code == 1
    assert reason in refused.output
    with app.app_context():
        assert users() == 0


@on_sqlite
def test_the_command_refuses_an_address_in_use(app: Flask) -> None:
    assert run(app, "--generate").exit_code == 0
    refused = run(app, "--generate")
    assert refused.exit_code == 1
    assert "admin@localhost belongs to another user." in refused.output


def test_what_is_kept_of_a_person_can_be_shown_and_erased(context: Flask) -> None:
    user_id = create()
    sid = log_in(user_id)
    assert read(sid) is not None
    assert personal_data.export(user_id)["auth"]["profile"]["email"] == "ada@example.org"

    @in_transaction
    def erase() -> None:
        personal_data.erase(user_id)

    erase()
    kept = str(personal_data.export(user_id))
    assert "ada" not in kept.lower().replace("erased", "")
    assert read(sid) is None
    assert not has_administrator()
    create()
    assert users() == 2


def test_a_person_who_is_not_there_has_no_data(context: Flask) -> None:
    assert personal_data.export(4711)["auth"] == {}
    in_transaction(lambda: erase_person(4711))()
    assert users() == 0
