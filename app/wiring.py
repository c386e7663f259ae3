"""What lower domains set off in upper ones, and who keeps personal data: every connection in one place."""

from __future__ import annotations


def connect() -> None:
    """Connect the domains; safe to call again."""
