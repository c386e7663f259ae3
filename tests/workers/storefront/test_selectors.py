"""What the check of profiles accepts, the browser must take."""

from __future__ import annotations

from typing import Any

import pytest

from app.rpa.profiles import rules as profile_rules
from app.rpa.profiles.profile import Marker
from tests.workers.storefront.browser import Page
from workers.storefront import extraction

WITH_ARGUMENTS = {
    "dir": "ltr",
    "has": "> b",
    "host": "",
    "is": "a, b",
    "lang": "en",
    "not": "b",
    "nth-child": "2n+1",
    "nth-last-child": "2",
    "nth-last-of-type": "odd",
    "nth-of-type": "even",
    "where": "a, b",
}
PLAIN = sorted(profile_rules._PSEUDO_CLASSES - (WITH_ARGUMENTS.keys() - {"host"}))
SELECTORS = [
    *(f"a:{name}" for name in PLAIN),
    *(f"a:{name}({argument})" for name, argument in WITH_ARGUMENTS.items() if argument),
    "main:has(> h1, + h2) :is(h1, h2):not(.x)",
    "[data-a='a b' i], [data-b~=b], [data-c|=c], [data-d^=d], [data-e$=e], [data-f*=f]",
    "#a\\:b.c\\.d > e ~ f + g",
    ":scope > p",
]


def refused(page: Page, selectors: list[str]) -> list[str]:
    plan: dict[str, Any] = extraction.plan_markers({"m": [Marker(css=css) for css in selectors]})
    answer: list[str] = page.run(extraction.SCRIPT, plan)["refused"]
    return answer


def test_every_kind_of_selector_that_profiles_may_use_is_taken_by_the_browser(page: Page) -> None:
    for css in SELECTORS:
        profile_rules.check_selector(css)
    page.open("http://shop.example/free")
    assert refused(page, SELECTORS) == []


@pytest.mark.parametrize("css", ["a:contains('x')", "a:eq(0)", "[a!=b]", "svg|a"])
def test_what_the_check_refuses_the_browser_refuses_too(page: Page, css: str) -> None:
    with pytest.raises(profile_rules.ProfileRuleError):
        profile_rules.check_selector(css)
    page.open("http://shop.example/free")
    assert refused(page, [css]) == [css]
