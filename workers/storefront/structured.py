"""A page's own statements about its product: JSON-LD, microdata and OpenGraph, read as schema.org means them.

All of it is a stranger's data: any type may stand anywhere, and nothing here raises for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from app.rpa.rules.readings import Availability
from workers.storefront.page_data import PageData, as_written

_MAX_NODES: Final = 5_000
_PRODUCTS: Final = frozenset({"product", "individualproduct", "productmodel", "productgroup", "vehicle", "book"})
_CONTAINERS: Final = ("@graph", "mainEntity", "hasVariant", "itemOffered")
"""Where a page's own products stand. Related and similar products, and lists of others, are not looked into."""
_IDENTIFIERS: Final = ("sku", "productID", "asin", "mpn", "url", "@id", "productGroupID", "identifier")
_OTHER_PRICES: Final = ("list", "strikethrough", "srp", "msrp", "suggested", "minimumadvertised", "invoice")
_AVAILABILITIES: Final = {
    "instock": Availability.IN_STOCK,
    "in stock": Availability.IN_STOCK,
    "onlineonly": Availability.IN_STOCK,
    "limitedavailability": Availability.LIMITED,
    "outofstock": Availability.OUT_OF_STOCK,
    "out of stock": Availability.OUT_OF_STOCK,
    "oos": Availability.OUT_OF_STOCK,
    "soldout": Availability.OUT_OF_STOCK,
    "preorder": Availability.PREORDER,
    "presale": Availability.PREORDER,
    "backorder": Availability.BACKORDER,
    "available for order": Availability.BACKORDER,
    "discontinued": Availability.DISCONTINUED,
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One value of a field: ``value`` as the data had it (text, int or Decimal), ``currency`` only beside a price."""

    value: Any
    source: str
    currency: str | None = None


def names_asin(text: str, asin: str) -> bool:
    """Whether the ASIN stands in ``text`` as a whole word; upper and lower case are the same."""
    return re.search(rf"(?<![A-Z0-9]){re.escape(asin.upper())}(?![A-Z0-9])", text.upper()) is not None


def statements(page: PageData, field: str, asin: str) -> list[Statement]:
    """What the page states for ``field`` (name, brand, price, currency, availability, sku) of this product.

    JSON-LD goes before microdata, that before OpenGraph; the first kind with a value counts alone. The values of a
    price may be several: those of the offers that name the ASIN, else of all offers of the product.
    """
    for kind, nodes in (("json-ld", _json_ld_nodes(page)), ("microdata", page.microdata())):
        products = _this_product(list(_products(nodes)), asin)
        found = _fields(products, field, asin, kind)
        if found:
            return found
    return _open_graph(page.meta(), field)


def availability_of(text: str) -> Availability | None:
    """The meaning of a schema.org availability (``https://schema.org/InStock`` or ``InStock``), None if it has none."""
    return _AVAILABILITIES.get(text.strip().rsplit("/", 1)[-1].rsplit(":", 1)[-1].strip().lower())


def _json_ld_nodes(page: PageData) -> list[Any]:
    nodes: list[Any] = []
    for block in page.json_ld():
        try:
            nodes.append(json.loads(block, parse_float=Decimal, parse_constant=lambda _: None, strict=False))
        except (ValueError, RecursionError, ArithmeticError):
            continue
    return nodes


def _products(nodes: list[Any]) -> Iterator[Mapping[str, Any]]:
    """The page's own products, with references by ``@id`` within the page filled in."""
    everything = list(_walk(nodes))
    by_id = {node["@id"]: node for node in everything if isinstance(node.get("@id"), str) and len(node) > 1}
    for node in everything:
        if _types(node) & _PRODUCTS and len(node) > 1:
            yield {key: _resolved(value, by_id) for key, value in node.items()}


def _walk(nodes: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    pending = list(nodes)[::-1]
    for _ in range(_MAX_NODES):
        if not pending:
            return
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node[:_MAX_NODES][::-1])
        elif isinstance(node, Mapping):
            yield node
            pending.extend(node[key] for key in reversed(_CONTAINERS) if key in node)
            pending.extend(offer["itemOffered"] for offer in _mappings(node.get("offers")) if "itemOffered" in offer)


def _resolved(value: Any, by_id: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_resolved(item, by_id) if isinstance(item, Mapping) else item for item in value[:_MAX_NODES]]
    if isinstance(value, Mapping) and set(value) == {"@id"} and isinstance(value["@id"], str):
        return by_id.get(value["@id"], value)
    return value


def _this_product(products: list[Mapping[str, Any]], asin: str) -> list[Mapping[str, Any]]:
    """Those that name the ASIN, else the only one there is, else none."""
    naming = [product for product in products if _names(product, asin)]
    return naming or (products if len(products) == 1 else [])


def _names(node: Mapping[str, Any], asin: str) -> bool:
    return any(names_asin(text, asin) for text in _identifiers(node))


def _identifiers(node: Mapping[str, Any]) -> Iterator[str]:
    for key in _IDENTIFIERS:
        for value in _values(node.get(key)):
            inner = _values(value.get("value")) if isinstance(value, Mapping) else [value]
            yield from (text for item in inner if (text := _text(item)))


def _fields(products: list[Mapping[str, Any]], field: str, asin: str, kind: str) -> list[Statement]:
    if field == "sku":
        keys = [key for key in _IDENTIFIERS if key not in ("url", "@id")]
        texts = [text for product in products for text in _identifiers({key: product.get(key) for key in keys})]
        return [Statement(text, f"{kind} sku") for text in texts[:20]]
    if field in ("name", "brand"):
        texts = [text for product in products for value in _values(product.get(field)) if (text := _named(value))]
        return [Statement(text, f"{kind} {field}") for text in texts[:20]]
    offers = [offer for product in products for offer in _offers(product)]
    offers = [offer for offer in offers if _names(offer, asin)] or offers
    if field == "price":
        found = [statement for offer in offers for statement in _prices(offer, f"{kind} offers.price")]
    else:
        key = "priceCurrency" if field == "currency" else field
        parts = [part for offer in offers for part in (offer, *_specifications(offer))]
        values = [value for part in parts for value in _values(part.get(key))]
        found = [Statement(text, f"{kind} offers.{key}") for value in values if (text := _text(value))]
    return found[:20]


def _offers(product: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The single offers of a product; an AggregateOffer counts only for what it does not list itself."""
    for offer in _mappings(product.get("offers")):
        inner = list(_mappings(offer.get("offers")))
        yield from inner or [offer]


def _prices(offer: Mapping[str, Any], source: str) -> Iterator[Statement]:
    currency = next((text for value in _values(offer.get("priceCurrency")) if (text := _text(value))), None)
    given = [value for value in _values(offer.get("price")) if _usable(value)]
    if given:
        yield from (Statement(_kept(value), source, currency) for value in given)
        return
    for part in _specifications(offer):
        inner = next((text for value in _values(part.get("priceCurrency")) if (text := _text(value))), currency)
        yield from (Statement(_kept(value), source, inner) for value in _values(part.get("price")) if _usable(value))
    low, high = ([value for value in _values(offer.get(key)) if _usable(value)] for key in ("lowPrice", "highPrice"))
    aggregate = source.replace("price", "lowPrice")
    if low and high:
        yield from (Statement(_kept(value), aggregate, currency) for value in (low[0], high[0]))
    elif low or high:
        words = "from" if low else "up to"
        yield Statement(f"{words} {as_written(str(_kept((low or high)[0])), 40)}", aggregate, currency)


def _specifications(offer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The price specifications that say what one piece costs now: no list prices, no prices per unit of measure."""
    for part in _mappings(offer.get("priceSpecification")):
        kind = " ".join(text for value in _values(part.get("priceType")) if (text := _text(value))).lower()
        if "referenceQuantity" not in part and not any(word in kind for word in _OTHER_PRICES):
            yield part


def _open_graph(meta: Mapping[str, str], field: str) -> list[Statement]:
    is_product = "product" in meta.get("og:type", "").lower() or any(name.startswith("product:") for name in meta)
    if not is_product:
        return []
    currencies = [meta.get("product:price:currency"), meta.get("og:price:currency")]
    currency = next((text for text in currencies if text), None)
    names = {
        "name": ("og:title",),
        "brand": ("product:brand", "og:brand"),
        "price": ("product:sale_price:amount", "product:price:amount", "og:price:amount"),
        "currency": ("product:sale_price:currency", "product:price:currency", "og:price:currency"),
        "availability": ("product:availability", "og:availability"),
        "sku": ("product:retailer_item_id", "product:sku"),
    }[field]
    for name in names:
        if meta.get(name, "").strip():
            return [Statement(meta[name], f"opengraph {name}", currency if field == "price" else None)]
    return []


def _types(node: Mapping[str, Any]) -> set[str]:
    return {re.split(r"[/:#]", value)[-1].lower() for value in _values(node.get("@type")) if isinstance(value, str)}


def _values(value: Any) -> list[Any]:
    """A schema.org value is one thing or a list of them."""
    if isinstance(value, list):
        return [item for item in value[:100] if item is not None]
    return [] if value is None else [value]


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in _values(value) if isinstance(item, Mapping))


def _named(value: Any) -> str:
    if isinstance(value, Mapping):
        return next((text for item in _values(value.get("name")) if (text := _text(item))), "")
    return _text(value)


def _text(value: Any) -> str:
    """The text of a simple value, empty for anything else; long numbers are no names."""
    if isinstance(value, str):
        return as_written(value).strip()
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 128:
        return str(value)
    return ""


def _usable(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())


def _kept(value: Any) -> Any:
    if isinstance(value, Mapping | list):
        return ""
    return as_written(value).strip() if isinstance(value, str) else value
