"""What people decide about imports, whatever is imported: it is begun, its columns are mapped, it is run.

All of it happens in the open transaction of the domain that imports; what its columns may be, it has checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from app.core import audit
from app.core.errors import FieldError, Invalid
from app.core.permissions import Principal
from app.operations.errors import OperationNotReady
from app.operations.kinds import spoken
from app.operations.models import Operation, OperationState
from app.operations.services import operations

UPLOAD: Final = "upload"
_KEPT: Final = ("format", "encoding", "delimiter")
"""What is known of a file, however its columns are mapped."""


def begin_import(
    *, actor: Principal, now: datetime, kind: str, folder: str, arguments: Mapping[str, Any], ring: bool = True
) -> Operation:
    """Begin to import the file ``UPLOAD`` in a folder of the file store; without ``ring`` the caller does the work.

    ``arguments`` have ``filename``, ``size``, ``limit`` (how many bytes an upload may have), ``run``, ``format``,
    ``encoding`` and ``delimiter``.
    """
    operation = operations.add_operation(
        actor=actor,
        now=now,
        kind=kind,
        state=OperationState.READING,
        arguments=arguments,
        cursor={"upload": f"{folder}/{UPLOAD}"},
        folder=folder,
        ring=ring,
    )
    audit.record(actor=actor, action=f"{kind}.create", subject=("operation", operation.id), after=dict(arguments))
    return operation


def map_columns(
    *,
    actor: Principal,
    now: datetime,
    kind: str,
    import_id: int,
    expected_version: int,
    targets: Sequence[str | None],
    check: Callable[[Sequence[str | None]], None],
) -> Operation:
    """Say what each column is, in the order of the columns (None: it is left out), and check the rows anew.

    ``check`` raises what forbids the targets. Raises OperationNotFound, OperationNotReady, OperationChanged, Invalid
    for another number of targets than of columns.
    """
    operation = operations.get_for_decision(import_id, kind)
    if operation.state not in {OperationState.MAPPING_NEEDED, OperationState.CHECKED}:
        raise OperationNotReady(f"The columns of an import that is {operation.state} cannot be mapped.")
    operations.require_version(operation, expected_version)
    columns: list[dict[str, Any]] = operation.report["columns"]
    if len(targets) != len(columns):
        raise Invalid.field("/targets", f"must name {len(columns)} targets, one for each column.")
    check(targets)
    before = [column["target"] for column in columns]
    mapped = [
        column | ({} if column["target"] == target else {"target": target, "guessed_by": None})
        for column, target in zip(columns, targets, strict=True)
    ]
    operation.report = {name: operation.report[name] for name in _KEPT} | {"columns": mapped}
    operation.cursor = {name: operation.cursor[name] for name in ("upload", "staged")}
    for name in operations.COUNTS:
        setattr(operation, f"{name}_count", 0)
    operations.enter(operation, OperationState.CHECKING, now)
    operation.version += 1
    operations.ring_for(operation)
    audit.record(
        actor=actor,
        action=f"{kind}.map",
        subject=("operation", operation.id),
        before={"targets": before},
        after={"targets": list(targets)},
    )
    return operation


def get_checked(import_id: int, kind: str, expected_version: int | None) -> Operation:
    """The locked row of an import that may be run; ``expected_version`` is the one that was looked at (None: any).

    Raises OperationNotFound, OperationNotReady, OperationChanged.
    """
    operation = operations.get_for_decision(import_id, kind)
    if expected_version is not None:
        operations.require_version(operation, expected_version)
    if operation.state != OperationState.CHECKED:
        raise OperationNotReady(f"The {spoken(kind)} is {operation.state}; it can be run when it is CHECKED.")
    return operation


def run(operation: Operation, *, actor: Principal, now: datetime, ring: bool = True) -> None:
    """Have what the dry run showed written, as soon as no other operation writes to the same."""
    operations.enter(operation, OperationState.QUEUED, now)
    operation.version += 1
    if ring:
        operations.ring_for(operation)
    audit.record(
        actor=actor,
        action=f"{operation.kind}.run",
        subject=("operation", operation.id),
        before={"state": OperationState.CHECKED},
        after={"state": operation.state},
    )


def targets_of(operation: Operation) -> list[str | None]:
    """What the columns of an import are taken for."""
    return [column["target"] for column in operation.report["columns"]]


def named_twice(targets: Sequence[str | None]) -> list[FieldError]:
    """What is wrong with targets of which one is that of two columns."""
    return [
        FieldError(f"/targets/{at}", f"{target} is the target of another column already.")
        for at, target in enumerate(targets)
        if target is not None and target in targets[:at]
    ]
