"""What accounts tell the domains above."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session begins, whichever way somebody has proven who they are; published inside its transaction."""

    user_id: int
    visitor: str | None
    """The hash of the guest's token that came with the login (``app.auth.visitor``)."""
    now: datetime
