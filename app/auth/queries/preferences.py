"""What somebody has chosen about themselves."""

from __future__ import annotations

from sqlalchemy import select

from app.auth.errors import UserNotFound
from app.auth.models import User
from app.core.display import Display
from app.core.extensions import db


def find_display(user_id: int) -> Display | None:
    """Theme, language and time zone of a user, by one read of the primary key."""
    row = db.session.execute(select(User.theme, User.language, User.time_zone).where(User.id == user_id)).one_or_none()
    return None if row is None else Display(row.theme, row.language, row.time_zone)


def get_own(user_id: int) -> User:
    """One's own account with what one has chosen; raises UserNotFound."""
    user = db.session.get(User, user_id)
    if user is None or user.erased_at is not None:
        raise UserNotFound("This access belongs to no user.")
    return user
