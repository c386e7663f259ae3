"""Saying which variant of a product goes into a storefront's cart where a job does not say it.

They are looked up at the claim, like the profile: what holds when the product is visited counts, and a job over many
products carries nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select

from app.core import audit
from app.core.errors import FieldError, VersionRequired
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.products.errors import ProductNotFound
from app.products.events import ProductDeleted
from app.products.models.products import Product
from app.products.queries.products import find_products_by_asins
from app.rpa.errors import CartOptionsNotFound, CartOptionsRefused, CartOptionsStale
from app.rpa.models.cart_options import CartOptions
from app.rpa.models.storefronts import Storefront
from app.rpa.profiles.profile import CartPage, Profile
from app.rpa.services.profiles import lock_storefront

_NO_CART: Final = "cannot be chosen: the storefront's profile has no cart."

Wanted = Mapping[str, str] | None
"""Options, or None for none any more."""


@in_transaction
def put_cart_options(
    *,
    actor: Principal,
    product_id: int,
    storefront_id: int,
    expected_version: int | None,
    options: Mapping[str, str],
    now: datetime,
) -> CartOptions:
    """Let this variant of a product go into the storefront's cart where a job names no options, from the next claim on.

    ``expected_version`` is that of the options which these replace, None for the first ones. Raises StorefrontNotFound,
    ProductNotFound, VersionRequired, CartOptionsStale, or CartOptionsRefused for what the storefront's profile has no
    name for.
    """
    shop = lock_storefront(storefront_id)
    _require_version(_kept(shop.id, product_id), expected_version)
    faults = _faults(_cart_of(shop), options, "/options")
    if faults:
        raise CartOptionsRefused(_REFUSED, errors=tuple(faults))
    asin = _lock_products([product_id]).get(product_id)
    if asin is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    before, after = _write(shop.id, {product_id: (asin, options)}, now)
    if after:
        audit.record(
            actor=actor, action="cart_options.put", subject=("product", product_id),
            before={"storefront": shop.code, "options": before[asin]},
            after={"storefront": shop.code, "options": after[asin]},
        )  # fmt: skip
    return db.session.get_one(CartOptions, (shop.id, product_id))


@in_transaction
def delete_cart_options(
    *, actor: Principal, product_id: int, storefront_id: int, expected_version: int, now: datetime
) -> None:
    """Let the variant be what a job names, or the shop chooses.

    Raises StorefrontNotFound, CartOptionsNotFound, or CartOptionsStale when they are no longer at ``expected_version``.
    """
    shop = lock_storefront(storefront_id)
    row = _kept(shop.id, product_id)
    if row is None:
        raise CartOptionsNotFound("The product has no options on this storefront.")
    _require_version(row, expected_version)
    before, _ = _write(shop.id, {product_id: (row.asin, None)}, now)
    audit.record(
        actor=actor, action="cart_options.delete", subject=("product", product_id),
        before={"storefront": shop.code, "options": before[row.asin]},
    )  # fmt: skip


@in_transaction
def put_many_cart_options(
    *, actor: Principal, storefront_id: int, entries: Sequence[Mapping[str, Any]], now: datetime
) -> dict[str, int]:
    """Write the options of many products (``asin``, ``options``; None removes them), all or, when one is wrong, none.

    Returns how many have ``changed`` and how many were so already (``unchanged``). Raises StorefrontNotFound, or
    CartOptionsRefused that names the wrong entries.
    """
    shop = lock_storefront(storefront_id)
    known = find_products_by_asins(entry["asin"] for entry in entries)
    present = _lock_products(sorted(known.values()))
    faults = _faults_of(entries, {asin for asin, found in known.items() if found in present}, _cart_of(shop))
    if faults:
        raise CartOptionsRefused(_REFUSED, errors=tuple(faults[:_MOST_FAULTS]))
    before, after = _write(shop.id, {known[entry["asin"]]: (entry["asin"], entry["options"]) for entry in entries}, now)
    audit.record(
        actor=actor, action="cart_options.put_many", subject=("storefront", shop.id), before=before, after=after
    )
    return {"changed": len(after), "unchanged": len(entries) - len(after)}


def forget_cart_options(event: ProductDeleted) -> None:
    """Drop a deleted product's options in the open transaction."""
    session = db.session()
    count_changed(session, delete(CartOptions).where(CartOptions.product_id == event.product_id))


