"""Reading kept pages by two profiles: the documents are data, in a browser that reaches nothing and runs no script."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from app.core.hosts import HostError, address_of
from app.rpa.profiles.profile import Profile
from app.rpa.queries.replays import KeptPage
from workers.chrome.browser import Browser
from workers.chrome.page import Page
from workers.errors import TaskError
from workers.storefront.extraction import SCRIPT, check_page, interpret, interpret_each, plan

FIELDS: Final = ("code", "name", "brand", "price", "availability")
_LENGTH: Final = 200


def nowhere(profile: Profile) -> Profile:
    """The profile for a browser that replays: no host is in reach, and it waits for none."""
    return replace(profile, allowed_hosts=(), engine="shell", load_images=False)


def replay_pages(
    browser: Browser,
    before: Profile,
    after: Profile,
    pages: Iterable[tuple[KeptPage, bytes]],
    *,
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    """What each profile reads on every page, and how often they differ; JSON values.

    A page that cannot be shown is counted as skipped.
    """
    shown: list[dict[str, Any]] = []
    skipped = 0
    for kept, document in pages:
        if cancelled():
            break
        try:
            shown.append(_compared(browser, before, after, kept, document))
        except TaskError:
            skipped += 1
    counts = {field: _count(shown, field) for field in FIELDS}
    return {
        "pages": shown,
        "read_well": sum(page["was_read"] for page in shown),
        "counts": counts,
        "lost": sum(one["lost"] for one in counts.values()),
        "skipped": skipped,
    }


def _compared(browser: Browser, before: Profile, after: Profile, kept: KeptPage, document: bytes) -> dict[str, Any]:
    url, status = _address(kept, before), kept.facts.get("http_status")
    with browser.context() as page:
        page.show(url, document, status=status if isinstance(status, int) and 200 <= status < 600 else 200)
        sides = [_read(page, profile, kept.asin) for profile in (before, after)]
    differs = [field for field in FIELDS if sides[0][field] != sides[1][field]]
    about = {
        "evidence_id": kept.evidence_id, "asin": kept.asin, "url": url[:_LENGTH], "was_read": kept.was_read
    }  # fmt: skip
    return about | {"before": sides[0], "after": sides[1], "differs": differs}


def _read(page: Page, profile: Profile, asin: str) -> dict[str, Any]:
    raw = page.run(SCRIPT, plan(profile), timeout_s=profile.timeouts.script_s)
    raw = {**raw, "url": page.url, "status": page.status}
    side: dict[str, Any] = dict.fromkeys(FIELDS)
    try:
        check_page(raw, profile)
        side |= {
            name: read["value"] and read["value"][:_LENGTH] for name, read in interpret_each(raw, profile, asin).items()
        }
        interpret(raw, profile, asin)
    except TaskError as error:
        side["code"] = error.code
    return side


def _count(shown: list[dict[str, Any]], field: str) -> dict[str, int]:
    counts = {"same": 0, "changed": 0, "gained": 0, "lost": 0}
    for page in shown:
        before, after = page["before"][field], page["after"][field]
        if field == "code":  # a code is what is missing, not what is there
            before, after = (None if one else "read" for one in (before, after))
        kind = "same" if before == after else "gained" if before is None else "lost" if after is None else "changed"
        counts[kind] += 1
    return counts


def _address(kept: KeptPage, profile: Profile) -> str:
    """Where the visit ended; the product's address where that is not known."""
    url = str(kept.facts.get("final_url") or "")
    try:
        address_of(url)
    except HostError:
        return profile.product_url(kept.asin)
    return url
