"""Full text on SQLite: an FTS5 table over the documents, kept by triggers. It gives the newest of any words at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Select, Text, column, select, table

from app.products.models.search import SearchDocument

_FTS: Final = table("fts_document", column("rowid", BigInteger), column("fts_document", Text))


def has_words(whole: Sequence[str], beginning: str | None) -> ColumnElement[bool]:
    """The condition that a document has these words and one that begins so."""
    return SearchDocument.product_id.in_(_matching(whole, beginning))


def newest(whole: Sequence[str]) -> Select[int]:
    """The ids of the products that have all these words, the newest first."""
    return _matching(whole, None).order_by(_FTS.c.rowid.desc())


def _matching(whole: Sequence[str], beginning: str | None) -> Select[int]:
    terms = [f'"{word}"' for word in whole] + ([] if beginning is None else [f'"{beginning}"*'])
    return select(_FTS.c.rowid).where(_FTS.c.fts_document.bool_op("MATCH")(" AND ".join(terms)))
