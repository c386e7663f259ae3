"""Which of the ASINs that somebody sent make a job: decided with plain values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_ASIN: Final = re.compile(r"^[A-Z0-9]{10}$")
LISTED: Final = 1000
"""How many ASINs of each kind the report names; the counts are always whole."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """The well-formed ASINs in the order they came, each once, and what was merged or malformed."""

    asins: list[str]
    duplicates: list[str] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)


def sort_asins(sent: Iterable[str]) -> Sorted:
    """Merge duplicates and set malformed ASINs aside; lower case and surrounding white space are accepted."""
    found = Sorted([])
    seen: set[str] = set()
    for text in sent:
        asin = text.strip().upper()
        if not _ASIN.match(asin):
            found.malformed.append(text[:50])
        elif asin in seen:
            found.duplicates.append(asin)
        else:
            seen.add(asin)
            found.asins.append(asin)
    return found


def report(found: Sorted, known: Mapping[str, int]) -> dict[str, Any]:
    """What the answer to a submission says about the ASINs that are not, or not twice, in the job."""
    unknown = [asin for asin in found.asins if asin not in known]
    kinds = {"duplicates": found.duplicates, "malformed": found.malformed, "unknown": unknown}
    return {name: {"count": len(asins), "asins": asins[:LISTED]} for name, asins in kinds.items()}
