"""What tests of figures share with those of the farm."""

from __future__ import annotations

from tests.rpa.conftest import farm, in_threads, master

__all__ = ["farm", "in_threads", "master"]
