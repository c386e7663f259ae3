"""Which of a product's choices is the one that was asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from app.rpa.profiles.profile import Option
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Choice, ChoicesReading
from workers.errors import TaskError
from workers.storefront.currency_words import folded
from workers.storefront.page_data import shown

SCRIPT: Final = files("workers.storefront").joinpath("choices.js").read_text(encoding="utf-8")
LIMITS: Final = {"choices": 50, "length": 100}
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Seen:
    """One choice on the page."""

    at: int
    """Which match of the option's selector it is, or is in."""
    inner: int | None
    """Which entry of a select element."""
    words: tuple[str, ...]
    """What a person sees or hears of it."""
    codes: tuple[str, ...]
    """What the page calls it."""
    is_disabled: bool
    is_chosen: bool

    @property
    def label(self) -> str:
        """The words for it."""
        return next(iter(self.words + self.codes), "")


def plan_choices(options: Sequence[Option]) -> dict[str, Any]:
    """The argument of the script for these options."""
    plans = {each.name: {"css": each.css, "unavailable": each.unavailable, "chosen": each.chosen} for each in options}
    return {"options": plans, "limits": LIMITS}


def read_choices(raw: object, name: str) -> list[Seen]:
    """The choices of an option in the script's answer; what has a wrong type is left out."""
    entries = raw.get(name) if isinstance(raw, Mapping) else None
    return [_seen(entry) for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def find(choices: Sequence[Seen], wanted: str) -> Seen | None:
    """The choice that is called so: by its words, else by its codes; one that can be bought before one that cannot."""
    wish = folded(wanted)
    for texts in ("words", "codes"):
        named = [choice for choice in choices if any(folded(text) == wish for text in getattr(choice, texts))]
        if named:
            return next((choice for choice in named if not choice.is_disabled), named[0])
    return None


def unavailable(option: str, wanted: str, choices: Sequence[Seen]) -> TaskError:
    """The refusal of a wish that the shop cannot fulfil, with what it offers."""
    if not choices:
        detail = f"The page offers no {option} to choose."
    elif find(choices, wanted) is not None:
        detail = f"The {option} {wanted[:100]!r} is there but cannot be chosen."
    else:
        detail = f"There is no {option} {wanted[:100]!r}, only {_listed(choices)}."
    return TaskError(Code.VARIANT_UNAVAILABLE, detail, reading=_reading(option, choices))


def required(option: str, choices: Sequence[Seen]) -> TaskError:
    """The refusal where the shop wants something chosen and nothing was said."""
    detail = f"Choose a {option}: {_listed(choices)}."
    return TaskError(Code.VARIANT_REQUIRED, detail, reading=_reading(option, choices))


def names_variant(texts: Sequence[str], accepted: Sequence[str]) -> bool:
    """Whether one of the ``accepted`` names of a choice stands in the texts as whole words."""
    known = [f" {_spaced(text)} " for text in texts]
    return any(f" {_spaced(name)} " in text for name in accepted if _spaced(name) for text in known)


def _spaced(text: str) -> str:
    """Words with one blank between them and no punctuation, so that ``Size: M, blue`` holds ``m``."""
    return " ".join("".join(c if c.isalnum() else " " for c in folded(text)).split())


def _reading(option: str, choices: Sequence[Seen]) -> ChoicesReading:
    return ChoicesReading(option, tuple(Choice(choice.label, not choice.is_disabled) for choice in choices))


def _listed(choices: Sequence[Seen]) -> str:
    named = [choice.label + (" (not available)" if choice.is_disabled else "") for choice in choices[:_NAMED]]
    return ", ".join(named) + (" and more" if len(choices) > _NAMED else "")


def _seen(entry: Mapping[Any, Any]) -> Seen:
    inner = entry.get("inner")
    return Seen(
        at=_place(entry.get("at")),
        inner=None if inner is None else _place(inner),
        words=_texts(entry.get("words")),
        codes=_texts(entry.get("codes")),
        is_disabled=entry.get("disabled") is True,
        is_chosen=entry.get("chosen") is True,
    )


def _place(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _texts(value: object) -> tuple[str, ...]:
    texts = (
        [shown(text, LIMITS["length"]) for text in value if isinstance(text, str)] if isinstance(value, list) else []
    )
    return tuple(text for text in texts if text)
