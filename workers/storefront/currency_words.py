"""How shops write a currency beside an amount: CLDR's symbols and names, and the signs CLDR does not list."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from babel import Locale

_DOLLARS: Final = frozenset(
    "USD CAD AUD NZD HKD SGD TWD MXN ARS CLP COP UYU BRL JMD BBD BSD BZD TTD FJD NAD XCD".split()  # noqa: SIM905
)
_PREFIXED: Final = {
    "USD": "us", "CAD": "ca c", "AUD": "au a", "NZD": "nz", "HKD": "hk", "SGD": "s sg", "TWD": "nt", "MXN": "mx mex",
    "BRL": "r", "ARS": "ar", "CLP": "cl", "COP": "col", "UYU": "u", "JMD": "j", "BBD": "bds", "TTD": "tt",
}  # fmt: skip
_SIGNS: Final[dict[str, str]] = {
    "EUR": "€", "GBP": "£", "JPY": "¥ 円", "CNY": "¥ 元 rmb", "INR": "₹ rs rs. ₨", "PKR": "rs rs. ₨", "LKR": "rs rs.",
    "SEK": "kr kr.", "NOK": "kr kr.", "DKK": "kr kr.", "ISK": "kr kr.", "CHF": "fr fr. sfr sfr.", "PLN": "zł zl",
    "CZK": "kč", "HUF": "ft", "RON": "lei leu", "BGN": "лв лв.", "RUB": "₽ руб руб. р р.", "UAH": "₴ грн грн.",
    "TRY": "₺ tl", "ILS": "₪", "KRW": "₩ 원", "TWD": "元", "THB": "฿ บาท", "VND": "₫ đ", "IDR": "rp rp.", "MYR": "rm",
    "PHP": "₱", "ZAR": "r", "NGN": "₦", "KZT": "₸", "SAR": "﷼ ر.س", "AED": "د.إ dhs", "EGP": "£ ج.م", "BDT": "৳",
}  # fmt: skip


def folded(text: str) -> str:
    """Text as words are compared here: NFKC, no format characters, one blank for any white space, case folded."""
    kept = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    plain = "".join(" " if c.isspace() else c for c in kept)
    return " ".join(plain.casefold().split())


@lru_cache(maxsize=256)
def names_of(currency: str, locale: str) -> frozenset[str]:
    """All folded spellings that may stand for ``currency`` (ISO 4217) in a shop written in ``locale``."""
    spellings = {currency, *_SIGNS.get(currency, "").split()}
    if currency in _DOLLARS:
        prefixes = _PREFIXED.get(currency, "").split()
        spellings |= {
            "$",
            f"{currency}$",
            *(f"{prefix}$" for prefix in prefixes),
            *(f"${prefix}" for prefix in prefixes),
        }
    for place in (Locale.parse(locale.replace("-", "_")), Locale("en")):
        spellings.add(place.currency_symbols.get(currency, currency))
        spellings.add(place.currencies.get(currency, currency))
        plurals = dict(place._data["currency_names_plural"])  # noqa: SLF001 - Babel has no public way to all of them
        names = set(plurals.get(currency, {}).values())
        spellings |= names | {name.split()[-1] for name in names if name.strip()}
    return frozenset(folded(spelling) for spelling in spellings if spelling)


FREE: Final[dict[str, frozenset[str]]] = {
    language: frozenset(folded(word) for word in words.split(","))
    for language, words in {
        "en": "free",
        "de": "kostenlos,gratis,kostenfrei",
        "fr": "gratuit,gratuite,offert",
        "es": "gratis,gratuito",
        "it": "gratis,gratuito",
        "pt": "grátis,gratuito",
        "nl": "gratis",
        "sv": "gratis",
        "da": "gratis",
        "nb": "gratis",
        "no": "gratis",
        "fi": "ilmainen,maksuton",
        "pl": "za darmo,bezpłatnie,gratis",
        "cs": "zdarma",
        "sk": "zadarmo",
        "hu": "ingyenes",
        "ro": "gratuit,gratis",
        "tr": "ücretsiz,bedava",
        "ru": "бесплатно",
        "uk": "безкоштовно",
        "el": "δωρεάν",
        "ja": "無料",
        "zh": "免费,免費",
        "ko": "무료",
        "hi": "मुफ़्त,मुफ्त,निःशुल्क",
        "ar": "مجاني,مجانا",
        "he": "חינם",
    }.items()
}
"""Words that alone mean a price of zero, by language."""

OPEN_ENDED: Final = frozenset(
    "from starting starts up to upto between ab bis von à partir de desde hasta da partire från vanaf od do fra "  # noqa: SIM905
    "от до から より 起 以上".split()
)
"""Words that make an amount one end of a range."""
