"""What people may choose about how they see the product and what they hear from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError

from app.core.errors import FieldError, Invalid

THEMES: Final = ("light", "dark", "system")


@dataclass(frozen=True, slots=True)
class Notification:
    """A kind of mail."""

    description: str
    usual: bool
    """Whether it is sent to who has chosen nothing."""
    is_optional: bool = True


NOTIFICATIONS: Final = {
    "security": Notification("Changes of what lets you into your account", usual=True, is_optional=False),
    "jobs": Notification("The end of a farm job that you submitted", usual=False),
    "webhooks": Notification("Webhooks that are switched off because they fail, if you may change them", usual=True),
    "alerts": Notification("What alert rules with mail tell of the farm, if you may change storefronts", usual=True),
    "stock": Notification("Products whose stock has become low, if you look after stock", usual=True),
    "reports": Notification("Saved reports that are sent to you, and what goes wrong with your own", usual=True),
}
"""Every kind of mail that somebody may want or not; links that were asked for are always sent."""


def wants(chosen: Mapping[str, Any] | None, kind: str) -> bool:
    """Whether somebody who has ``chosen`` this is to get this kind of mail."""
    notification = NOTIFICATIONS[kind]
    return not notification.is_optional or bool((chosen or {}).get(kind, notification.usual))


def all_wanted(chosen: Mapping[str, Any] | None) -> dict[str, bool]:
    """Every kind of mail with whether somebody gets it."""
    return {kind: wants(chosen, kind) for kind in NOTIFICATIONS}


@cache
def time_zones() -> tuple[str, ...]:
    """The IANA names that may be chosen, sorted."""
    return tuple(sorted(available_timezones() - {"Factory", "localtime", "posixrules"}))


def normalised_language(tag: str) -> str:
    """A BCP 47 tag as it is kept (``de-DE``); raises ValueError for one that CLDR has no names and formats for."""
    try:
        return str(Locale.parse(tag.strip(), sep="-")).replace("_", "-")
    except (UnknownLocaleError, ValueError, TypeError) as error:
        raise ValueError(tag) from error


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Preferences as they are kept; raises Invalid, which points at every one that cannot be."""
    kept, errors = dict(values), []
    if "language" in kept:
        try:
            kept["language"] = normalised_language(kept["language"])
        except ValueError:
            errors.append(FieldError("/language", "must be a language tag that is known, such as en or de-AT."))
    if kept.get("time_zone") is not None and kept["time_zone"] not in time_zones():
        errors.append(FieldError("/time_zone", "must be an IANA name such as Europe/Vienna."))
    if "theme" in kept and kept["theme"] not in THEMES:
        errors.append(FieldError("/theme", f"must be one of {', '.join(THEMES)}."))
    for kind, wanted in (kept.get("notifications") or {}).items():
        if kind not in NOTIFICATIONS:
            errors.append(FieldError(f"/notifications/{kind}", "is no kind of notification."))
        elif not wanted and not NOTIFICATIONS[kind].is_optional:
            errors.append(FieldError(f"/notifications/{kind}", "is always sent."))
    if errors:
        raise Invalid("The request breaks a rule.", errors=tuple(errors))
    return kept
