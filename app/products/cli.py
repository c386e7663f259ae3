"""``flask product``: the product master from the command line."""

from __future__ import annotations

import click
from flask import current_app
from rich.console import Console

from app.core.commands import CommandGroup
from app.core.money import Money
from app.operations.files.delimited import ENCODINGS
from app.operations.foreground import progress_bar
from app.operations.models import OperationState
from app.operations.queries import get_operation, refused_lines
from app.operations.services.operations import COUNTS
from app.products.importing import import_path
from app.products.queries.listing import list_products

group = CommandGroup("product", help="The product master.")


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--create-categories", is_flag=True, help="Make categories that are missing.")
@click.option("--encoding", type=click.Choice(ENCODINGS), help="Where it is not UTF-8.")
@click.option("--delimiter", help="What stands between the columns, where it is guessed wrongly.")
def import_file(file: str, dry_run: bool, create_categories: bool, encoding: str | None, delimiter: str | None) -> None:
    """Add and change products from a FILE: CSV, TSV, XLSX or JSON Lines, whose first line names the columns.

    Refused rows are shown with line number and rule; the others are imported. Ends with 1 if a row was refused.
    """
    with progress_bar(current_app._get_current_object(), Console(stderr=True)):  # type: ignore[attr-defined]  # noqa: SLF001  # Flask's own way to hand it to a thread
        operation_id = import_path(
            file, run=not dry_run, create_categories=create_categories, encoding=encoding, delimiter=delimiter
        )
    operation = get_operation(operation_id)
    if operation.state == OperationState.FAILED:
        raise click.ClickException(f"{file}: {operation.error_detail}")
    if operation.state == OperationState.MAPPING_NEEDED:
        names = ", ".join(column["name"] for column in operation.report["columns"])
        raise click.ClickException(f"{file}: none of the columns is the asin: {names[:300]}.")
    for line, why in refused_lines(operation):
        click.echo(f"line {line}: {why}", err=True)
    counts = (f"{name} {getattr(operation, f'{name}_count')}" for name in COUNTS)
    click.echo(", ".join(counts))
    if operation.refused_count:
        raise click.exceptions.Exit(1)


@group.command("list")
@click.option("--brand", help="Only this brand.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@click.option("--cursor", help="Where the list before ended.")
def list_some(brand: str | None, limit: int, cursor: str | None) -> None:
    """List products, oldest first."""
    page = list_products(limit=limit, cursor=cursor, brand=brand)
    for product in page.items:
        price = Money(product.price_minor, product.currency)
        click.echo(f"{product.id:>8}  {product.asin}  {price!s:>16}  {product.name} [{product.brand or '-'}]")
    if page.next_cursor:
        click.echo(f"More: --cursor {page.next_cursor}")