def unknown_options(cart: CartPage, options: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with options that the profile's cart has no name for, by name."""
    known = {option.name for option in cart.options}
    told = f"is no option of the storefront's profile; it has {', '.join(sorted(known)) or 'none'}."
    return {name: told for name in options if name not in known}


_REFUSED: Final = "The options cannot be kept."
_MOST_FAULTS: Final = 100


def _kept(storefront_id: int, product_id: int) -> CartOptions | None:
    return db.session.get(CartOptions, (storefront_id, product_id), populate_existing=True)


def _require_version(row: CartOptions | None, expected: int | None) -> None:
    if row is not None and expected is None:
        raise VersionRequired("There are options already: send If-Match with their ETag as you last read it.")
    if row is None and expected is not None:
        raise CartOptionsStale("There are no options any more; read them again.")
    if row is not None and row.version != expected:
        raise CartOptionsStale(f"The options are at version {row.version}, not {expected}; read them again.")


def _cart_of(shop: Storefront) -> CartPage | None:
    return Profile.from_document(shop.profile).cart


def _faults(cart: CartPage | None, options: Mapping[str, str], pointer: str) -> list[FieldError]:
    if cart is None:
        return [FieldError(pointer, _NO_CART, "body")]
    return [FieldError(f"{pointer}/{name}", told, "body") for name, told in unknown_options(cart, options).items()]


def _faults_of(entries: Sequence[Mapping[str, Any]], present: set[str], cart: CartPage | None) -> list[FieldError]:
    faults: list[FieldError] = []
    seen: set[str] = set()
    for at, entry in enumerate(entries):
        if entry["asin"] in seen:
            faults.append(FieldError(f"/entries/{at}/asin", "stands here twice.", "body"))
        elif entry["asin"] not in present:
            faults.append(FieldError(f"/entries/{at}/asin", "is not in the product master.", "body"))
        seen.add(entry["asin"])
        if entry["options"] is not None:
            faults += _faults(cart, entry["options"], f"/entries/{at}/options")
    return faults


def _lock_products(product_ids: Sequence[int]) -> dict[int, str]:
    """The ASINs of those that are there, by id; none of them is deleted before the transaction ends."""
    there = select(Product.id, Product.asin).where(Product.id.in_(product_ids), Product.deleted_at.is_(None))
    locked = there.order_by(Product.id).with_for_update(read=True)
    return {row.id: row.asin for row in db.session.execute(locked)}


def _write(
    storefront_id: int, wanted: Mapping[int, tuple[str, Wanted]], now: datetime
) -> tuple[dict[str, Wanted], dict[str, Wanted]]:
    """Write what differs; what was before and is now, by ASIN. The storefront is locked."""
    session = db.session()
    kept = select(CartOptions).where(
        CartOptions.storefront_id == storefront_id, CartOptions.product_id.in_(list(wanted))
    )
    rows = {row.product_id: row for row in session.scalars(kept.execution_options(populate_existing=True))}
    before: dict[str, Wanted] = {}
    after: dict[str, Wanted] = {}
    for product_id, (asin, options) in sorted(wanted.items()):
        row = rows.get(product_id)
        was = row.options if row is not None else None
        if was == options:
            continue
        before[asin], after[asin] = was, None if options is None else dict(options)
        if row is not None and options is None:
            session.delete(row)
        elif row is not None:
            row.options = dict(options or {})
            row.updated_at = max(now, row.updated_at + timedelta(microseconds=1))  # each change has another version
        else:
            _add(storefront_id, product_id, asin, dict(options or {}), now)
    session.flush()
    return before, after


def _add(storefront_id: int, product_id: int, asin: str, options: dict[str, str], now: datetime) -> None:
    row = CartOptions(storefront_id=storefront_id, product_id=product_id, asin=asin, options=options)
    row.created_at = row.updated_at = now
    db.session.add(row)
