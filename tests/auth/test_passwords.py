"""Passwords: what is accepted, and that a hash gives nothing away."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.auth import passwords
from app.core.errors import Invalid


@pytest.mark.parametrize("password", ["", "sevench", "x" * 129, "\ud800" * 8])
def test_a_password_that_breaks_a_rule_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refusal:
        passwords.hash_password(password)
    assert [error.pointer for error in refusal.value.errors] == ["/password"]


@settings(max_examples=10, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=8, max_size=128))
def test_a_password_opens_its_own_hash_and_no_other_does(password: str) -> None:
    stored = passwords.hash_password(password)
    assert password not in stored
    assert passwords.is_correct(password, stored)
    assert not passwords.is_correct(password + "x", stored)


def test_the_same_password_has_another_hash_each_time() -> None:
    assert passwords.hash_password("a good password") != passwords.hash_password("a good password")


@pytest.mark.parametrize("stored", [None, "", "not a hash", "$argon2id$v=19$m=8,t=1,p=1$"])
def test_without_a_proper_hash_no_password_is_right(stored: str | None) -> None:
    assert not passwords.is_correct("a good password", stored)


def test_todays_hashes_are_argon2id_and_not_outdated() -> None:
    stored = passwords.hash_password("a good password")
    assert stored.startswith("$argon2id$")
    assert not passwords.is_outdated(stored)


def test_generated_passwords_are_long_and_never_the_same() -> None:
    made = {passwords.generate_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) == 20 for password in made)
