"""Full text on SQLite: an FTS5 table over the documents, kept by triggers. It gives the newest of any words at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Text, column, select, table

from app.products.models.search import SearchDocument

FTS: Final = table("fts_document", column("rowid", BigInteger), column("fts_document", Text))
"""The full text index as a table, whose rows are found in the order of ids."""


def has_words(whole: Sequence[str], beginning: str | None) -> ColumnElement[bool]:
    """The condition that a document has these words and one that begins so."""
    return SearchDocument.product_id.in_(select(FTS.c.rowid).where(matches(whole, beginning)))


def matches(whole: Sequence[str], beginning: str | None) -> ColumnElement[bool]:
    """The same as a condition on the index."""
    terms = [f'"{word}"' for word in whole] + ([] if beginning is None else [f'"{beginning}"*'])
    return FTS.c.fts_document.bool_op("MATCH")(" AND ".join(terms))
