"""The long-running work on the catalogue: what it is called, and who may see and stop it."""

from __future__ import annotations

from typing import Final

from app.operations.kinds import Kind

CATALOGUE: Final = 1
"""The slot of what writes to the catalogue."""

IMPORT: Final = "import"
EXPORT: Final = "export"
BULK: Final = "bulk"
UNDO: Final = "undo"

KINDS: Final = tuple(
    Kind(name=name, reads="products:read", writes="products:write", slot=slot)
    for name, slot in ((IMPORT, CATALOGUE), (EXPORT, None), (BULK, CATALOGUE), (UNDO, CATALOGUE))
)
