"""Every kind of operation there is: who imports ``run_operation`` from here can run them all."""

from __future__ import annotations

from app.products.services import bulk, exports, imports, undoing
from app.products.services.running import run_operation

__all__ = ["bulk", "exports", "imports", "run_operation", "undoing"]
