"""What people decide about imports: a file is sent, its columns are mapped, what the dry run showed is meant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from app.core.errors import FieldError, Invalid
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.operations.models import Operation
from app.operations.services.imports import decisions
from app.products import kinds
from app.products.columns import ATTRIBUTE, TARGETS, THRESHOLD, is_target

_FOR_THRESHOLDS: Final = "stock:write"


@in_transaction
def create_import(
    *,
    actor: Principal,
    now: datetime,
    folder: str,
    filename: str,
    size: int,
    limit: int,
    run: bool = False,
    create_categories: bool = False,
    format: str | None = None,  # noqa: A002  # it is what it is called everywhere
    encoding: str | None = None,
    delimiter: str | None = None,
    ring: bool = True,
) -> Operation:
    """Begin to import the file ``upload`` in a folder of the file store.

    It is read, its columns are guessed, and a dry run says what it would change; with ``run`` it is done unasked.
    ``limit`` is how many bytes an upload may have. Without ``ring`` the caller does the work itself. For an actor who
    may not set thresholds no column is guessed to be one.
    """
    arguments = {
        "filename": filename, "size": size, "limit": limit, "run": run, "create_categories": create_categories,
        "format": format, "encoding": encoding, "delimiter": delimiter,
        "may_set_thresholds": actor.may(_FOR_THRESHOLDS),
    }  # fmt: skip
    return decisions.begin_import(
        actor=actor, now=now, kind=kinds.IMPORT, folder=folder, arguments=arguments, ring=ring
    )


@in_transaction
def map_columns(
    *, actor: Principal, now: datetime, import_id: int, expected_version: int, targets: Sequence[str | None]
) -> Operation:
    """Say which attribute each column has, in the order of the columns (None: it is left out), and check anew.

    Raises OperationNotFound, OperationNotReady, OperationChanged, Invalid, and PermissionMissing for a column of
    thresholds and an actor who may not set them.
    """

    def check(targets: Sequence[str | None]) -> None:
        _check_targets(targets)
        _check_permission(actor, targets)

    return decisions.map_columns(
        actor=actor,
        now=now,
        kind=kinds.IMPORT,
        import_id=import_id,
        expected_version=expected_version,
        targets=targets,
        check=check,
    )


@in_transaction
def start_import(
    *, actor: Principal, now: datetime, import_id: int, expected_version: int | None = None, ring: bool = True
) -> Operation:
    """Write to the catalogue what the dry run showed, as soon as no other operation writes.

    What has changed in the catalogue meanwhile is compared again. ``expected_version`` is the one that was looked at
    (None: whichever there is). Raises OperationNotFound, OperationNotReady, OperationChanged, and PermissionMissing
    where thresholds would be set by an actor who may not.
    """
    operation = decisions.get_checked(import_id, kinds.IMPORT, expected_version)
    _check_permission(actor, decisions.targets_of(operation))
    decisions.run(operation, actor=actor, now=now, ring=ring)
    return operation


def _check_permission(actor: Principal, targets: Sequence[str | None]) -> None:
    """Raise PermissionMissing where thresholds would be set by somebody who may not set them otherwise."""
    if THRESHOLD in targets:
        actor.require(_FOR_THRESHOLDS)


def _check_targets(targets: Sequence[str | None]) -> None:
    errors = [
        FieldError(f"/targets/{at}", f"must be null, {', '.join(TARGETS)} or {ATTRIBUTE} and a name.")
        for at, target in enumerate(targets)
        if target is not None and not is_target(target)
    ]
    errors += decisions.named_twice(targets)
    if "asin" not in targets:
        errors.append(FieldError("/targets", "must name the column that is the asin."))
    if errors:
        raise Invalid("The request breaks a rule.", errors=tuple(errors))
