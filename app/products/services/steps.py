"""What a background worker does for the operations of the catalogue, by kind and state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.operations.models import OperationState
from app.operations.services.running import Step
from app.products import kinds
from app.products.services.bulk.actions import check_bulk, write_bulk
from app.products.services.bulk.undoing import write_undo
from app.products.services.exports.writing import write_export
from app.products.services.imports.checking import check_rows
from app.products.services.imports.reading import read_upload
from app.products.services.imports.writing import write_rows

STEPS: Final[Mapping[tuple[str, OperationState], Step]] = {
    (kinds.IMPORT, OperationState.READING): read_upload,
    (kinds.IMPORT, OperationState.CHECKING): check_rows,
    (kinds.IMPORT, OperationState.RUNNING): write_rows,
    (kinds.EXPORT, OperationState.RUNNING): write_export,
    (kinds.BULK, OperationState.CHECKING): check_bulk,
    (kinds.BULK, OperationState.RUNNING): write_bulk,
    (kinds.UNDO, OperationState.CHECKING): write_undo,
    (kinds.UNDO, OperationState.RUNNING): write_undo,
}
