"""What to show beside a product: for the API and for product pages, in three statements whatever there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from sqlalchemy import Select, select, true

from app.analytics.models.recommendations import BestSeller, Recommendation
from app.analytics.rules.recommendations import (
    MOST_SHOWN,
    SHOP_SCOPE,
    Kind,
    Reason,
    Traits,
    brand_scope,
    category_scope,
    likeness,
)
from app.core.extensions import db
from app.core.orm import table_of
from app.products.errors import ProductNotFound
from app.products.models.products import Product
from app.products.models.stock import Stock

_CATEGORIES: Final = 10
"""Of a product, whose best sellers are looked at."""
_PRODUCT: Final = table_of(Product)
_STOCK: Final = table_of(Stock)
_BEST: Final = table_of(BestSeller)
_RECOMMENDED: Final = table_of(Recommendation)
_SHOWN: Final = (
    _PRODUCT.c.id,
    *(_PRODUCT.c[name] for name in ("asin", "name", "brand", "price_minor", "currency", "images", "categories")),
)


@dataclass(frozen=True, slots=True)
class Recommended:
    """A product to show, why, and how much it belongs there (0 to 1; None of best sellers)."""

    product: Any
    reason: Reason
    why: str
    score: Decimal | None

    @property
    def currency(self) -> str:
        """Of the price."""
        found: str = self.product.currency
        return found

    @property
    def score_text(self) -> str | None:
        """The score as a plain decimal with six places."""
        return None if self.score is None else f"{self.score:.6f}"

    @property
    def is_fallback(self) -> bool:
        """Whether it is there only because too little is known of the product."""
        return self.reason not in {Reason.BOUGHT_TOGETHER, Reason.SIMILAR}


def recommend_with(asin: str, *, kind: Kind = Kind.BOUGHT_TOGETHER, limit: int = 10) -> list[Recommended]:
    """Products to show beside this one, the best first, at most MOST_SHOWN.

    All are active and available. Where too few are known, best sellers of the product's categories, its brand and then
    of the shop follow. Raises ProductNotFound for an ASIN that no product has.
    """
    product = db.session.execute(
        select(*_SHOWN).where(_PRODUCT.c.asin == asin, _PRODUCT.c.deleted_at.is_(None))
    ).first()
    if product is None:
        raise ProductNotFound(f"There is no product {asin}.")
    best = _best_sellers(product)
    own = _bought_with(product) if kind == Kind.BOUGHT_TOGETHER else _similar_to(product, best)
    every = (*own, *_fallback(product, best))
    return list(islice(_each_once(every, but=product.id), max(1, min(limit, MOST_SHOWN))))


def _bought_with(product: Any) -> Sequence[Recommended]:
    wanted = _available(_RECOMMENDED.c.score_ppm).join(_RECOMMENDED, _RECOMMENDED.c.other_id == _PRODUCT.c.id)
    wanted = wanted.where(_RECOMMENDED.c.product_id == product.id)
    rows = db.session.execute(wanted.order_by(_RECOMMENDED.c.score_ppm.desc(), _PRODUCT.c.id).limit(MOST_SHOWN))
    why = f"Often bought together with {product.name}"
    return [Recommended(row, Reason.BOUGHT_TOGETHER, why, Decimal(row.score_ppm).scaleb(-6)) for row in rows]


def _similar_to(product: Any, candidates: Sequence[Any]) -> Sequence[Recommended]:
    """The most alike of the best sellers of its categories and brand."""
    own = _traits(product)
    scored = [(likeness(own, _traits(row)), row) for row in {row.id: row for row in candidates}.values()]
    ranked = sorted(scored, key=lambda each: (-each[0], each[1].id))
    return [Recommended(row, Reason.SIMILAR, _alike(own, row), score) for score, row in ranked if score]


def _alike(own: Traits, other: Any) -> str:
    said = ["the same category"] if own.categories & set(other.categories) else []
    said += ["the same brand"] if own.brand is not None and own.brand == other.brand else []
    return f"Of {' and '.join(said)}"


def _fallback(product: Any, best: Sequence[Any]) -> Iterator[Recommended]:
    for reason, scopes, why in _sources(product):
        for row in best:
            if row.scope in scopes and row.units > 0:
                yield Recommended(row, reason, why, None)


def _sources(product: Any) -> Iterator[tuple[Reason, frozenset[str], str]]:
    categories = product.categories[:_CATEGORIES]
    yield Reason.CATEGORY, frozenset(map(category_scope, categories)), "Sells best in the same category"
    if product.brand is not None:
        yield Reason.BRAND, frozenset({brand_scope(product.brand)}), f"Sells best of {product.brand}"
    yield Reason.SHOP, frozenset({SHOP_SCOPE}), "Sells best in the shop"


def _best_sellers(product: Any) -> Sequence[Any]:
    """The lists of its categories, its brand and the shop, those in front first."""
    scopes = [scope for _, some, _ in _sources(product) for scope in some]
    wanted = _available(_BEST.c.scope, _BEST.c.units).join(_BEST, _BEST.c.product_id == _PRODUCT.c.id)
    return db.session.execute(wanted.where(_BEST.c.scope.in_(scopes)).order_by(_BEST.c.position, _BEST.c.scope)).all()


def _available(*columns: Any) -> Select[Any]:
    """Products that a customer could buy now."""
    shown = select(*_SHOWN, *columns).select_from(_PRODUCT).join(_STOCK, _STOCK.c.product_id == _PRODUCT.c.id)
    fit = (_PRODUCT.c.is_active == true(), _PRODUCT.c.deleted_at.is_(None), _STOCK.c.is_available == true())
    return shown.where(*fit)


def _each_once(every: Iterable[Recommended], *, but: int) -> Iterator[Recommended]:
    seen = {but}
    for each in every:
        if each.product.id not in seen:
            seen.add(each.product.id)
            yield each


def _traits(product: Any) -> Traits:
    return Traits(frozenset(product.categories), product.brand, product.price_minor, product.currency)
