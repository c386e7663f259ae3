"""Whether the categories that somebody asks figures of exist: one that does not would look like one without sales."""

from __future__ import annotations

from app.core.errors import Invalid
from app.core.extensions import db
from app.products.models.categories import Category


def check_categories(**asked: int | None) -> None:
    """Refuse ids, by the names of the query's fields, of which there is no category; raises Invalid."""
    for field, category_id in asked.items():
        if category_id is not None and db.session.get(Category, category_id) is None:
            raise Invalid.field(f"/{field}", "There is no such category.", place="query")
