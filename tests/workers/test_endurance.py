"""A worker's browsers over many tasks: bounded in memory, processes and files, whatever the pages do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import psutil
import pytest

from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.readings import Kind
from tests.faults.sizes import FULL, LONG_S
from tests.workers.hostile import PAGES
from tests.workers.shop import Shop
from workers.actions.view_product import view_product
from workers.chrome.settings import MEBIBYTE, BrowserSettings, RecyclingLimits
from workers.chrome.shelf import BrowserShelf

TASKS = 1000 if FULL else 60
LIMITS = RecyclingLimits(contexts=400 if FULL else 25, memory_bytes=800 * MEBIBYTE)
HOSTILE = {page.asin: page.code for page in PAGES if page.code is not Code.NAV_TIMEOUT}
"""Those that end by themselves."""
SPARED = {"EATS000001", "LARGEDOM01", "MANYNODES1"} if not FULL else set()
"""What takes a busy machine many seconds."""


@pytest.fixture
def root(browser_root: Path) -> Path:
    """A folder of browsers that no other test uses."""
    folder = browser_root / "endurance"
    folder.mkdir(mode=0o711)
    return folder


def visits(number: int) -> Iterator[tuple[int, str, Code | None]]:
    """Storefront, page and its code: an ordinary page after each hostile one, of two storefronts in turn."""
    hostile = cycle((asin, code) for asin, code in HOSTILE.items() if asin not in SPARED)
    for at, (asin, code) in enumerate(islice(hostile, number // 2)):
        yield 1 + at % 2, asin, code
        yield 2 - at % 2, "GOOD000001", None


@pytest.mark.timeout(LONG_S * 2)
def test_memory_processes_and_files_stay_bounded_over_many_tasks(
    settings_for: Callable[..., BrowserSettings], shop: Shop, root: Path
) -> None:
    settings = replace(settings_for(shop), root=root)
    product = shop.document()["product"] | {"not_found": [{"text": "page not found"}]}
    profile: Profile = shop.profile(product=product, timeouts={"page_load_s": 60, "ready_s": 5, "script_s": 30})
    shelf = BrowserShelf(settings, limits=LIMITS, capacity=2)
    ours = psutil.Process()
    wrong: list[object] = []
    weighed: list[int] = []
    started: set[int] = set()
    own_bytes = 0
    try:
        for number, (storefront, asin, code) in enumerate(visits(TASKS)):
            browser = shelf.browser_for(storefront, 1, profile, draws=False)
            started.add(browser.process_group.id)
            outcome = view_product(
                browser,
                profile,
                asin,
                cancelled=lambda: False,
                wanted=lambda ended: set(Kind if isinstance(ended, Code) else ()),
            )
            if outcome.code is not code:
                wrong.append((number, asin, outcome))
            if number % 20 == 19:
                weighed.append(browser.memory_bytes())
                assert len(browser.driver.window_handles) == 1  # the one that the driver began with
                assert len(browser.process_group.members()) < 30
                assert sum(file.stat().st_size for file in root.rglob("*") if file.is_file()) < 300 * MEBIBYTE
                assert len(list(root.glob("slot-*"))) <= 2
            if number % 25 == 24:
                browser.kill()
            if number == TASKS // 4:
                own_bytes = ours.memory_info().rss
        grown = ours.memory_info().rss - own_bytes
    finally:
        shelf.close()
    assert wrong == []
    assert max(weighed) < LIMITS.memory_bytes
    assert grown < 100 * MEBIBYTE
    assert len(started) > 2
    assert list(root.glob("slot-*")) == []
    assert [pid for pid in psutil.pids() if _belongs_to(pid, root)] == []


def _belongs_to(pid: int, root: Path) -> bool:
    try:
        return any(str(root) in part for part in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
