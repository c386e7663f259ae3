"""Which selectors a proposal takes: what they read on all pages beside what the pages' own data state. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from workers.storefront.currency_words import folded
from workers.suggesting.reports import Report, values_at

AGREE: Final = 0.95
_STATED: Final = 0.85
_SEEN: Final = 0.6
_ONCE: Final = 0.8
"""What a page alone is worth beside two that agree."""


@dataclass(slots=True)
class Found:
    """Sources of a field, and how sure they are for which reason."""

    sources: list[dict[str, str]]
    sure: float = 0.0
    reason: str = ""
    works_on: tuple[bool, ...] = ()


class Chooser:
    """Compares what selectors read on all pages with what the pages' own data state."""

    def __init__(
        self, reports: Sequence[Report], answers: Sequence[Mapping[str, Any]], probed: Mapping[str, str]
    ) -> None:
        self.reports = reports
        self.answers = answers
        self._probed = probed

    def read(self, field_name: str) -> list[tuple[str, list[list[str]]]]:
        """Each selector of a field with what it reads per page, the likeliest first."""
        keys = [key for key in self._probed if key.startswith(f"{field_name}/")]
        return [(self._probed[key], [values_at(answer, key) for answer in self.answers]) for key in keys]

    def sources(self, field_name: str, is_good: Callable[[str], bool], is_same: Callable[[str, str], bool]) -> Found:
        """The data's statement first, then the selector that agrees with it, or works on most pages."""
        stated = [[str(one.value) for one in report.stated(field_name)] for report in self.reports]
        best, best_score = None, (0, 0)
        for css, values in self.read(field_name):
            works = tuple(len({folded(v) for v in page}) == 1 and is_good(page[0]) for page in values)
            agrees = sum(
                bool(ok and said and is_same(page[0], said[0]))
                for ok, page, said in zip(works, values, stated, strict=True)
            )
            score = (sum(works), agrees)
            if any(works) and score > best_score:
                best, best_score = (css, works), score
        return self._found(field_name, stated, best, best_score[1])

    def _found(
        self, field_name: str, stated: list[list[str]], best: tuple[str, tuple[bool, ...]] | None, agrees: int
    ) -> Found:
        sources: list[dict[str, str]] = [{"structured": field_name}] if any(stated) else []
        if best is None:
            works = tuple(bool(one) for one in stated)
            said = "the page's own data state it; nothing that is drawn was found"
            return Found(sources, self.worth(_STATED) if sources else 0.0, said, works)
        sources.append({"css": best[0]})
        if agrees:
            sure, reason = AGREE, "the page's own data and what is drawn say the same"
        elif any(stated):
            sure, reason = 0.4, "the page's own data and what is drawn differ, or only one page has both"
        else:
            sure, reason = _SEEN, "it is drawn where such a thing stands; the page's own data do not state it"
        if not all(best[1]):
            sure, reason = sure * 0.6, f"{reason}; the selector reads only one of the pages"
        return Found(sources, self.worth(sure), reason, best[1])

    def worth(self, sure: float) -> float:
        """How sure something is, which is less where only one page was looked at."""
        return round(sure if len(self.reports) > 1 else sure * _ONCE, 2)
