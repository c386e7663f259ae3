"""Every kind of operation there is: who imports ``run_operation`` from here can run them all."""

from __future__ import annotations

from app.products.services import imports
from app.products.services.running import run_operation

__all__ = ["imports", "run_operation"]
