"""``flask product``: the product master from the command line."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import click
from flask.cli import AppGroup

from app.core.money import Money
from app.core.orm import utc_now
from app.core.permissions import system
from app.products.errors import AsinTaken
from app.products.importing import GoodRow, HeaderRefused, RefusedRow, read_products
from app.products.queries.listing import list_products
from app.products.schemas.products import ProductIn
from app.products.services import products as services

CHUNK: Final = 500
"""Rows per transaction."""

group = AppGroup("product", help="The product master.")


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def import_file(file: str) -> None:
    """Add and change products from a CSV FILE with the columns asin,name,brand,price,description, in UTF-8.

    Refused rows are shown with line number and rule; the others are imported. Ends with 1 if a row was refused.
    """
    counts, refused = services.ImportCounts(), 0
    try:
        with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            rows = read_products(lines, ProductIn(only=("asin", "name", "brand", "price", "description")).load)
            while chunk := list(islice(rows, CHUNK)):
                refused += _show_refused(chunk)
                good: list[dict[str, Any]] = [row.values for row in chunk if isinstance(row, GoodRow)]
                if good:
                    counts += _import(good)
    except HeaderRefused as problem:
        raise click.ClickException(f"{file}: {problem}") from problem
    click.echo(f"new {counts.new}, changed {counts.changed}, unchanged {counts.unchanged}, refused {refused}")
    if refused:
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


def _import(rows: list[dict[str, Any]]) -> services.ImportCounts:
    try:
        return services.import_products(actor=system(), now=utc_now(), rows=rows)
    except AsinTaken:  # somebody added one of them meanwhile: now it is there to be changed
        return services.import_products(actor=system(), now=utc_now(), rows=rows)


def _show_refused(rows: list[GoodRow | RefusedRow]) -> int:
    refused = [row for row in rows if isinstance(row, RefusedRow)]
    for row in refused:
        click.echo(f"line {row.line}: {row.reason}", err=True)
    return len(refused)
