"""Why something about long-running work is refused."""

from __future__ import annotations

from app.core.errors import Conflict, NotFound, StaleVersion


class OperationNotFound(NotFound):
    """No import, export or bulk action has this id."""

    code = "OPERATION_NOT_FOUND"


class OperationEnded(Conflict):
    """The operation has ended already."""

    code = "OPERATION_ENDED"


class OperationChanged(StaleVersion):
    """Somebody else has decided about the operation since the version that this was based on."""

    code = "OPERATION_CHANGED"


class OperationNotReady(Conflict):
    """The operation is not in the state that this needs."""

    code = "OPERATION_NOT_READY"


class FileGone(NotFound):
    """The operation has no such file, or it was deleted after its time."""

    code = "FILE_GONE"


class NothingToUndo(Conflict):
    """The operation changed nothing."""

    code = "NOTHING_TO_UNDO"


class AlreadyUndone(Conflict):
    """The operation has been undone, or is being undone."""

    code = "ALREADY_UNDONE"

    def __init__(self, detail: str, *, undone_by: int) -> None:
        super().__init__(detail)
        self.facts = {"undone_by_id": undone_by}
