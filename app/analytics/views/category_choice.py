"""Choosing the category that figures of sales are of: among the first ones beside the form, or on a page of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flask import url_for

from app.analytics.forms.sales import CategoryForm, SalesForm
from app.products.errors import CategoryNotFound
from app.products.models.categories import Category
from app.products.queries.categories import AT_THE_TOP, CategoryRecord, get_category, list_categories
from app.products.queries.category_search import parents_among, search_categories

_BESIDE: Final = 100
ON_A_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Categories:
    """The categories to choose among beside the form, the way to the chosen one, and where all of them are."""

    top: list[Category]
    all_of_them: str
    chosen: CategoryRecord | None = None
    path: list[Category] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Choice:
    """A category that can be chosen: the address of its figures, and that of what is below it."""

    name: str
    above: tuple[str, ...]
    """The names of all above it, the topmost first; of a list below one nothing."""
    href: str
    below: str | None
    """None where there is nothing below it."""


@dataclass(frozen=True, slots=True)
class Choices:
    """A page of categories: those below one, or those that words were found in."""

    items: list[Choice]
    count: int
    """How many were found; of a list those that are shown."""
    next_cursor: str | None
    here: CategoryRecord | None
    """What they are below; None at the top."""
    path: list[tuple[str, str]]
    """The way there, each with its address."""
    back: str
    all_of_them: str


def read_categories(form: SalesForm) -> Categories:
    """The categories at the top; says at the field that the chosen one is not there."""
    top = list_categories(limit=_BESIDE, parent_id=AT_THE_TOP).items
    everything = url_for("sales_pages.categories", **form.kept)
    if form.category_id is None:
        return Categories(list(top), everything)
    try:
        chosen = get_category(form.category_id)
    except CategoryNotFound:
        form.lack_category()
        return Categories(list(top), everything)
    return Categories(list(top), everything, chosen, chosen.ancestors)


def read_choices(form: CategoryForm, *, cursor: str | None) -> Choices:
    """What a page of categories shows. Raises CategoryNotFound for a parent that is not there."""
    here = get_category(form.parent_id) if form.parent_id else None
    if form.words:
        found, count = search_categories(form.words, limit=ON_A_PAGE)
        items, following = _choices(form, {each.id: (each.name, each.above) for each in found}), None
    else:
        page = list_categories(limit=ON_A_PAGE, cursor=cursor, parent_id=form.parent_id or AT_THE_TOP)
        items, following = _choices(form, {each.id: (each.name, ()) for each in page.items}), page.next_cursor
        count = len(items)
    way = [(each.name, each.id) for each in here.ancestors] + [(here.name, here.id)] if here else []
    return Choices(
        items=items,
        count=count,
        next_cursor=following,
        here=here,
        path=[(name, _below(form.kept, id_)) for name, id_ in way],
        back=url_for("sales_pages.index", **form.kept),
        all_of_them=url_for("sales_pages.categories", **form.kept),
    )


def _choices(form: CategoryForm, found: Mapping[int, tuple[str, tuple[str, ...]]]) -> list[Choice]:
    parents = parents_among(found) if found else set()
    return [
        Choice(
            name, above, url_for("sales_pages.index", **form.kept, category=id_),
            _below(form.kept, id_) if id_ in parents else None,
        )
        for id_, (name, above) in found.items()
    ]  # fmt: skip


def _below(kept: Mapping[str, Any], category_id: int) -> str:
    return url_for("sales_pages.categories", **kept, parent=category_id)
