"""Full text on PostgreSQL: a GIN index on the words as a tsvector, with no parser or dictionary of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod
from typing import Final

from sqlalchemy import ColumnElement, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import TSQUERY

from app.core.extensions import db
from app.products.models.search import SearchDocument

MANY: Final = 20_000
"""So many hits are read and sorted at once."""
_VECTOR = func.array_to_tsvector(func.string_to_array(func.btrim(SearchDocument.words), literal_column("' '")))


def has_words(whole: Sequence[str], beginning: str | None) -> ColumnElement[bool]:
    """The condition that a document has these words and one that begins so."""
    terms = [f"'{word}'" for word in whole] + ([] if beginning is None else [f"'{beginning}':*"])
    return _VECTOR.bool_op("@@")(cast(bindparam(None, " & ".join(terms)), TSQUERY))


def can_look_up(documents: Collection[int]) -> bool:
    """Whether words that so many products have can be looked up together: that is, their hits are likely not MANY.

    The lists of the index are intersected before a product is read.
    """
    if not documents:
        return False
    products = db.session.scalar(select(func.max(SearchDocument.product_id))) or 1
    rarest, *others = sorted(documents)
    return rarest * prod(other / max(products, other) for other in others) <= MANY
