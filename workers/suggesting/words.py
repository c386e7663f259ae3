"""What shops write on product pages, by language: stock, the button that buys, the way to the cart, the brand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.rpa.rules.readings import Availability
from workers.storefront.page_data import says


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language, folded; what stands before wins (``not in stock`` before ``in stock``)."""

    gone: tuple[str, ...]
    few: tuple[str, ...]
    there: tuple[str, ...]
    buy: tuple[str, ...]
    cart: tuple[str, ...]
    brand: tuple[str, ...]
    """RE2 expressions; the group is the brand."""

    @property
    def rules(self) -> list[dict[str, str]]:
        """The availability rules of a profile."""
        kinds = ((self.gone, Availability.OUT_OF_STOCK), (self.few, Availability.LIMITED))
        rules = [(word, means) for words, means in (*kinds, (self.there, Availability.IN_STOCK)) for word in words]
        return [{"contains": word, "means": means.value} for word, means in rules]

    def meaning(self, text: str) -> Availability | None:
        """What words about stock mean by these rules."""
        found = (rule["means"] for rule in self.rules if says(text, rule["contains"]))
        return next((Availability(means) for means in found), None)


def _of(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


LANGUAGES: Final[dict[str, Words]] = {
    "en": Words(
        _of("out of stock, sold out, currently unavailable, not available, not in stock, unavailable"),
        _of("left in stock, only a few left, low stock, limited stock"),
        _of("in stock, available now, ready to ship"),
        _of("add to cart, add to basket, add to bag, add to trolley, buy now"),
        _of("cart, basket, shopping bag, trolley"),
        (r"(?i)^Visit the (.+) store$", r"(?i)^Brand: *(.+)$", r"(?i)^by (.+)$"),
    ),
    "de": Words(
        _of("ausverkauft, nicht vorrätig, nicht auf lager, derzeit nicht verfügbar, nicht verfügbar, nicht lieferbar, "
            "vergriffen"),
        _of("nur noch, wenige verfügbar"),
        _of("auf lager, vorrätig, sofort lieferbar, lieferbar, verfügbar"),
        _of("in den warenkorb, in den einkaufswagen, zum warenkorb hinzufügen, jetzt kaufen"),
        _of("warenkorb, einkaufswagen"),
        (r"(?i)^Besuche den (.+?)[ -]Store$", r"(?i)^Marke: *(.+)$", r"(?i)^von (.+)$"),
    ),
    "fr": Words(
        _of("rupture de stock, en rupture, épuisé, indisponible, non disponible"),
        _of("il ne reste plus que, plus que, stock limité"),
        _of("en stock, disponible"),
        _of("ajouter au panier, mettre au panier, acheter"),
        _of("panier"),
        (r"(?i)^Visiter? la boutique (.+)$", r"(?i)^Marque *: *(.+)$", r"(?i)^par (.+)$"),
    ),
    "es": Words(
        _of("agotado, sin existencias, sin stock, no disponible"),
        _of("quedan, últimas unidades"),
        _of("en stock, disponible, en existencias"),
        _of("añadir al carrito, añadir a la cesta, agregar al carrito, comprar"),
        _of("carrito, cesta"),
        (r"(?i)^Visita la tienda de (.+)$", r"(?i)^Marca: *(.+)$"),
    ),
    "it": Words(
        _of("esaurito, non disponibile, non è disponibile"),
        _of("ultimi pezzi, solo"),
        _of("disponibilità immediata, disponibile, in magazzino"),
        _of("aggiungi al carrello, metti nel carrello, acquista"),
        _of("carrello"),
        (r"(?i)^Visita lo Store di (.+)$", r"(?i)^Marca: *(.+)$"),
    ),
    "nl": Words(
        _of("uitverkocht, niet op voorraad, niet leverbaar, niet beschikbaar"),
        _of("nog maar, beperkt op voorraad"),
        _of("op voorraad, direct leverbaar, leverbaar, beschikbaar"),
        _of("in winkelwagen, in winkelmand, in winkelmandje, toevoegen aan winkelwagen, bestellen"),
        _of("winkelwagen, winkelmand, winkelmandje"),
        (r"(?i)^Bezoek de (.+)-store$", r"(?i)^Merk: *(.+)$", r"(?i)^van (.+)$"),
    ),
}  # fmt: skip

PLACES: Final = {"en": "en_US", "de": "de_DE", "fr": "fr_FR", "es": "es_ES", "it": "it_IT", "nl": "nl_NL"}
"""Where a language is taken to be spoken, unless the page says more."""
CART_PATH: Final = "cart basket bag warenkorb panier carrito cesta carrello winkelwagen winkelmand".split()  # noqa: SIM905


def of_language(tag: str) -> tuple[str, Words | None]:
    """The language of a page's ``lang`` and its words; English where it says none that is known."""
    language = tag.lower().replace("_", "-").partition("-")[0]
    return (language, LANGUAGES[language]) if language in LANGUAGES else ("en", None)
