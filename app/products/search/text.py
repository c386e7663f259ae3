"""How text becomes words: one way for products and queries, on every database."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from app.core.text import normalised
from app.products.models.search import MAX_TITLE, MAX_WORD

_LATIN: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
"""Letters that no normalisation takes apart."""
_ACCENTS: Final = re.compile("[\u0300-\u0305\u0307-\u036f]|(?<!\u0438)\u0306")
"""But for the one that makes another letter of the Cyrillic i."""
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Scripts that put no blanks between words: Thai, Lao, Burmese, Khmer, kana and Han."""
_MARKS: Final = "\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff"
"""Vowel signs and points: parts of a word that are no letters."""
_RUN: Final = re.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[^\W_]|[{_MARKS}])+")
_IS_UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
_JOINERS: Final = "-'’‐‑"
_DIGITS_AND_LETTERS: Final = re.compile(r"[0-9]+|[^0-9]+")
_UNIT: Final = re.compile(r"[a-z]{1,3}\Z")
_ASCII: Final = re.compile(r"[a-z0-9]+\Z")
MAX_WORDS: Final = 16
"""Of a query; further ones are not looked for."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What search keeps of one product."""

    title: str
    brand: str
    words: str
    """As the databases index them."""
    terms: frozenset[str]
    """The same, as people write them: what goes into the dictionary."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a query, each once, in the order they were typed."""

    whole: tuple[str, ...]
    prefix: str | None
    """The last one, where whoever types may not have ended it."""

    def __bool__(self) -> bool:
        return bool(self.whole or self.prefix)

    @property
    def every(self) -> tuple[str, ...]:
        """All of them, the unfinished one last."""
        return self.whole if self.prefix is None else (*self.whole, self.prefix)


def fold(text: str) -> str:
    """The text in small letters without accents and compatibility forms: ``Ｃafé`` becomes ``cafe``."""
    if text.isascii():
        return text.lower()
    small = normalised(text, "NFKC").casefold().translate(_LATIN)
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", small)))


def split(text: str) -> list[str]:
    """The words of a text in order, folded; runs of a script without blanks as overlapping pairs of letters."""
    return [word for run in _RUN.findall(fold(text)) for word in _of_run(run)]


def read_query(text: str) -> Words:
    """The words to look for; what is no letter and no digit only separates, so that no operator can come in.

    The last one is a prefix unless something follows it, or it is a pair of letters of a script without blanks.
    """
    folded = fold(text)
    runs = _RUN.findall(folded)
    if not runs:
        return Words((), None)
    words: dict[str, None] = {}
    for run in runs[:-1]:
        words.update(dict.fromkeys(_of_query(run)))
    *rest, last = _of_query(runs[-1])
    words.update(dict.fromkeys(rest))
    open_ended = folded[-1:].isalnum() and (len(last) == 1 or not _IS_UNSPACED.match(last))
    if not open_ended:
        words[last] = None
    kept = tuple(words)[:MAX_WORDS]
    return Words(kept, last if open_ended and len(kept) < MAX_WORDS else None)


def texts_of(name: str, brand: str | None) -> Texts:
    """What search keeps of a product with this name and brand."""
    title, maker = split(name), split(brand or "")
    terms = dict.fromkeys(_cut(word) for word in (*title, *maker, *_further(name), *_further(brand or "")))
    words = "".join(f" {encode(word)}" for word in terms)
    return Texts(_shown(title), _shown(maker), f"{words} ", frozenset(terms))


def encode(word: str) -> str:
    """A word (or the beginning of one) as the databases index it: at least three ASCII letters and digits.

    So no stop word, no shortest length and no opinion of a database on what a letter is gets in the way; what begins
    with a word begins with its encoding.
    """
    return f"zz{word}" if _ASCII.match(word) else f"zy{word.encode().hex()}"


def decode(words: str) -> list[str]:
    """The words that ``encode`` made, of a document."""
    return [word[2:] if word.startswith("zz") else bytes.fromhex(word[2:]).decode() for word in words.split()]


def _of_run(run: str) -> Iterator[str]:
    if not _IS_UNSPACED.match(run):
        yield _cut(run)
        return
    yield from (run[at : at + 2] for at in range(len(run) - 1))
    yield run[-1]


def _of_query(run: str) -> list[str]:
    """As in a product, but for the single last letter: of a longer run it says nothing more."""
    words = list(_of_run(run))
    return words[:-1] if len(words) > 1 else words


def _further(text: str) -> Iterator[str]:
    """Other spellings by which a text is found: ``usbc`` for USB-C, ``500ml`` for 500 ml, and 500 for 500ml."""
    folded = fold(text)
    found = [(match.group(), match.start(), match.end()) for match in _RUN.finditer(folded)]
    for word, _, _ in found:
        parts = _DIGITS_AND_LETTERS.findall(word)
        if len(parts) > 1:
            yield from parts
    for (word, _, end), (following, start, _) in pairwise(found):
        between = folded[end:start]
        is_compound = len(between) == 1 and between in _JOINERS
        if is_compound or (between == " " and word[-1].isdecimal() and _UNIT.match(following)):
            yield _cut(word + following)


def _cut(word: str) -> str:
    if len(word) * 4 <= MAX_WORD:
        return word
    return word.encode()[:MAX_WORD].decode(errors="ignore")


def _shown(words: list[str]) -> str:
    """The words, without the last ones where they are too many."""
    text = " ".join(words)
    return text if len(text) <= MAX_TITLE else text[: text.rindex(" ", 0, MAX_TITLE + 1)]
