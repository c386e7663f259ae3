"""Full text on PostgreSQL: a GIN index on the words as a tsvector, with no parser or dictionary of its own."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, bindparam, cast, func, literal_column
from sqlalchemy.dialects.postgresql import TSQUERY

from app.products.models.search import SearchDocument

_VECTOR = func.array_to_tsvector(func.string_to_array(func.btrim(SearchDocument.words), literal_column("' '")))


def has_words(whole: Sequence[str], beginning: str | None) -> ColumnElement[bool]:
    """The condition that a document has these words and one that begins so."""
    terms = [f"'{word}'" for word in whole] + ([] if beginning is None else [f"'{beginning}':*"])
    return _VECTOR.bool_op("@@")(cast(bindparam(None, " & ".join(terms)), TSQUERY))
