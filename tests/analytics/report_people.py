"""People of the tests of reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import Flask

from tests.calls import add_person, token_of

READER: Final = frozenset({"reports:read", "sales:read"})
ANALYST: Final = READER | {"reports:write"}


@dataclass(frozen=True)
class Someone:
    """Somebody with an access token."""

    id: int
    email: str
    headers: dict[str, str]


def add_someone(app: Flask, email: str, permissions: frozenset[str]) -> Someone:
    """Somebody whose role has exactly these permissions."""
    with app.app_context():
        user_id = add_person(email=email, permissions=permissions)
    return Someone(user_id, email, {"Authorization": f"Bearer {token_of(app, user_id)}"})
