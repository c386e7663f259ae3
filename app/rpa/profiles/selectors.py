"""Selectors that lead into shadow roots and frames: ``product-price >>> .now``. Pure; raises ProfileRuleError."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import cssselect
from cssselect.parser import Token, tokenize

from app.rpa.profiles.rules import ProfileRuleError, check_selector

INTO: Final = ">>>"
"""Between two selectors: from the elements of the first into their open shadow roots, or the documents of frames."""
MOST_STEPS: Final = 5


def check_reading_selector(value: str) -> None:
    """Refuse what is neither a selector nor several with ``>>>`` between them; each is checked by itself."""
    try:
        steps = selector_steps(value)
    except cssselect.SelectorError as error:
        raise ProfileRuleError(f"Not a CSS selector: {error}.") from error
    if len(steps) > MOST_STEPS:
        raise ProfileRuleError(f"A selector goes into at most {MOST_STEPS - 1} shadow roots and frames.")
    if len(steps) > 1 and not all(steps):
        raise ProfileRuleError("On both sides of >>> stands a selector.")
    for step in steps:
        check_selector(step)
        if len(steps) > 1 and len(cssselect.parse(step)) > 1:
            raise ProfileRuleError("Beside >>> write :is(a, b) instead of a list with commas.")


@lru_cache(maxsize=1024)
def selector_steps(value: str) -> tuple[str, ...]:
    """The selectors between ``>>>``; one for a selector without it. Raises cssselect.SelectorError for bad tokens."""
    cuts = list(_cuts(value))
    starts = [0, *(cut + len(INTO) for cut in cuts)]
    return tuple(value[start:end].strip() for start, end in zip(starts, [*cuts, len(value)], strict=True))


def _cuts(value: str) -> Iterator[int]:
    """Where ``>>>`` begins, outside of strings."""
    if INTO not in value:
        return
    after = -1
    for token in tokenize(value):
        if token.pos > after and _is_into(token, value):
            after = token.pos + len(INTO) - 1
            yield token.pos


def _is_into(token: Token, value: str) -> bool:
    return token.type == "DELIM" and value.startswith(INTO, token.pos)
