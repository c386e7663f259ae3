"""What people decide about imports of sales: a file is sent, its columns are mapped, it is run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.core.errors import FieldError, Invalid
from app.core.permissions import Principal
from app.core.running import settings
from app.core.transactions import in_transaction
from app.operations.models import Operation
from app.operations.services.imports import decisions
from app.orders.kinds import SALES_IMPORT
from app.orders.sales_columns import NEEDED, TARGETS


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
    tax_included: bool | None = None,
    format: str | None = None,  # noqa: A002  # it is what it is called everywhere
    encoding: str | None = None,
    delimiter: str | None = None,
    ring: bool = True,
) -> Operation:
    """Begin to import the sales in the file ``upload`` in a folder of the file store.

    It is read, its columns are guessed, and a dry run says what it would add; with ``run`` it is done unasked.
    ``tax_included`` says whether gross and discount contain tax (None: as the shop's prices do now). ``limit`` is how
    many bytes an upload may have. Without ``ring`` the caller does the work itself.
    """
    with_tax = settings().checkout.tax_included if tax_included is None else tax_included
    arguments = {
        "filename": filename, "size": size, "limit": limit, "run": run, "tax_included": with_tax, "format": format,
        "encoding": encoding, "delimiter": delimiter,
    }  # fmt: skip
    return decisions.begin_import(
        actor=actor, now=now, kind=SALES_IMPORT, folder=folder, arguments=arguments, ring=ring
    )


@in_transaction
def map_columns(
    *, actor: Principal, now: datetime, import_id: int, expected_version: int, targets: Sequence[str | None]
) -> Operation:
    """Say what each column is, in the order of the columns (None: it is left out), and check anew.

    Raises OperationNotFound, OperationNotReady, OperationChanged, Invalid.
    """
    return decisions.map_columns(
        actor=actor,
        now=now,
        kind=SALES_IMPORT,
        import_id=import_id,
        expected_version=expected_version,
        targets=targets,
        check=_check_targets,
    )


@in_transaction
def start_import(*, actor: Principal, now: datetime, import_id: int, expected_version: int | None = None) -> Operation:
    """Add what the dry run showed, as soon as no other import of sales, or undo of one, is running.

    What was imported meanwhile is compared again. ``expected_version`` is the one that was looked at (None: whichever
    there is). Raises OperationNotFound, OperationNotReady, OperationChanged.
    """
    operation = decisions.get_checked(import_id, SALES_IMPORT, expected_version)
    decisions.run(operation, actor=actor, now=now)
    return operation


def _check_targets(targets: Sequence[str | None]) -> None:
    errors = [
        FieldError(f"/targets/{at}", f"must be null or {', '.join(TARGETS)}.")
        for at, target in enumerate(targets)
        if target is not None and target not in TARGETS
    ]
    errors += decisions.named_twice(targets)
    missing = [target for target in NEEDED if target not in targets]
    if missing:
        errors.append(FieldError("/targets", f"must name the columns that are {', '.join(missing)}."))
    if errors:
        raise Invalid("The request breaks a rule.", errors=tuple(errors))
