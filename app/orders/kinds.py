"""The long-running work on sales: what it is called, and who may see and stop it."""

from __future__ import annotations

from typing import Final

from app.operations.kinds import Kind

SALES: Final = 2
"""The slot of what adds and takes back sales of the past."""

SALES_IMPORT: Final = "sales_import"
SALES_UNDO: Final = "sales_undo"

KINDS: Final = tuple(
    Kind(name=name, reads="sales:read", writes="sales:write", slot=SALES) for name in (SALES_IMPORT, SALES_UNDO)
)
