"""What people change of their own account."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from app.auth import preferences
from app.auth.errors import UserChanged, UserNotFound
from app.auth.models import User
from app.auth.services import access
from app.core import audit
from app.core.extensions import db
from app.core.permissions import Principal
from app.core.transactions import in_transaction

_PREFERENCES: Final = ("language", "time_zone", "theme", "notifications")


@in_transaction
def update_profile(*, actor: Principal, now: datetime, expected_version: int, **values: Any) -> None:
    """Change what is given of one's own name, language, time_zone, theme and notifications.

    Notifications that are not named stay as they are. Raises NotForKeys, UserChanged, Invalid.
    """
    actor.require_complete_login()
    kept = preferences.checked(values)
    user = db.session().get(User, actor.require_person(), with_for_update=True)
    if user is None:
        raise UserNotFound("This access belongs to no user.")
    if user.version != expected_version:
        raise UserChanged(f"The account has version {user.version}; this was based on {expected_version}.")
    if "notifications" in kept:
        kept["notifications"] = (user.notifications or {}) | (kept["notifications"] or {})
    before = {field: getattr(user, field) for field in kept}
    changed = [field for field in kept if kept[field] != before[field]]
    if not changed:
        return
    for field in changed:
        setattr(user, field, kept[field])
    user.version += 1
    user.updated_at = now
    shown = [field for field in changed if field in _PREFERENCES]  # never what a person is called
    audit.record(
        actor=actor,
        action="user.update_profile",
        subject=("user", user.id),
        before={field: before[field] for field in shown},
        after={field: kept[field] for field in shown} | {"also_changed": [f for f in changed if f not in shown]},
    )
    access.forget_users([user.id])
