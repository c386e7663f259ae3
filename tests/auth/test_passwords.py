"""Passwords: what is accepted, and that a hash gives nothing away."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth import passwords
from app.core.errors import Invalid
from tests.servers import on_sqlite

EMAIL = "ada.lovelace@example.org"


def hashed(password: str, email: str = EMAIL) -> str:
    return passwords.hash_password(password, email=email)


def problems(password: str, email: str = EMAIL) -> list[str]:
    with pytest.raises(Invalid) as refusal:
        passwords.hash_password(password, email=email, field="new_password")
    assert {error.pointer for error in refusal.value.errors} == {"/new_password"}
    return [error.detail for error in refusal.value.errors]


@pytest.mark.parametrize("password", ["", "sevench", "x" * 129, "ﷺ" * 8])
def test_a_password_that_is_too_short_or_too_long_is_refused(password: str) -> None:
    assert "must have 8 to 128 characters." in problems(password)


@on_sqlite
@pytest.mark.parametrize(
    ("path", "field", "rest"),
    [
        ("/auth/register", "password", {"email": "b@example.org", "name": "B"}),
        ("/auth/reset-password", "password", {"token": "x"}),
        ("/me/password", "new_password", {"current_password": "x"}),
    ],
)
@pytest.mark.parametrize("length", [0, 129])
def test_the_api_refuses_a_new_password_of_a_wrong_length_with_the_whole_rule(
    client: FlaskClient, auth_headers: dict[str, str], path: str, field: str, rest: dict[str, str], length: int
) -> None:
    refused = client.post(f"/api/v1{path}", json=rest | {field: "x" * length}, headers=auth_headers)
    assert refused.status_code == 422
    errors = {error["pointer"]: error["detail"] for error in refused.get_json()["errors"]}
    assert errors == {f"/{field}": "must have 8 to 128 characters."}


def test_a_password_that_is_no_text_is_refused() -> None:
    assert problems("\ud800" * 8) == ["must be valid Unicode."]


@pytest.mark.parametrize(
    "password", ["password", "PassWord1", "12345678", "qwertyuiop", "ｐａｓｓｗｏｒｄ", "trustno1"]
)
def test_a_common_password_is_refused_in_any_case_and_width(password: str) -> None:
    assert problems(password) == ["is one of the most common passwords; choose another."]


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (EMAIL, "my Ada.Lovelace@example.org 1"),
        (EMAIL, "xx ADA.LOVELACE xx"),
        ("ada.lovelace+shop@example.org", "x ada.lovelace y"),
        ("a@b.co", "secret for a@b.co"),
    ],
)
def test_a_password_with_the_address_in_it_is_refused(email: str, password: str) -> None:
    assert problems(password, email) == ["must not contain the email address or its part before the @."]


def test_a_short_name_may_occur_in_a_password() -> None:
    assert passwords.is_correct("a canadian bear", hashed("a canadian bear", "ada@example.org"))


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "a good password", "Пароль из слов", "🐎🔋🐎🔋🐎🔋🐎🔋"]
)
def test_a_good_password_is_accepted_whatever_it_is_made_of(password: str) -> None:
    assert passwords.is_correct(password, hashed(password))


def test_what_only_looks_composed_differently_is_the_same_password() -> None:
    composed = "crème brûlée à la carte"
    apart = unicodedata.normalize("NFD", composed)
    assert apart != composed
    assert passwords.is_correct(apart, hashed(composed))
    assert passwords.is_correct(composed, hashed(apart))


def test_a_hash_from_before_passwords_were_normalised_still_works() -> None:
    typed = "ﬁve ligatures of ﬁsh"
    old = PasswordHasher().hash(typed)
    assert passwords.is_correct(typed, old)
    assert not passwords.is_correct("five ligatures of fish", old)


@settings(max_examples=10, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=20, max_size=40))
def test_a_password_opens_its_own_hash_and_no_other_does(password: str) -> None:
    stored = passwords.hash_again(password)
    assert password not in stored
    assert passwords.is_correct(password, stored)
    assert not passwords.is_correct(password + "x", stored)


def test_the_same_password_has_another_hash_each_time() -> None:
    assert hashed("a good password") != hashed("a good password")


@pytest.mark.parametrize("stored", [None, "", "not a hash", "$argon2id$v=19$m=8,t=1,p=1$"])
def test_without_a_proper_hash_no_password_is_right(stored: str | None) -> None:
    assert not passwords.is_correct("a good password", stored)


def test_todays_hashes_are_argon2id_and_not_outdated() -> None:
    stored = hashed("a good password")
    assert stored.startswith("$argon2id$")
    assert not passwords.is_outdated(stored)


def test_generated_passwords_are_long_and_never_the_same() -> None:
    made = {passwords.generate_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) == 20 for password in made)


def test_the_list_of_common_passwords_is_loaded_when_it_is_first_needed_and_nothing_of_its_package_stays() -> None:
    program = (
        "import sys; from app.auth import passwords; print(passwords._common.cache_info().currsize);"
        "passwords.hash_password('a good password', email='ada@example.org');"
        "print(passwords._common.cache_info().currsize, len(passwords._common()) > 10_000, 'zxcvbn' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.split() == ["0", "1", "True", "False"]
