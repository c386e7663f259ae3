"""Storefronts on this machine, where the operator has to allow every one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app


@contextmanager
def allowed(*ports: int) -> Iterator[None]:
    """Let the current application take profiles with these ports of 127.0.0.1, as ALLOWED_PRIVATE_TARGETS does."""
    extensions = current_app.extensions
    before = extensions["settings"]
    more = {("127.0.0.1", port) for port in ports}
    extensions["settings"] = dataclasses.replace(before, private_targets=before.private_targets | more)
    try:
        yield
    finally:
        extensions["settings"] = before
