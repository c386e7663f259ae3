"""What a background worker does for the operations of sales, by kind and state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.operations.models import OperationState
from app.operations.services.running import Step
from app.orders.kinds import SALES_IMPORT, SALES_UNDO
from app.orders.services.sales_imports.checking import check_rows
from app.orders.services.sales_imports.reading import read_upload
from app.orders.services.sales_imports.undoing import take_back
from app.orders.services.sales_imports.writing import write_rows

STEPS: Final[Mapping[tuple[str, OperationState], Step]] = {
    (SALES_IMPORT, OperationState.READING): read_upload,
    (SALES_IMPORT, OperationState.CHECKING): check_rows,
    (SALES_IMPORT, OperationState.RUNNING): write_rows,
    (SALES_UNDO, OperationState.RUNNING): take_back,
}
