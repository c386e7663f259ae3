"""The order of what was found: how well a product's name and brand fit the words, then the newest first."""

from __future__ import annotations

from collections.abc import Iterable

from app.products.search.port import Candidate
from app.products.search.text import Words

_EXACT, _BEGINS, _PHRASE, _IN_ORDER, _BRAND, _WORD, _FURTHER_BACK, _LONGER = 600, 300, 200, 60, 120, 50, 3, 2
"""What counts how much; an exact name outweighs all else."""
_FAR: int = 15


def rank(candidates: Iterable[Candidate], words: Words) -> list[int]:
    """The ids of the candidates, each once, the best first.

    Best is a name that is what was typed, then one that begins with it, then one that has it somewhere, then one that
    has all words in order; further one whose brand is in the query, whole words before beginnings, short names and
    names with the words near their front.
    """
    wanted = [f" {word} " for word in words.whole]
    if words.prefix is not None:
        wanted.append(f" {words.prefix}")
    phrase = " ".join(words.every)
    asked = f" {phrase} "
    scored = {row.product_id: (-_score(row, wanted, phrase, asked), -row.product_id) for row in candidates}
    return sorted(scored, key=scored.__getitem__)


def _score(row: Candidate, wanted: list[str], phrase: str, asked: str) -> int:
    title, brand = f" {row.title} ", row.brand
    score = -_LONGER * min(row.title.count(" "), _FAR)
    at = title.find(f" {phrase}")
    if at >= 0:
        score += _PHRASE
        if title.startswith(asked, at):
            score += _WORD
        if at == 0:
            score += _EXACT if row.title == phrase else _BEGINS
    previous, in_order, nearest = -1, True, _FAR
    for word in wanted:
        found = title.find(word)
        if found < 0:
            in_order = False
            continue
        score += _WORD
        in_order = in_order and found > previous
        previous = found
        nearest = min(nearest, title.count(" ", 0, found + 1) - 1)
    score += _IN_ORDER if in_order else 0
    if brand and f" {brand} " in asked:
        score += _BRAND
    return score - _FURTHER_BACK * nearest
