"""How commands show that they were refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.core.errors import Refusal


@contextmanager
def refusals_shown() -> Iterator[None]:
    """Show a refusal as a sentence, with the fields it points at."""
    try:
        yield
    except Refusal as refusal:
        details = "; ".join(f"{error.pointer.lstrip('/')} {error.detail}" for error in refusal.errors)
        raise click.ClickException(details or refusal.detail) from None
