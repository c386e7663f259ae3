"""Starting, isolating, recycling and above all ending browsers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from tests.workers.conftest import CHROME_FULL, CHROME_SHELL, CHROMEDRIVER
from tests.workers.shop import Shop
from workers.chrome.browser import Browser
from workers.chrome.processes import ProcessGroup, marked
from workers.chrome.settings import BrowserSettings, RecyclingLimits
from workers.chrome.shelf import BrowserShelf
from workers.chrome.slot import Slot, sweep
from workers.errors import TaskError

REPOSITORY = Path(__file__).parents[3]
COUNTER = count()
TAKE_ALL = """() => {
  const taken = [];
  try {
    while (taken.length < 4000) taken.push(new Uint8Array(1_000_000));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return taken.length;
}"""
ENGINES = pytest.mark.parametrize("engine", ["shell", "chrome"])


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


def slots(root: Path) -> list[Path]:
    return sorted(root.glob("slot-*"))


@pytest.fixture
def own_root(browser_root: Path) -> Path:
    """A root for slots that no other test uses."""
    root = browser_root / f"own{next(COUNTER)}"
    root.mkdir(mode=0o711)
    return root


@pytest.fixture
def own_settings(settings_for: Callable[..., BrowserSettings], shop: Shop, own_root: Path) -> BrowserSettings:
    """Settings with a root of their own."""
    return replace(settings_for(shop), root=own_root)


def start_owner(root: Path, run_as: str | None, engine: str) -> tuple[subprocess.Popen[str], int]:
    """Start a process that holds a browser; returns it and its browser's process group."""
    command = [root, CHROME_SHELL, CHROME_FULL, CHROMEDRIVER, run_as or "", engine]
    owner = subprocess.Popen(
        [sys.executable, "-m", "tests.workers.chrome.owner", *map(str, command)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    said = json.loads(owner.stdout.readline())
    assert len(said["pids"]) >= 5
    return owner, int(said["group"])


def alive_in(group: int) -> list[int]:
    """Living processes of a group, whoever leads it."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


@ENGINES
def test_two_contexts_share_no_cookie_and_no_storage(warm: Callable[[str], Browser], shop: Shop, engine: str) -> None:
    seen = []
    for _ in range(2):
        with warm(engine).context() as page:
            for _ in range(2):
                page.open(f"{shop.address}/storage")
                seen.append(page.run("() => document.title", None, timeout_s=2).split("|"))
    assert [visits for visits, _ in seen] == ["1", "2", "1", "2"]
    assert seen[0][1] != seen[2][1]


def test_a_page_asks_in_the_storefronts_language_and_loads_no_pictures(browser: Browser, shop: Shop) -> None:
    with browser.context() as page:
        page.open(f"{shop.address}/hello")
        page.run("() => document.body.append(Object.assign(new Image(), {src: '/picture'}))", None, timeout_s=2)
        page.idle(0.2)
    headers = [headers for path, headers in shop.requests if path == "/hello"]
    assert headers[-1]["accept-language"].startswith("en-US,en")
    assert "/picture" not in shop.paths


def test_a_screenshot_is_a_jpeg(browser: Browser, shop: Shop) -> None:
    with browser.context() as page:
        page.open(f"{shop.address}/p/GOOD000001")
        assert page.screenshot(timeout_s=5).startswith(b"\xff\xd8\xff")


@ENGINES
def test_a_crashed_tab_ends_its_visit_only(warm: Callable[[str], Browser], shop: Shop, engine: str) -> None:
    browser = warm(engine)

    def crash() -> None:
        with browser.context() as page:
            page.open(f"{shop.address}/hello")
            page.send_nowait("Page.crash")
            page.run("() => 1", None, timeout_s=2)

    with pytest.raises(TaskError) as crashed:
        crash()
    assert crashed.value.code is Code.TAB_CRASH
    assert browser.is_alive
    with browser.context() as page:
        page.open(f"{shop.address}/hello")
        assert page.status == 200


def test_a_crashed_tab_under_selenium_ends_its_visit_only(browser: Browser, shop: Shop) -> None:
    def crash() -> None:
        with browser.context() as page:
            page.open(f"{shop.address}/hello")
            browser.select(page)
            page.send_nowait("Page.crash")
            browser.driver.execute_script("return 1")

    with pytest.raises(TaskError) as crashed:
        crash()
    assert crashed.value.code is Code.TAB_CRASH
    assert browser.is_alive
    with browser.context() as page:
        page.open(f"{shop.address}/hello")
        browser.select(page)
        assert browser.driver.execute_script("return document.body.innerText") == "Hello"


def test_a_chrome_that_is_killed_in_the_middle_of_a_visit_is_a_crash(browser: Browser, shop: Shop) -> None:
    group = browser.process_group
    chrome = [pid for pid in group.members() if pid != group.id]

    def kill_chrome() -> None:
        for pid in chrome:
            os.kill(pid, signal.SIGKILL)

    threading.Timer(0.3, kill_chrome).start()
    started = time.monotonic()
    with pytest.raises(TaskError) as crashed, browser.context() as page:
        page.open(f"{shop.address}/p/HANG000001")
    assert crashed.value.code is Code.CHROME_CRASH
    assert time.monotonic() - started < 10
    assert not browser.is_alive
    assert group.members() == []


def test_a_page_that_keeps_a_core_busy_is_gone_with_its_context(browser: Browser, shop: Shop) -> None:
    with browser.context() as page:
        page.open(f"{shop.address}/hello")
    idle = set(browser.process_group.members())
    with pytest.raises(TaskError) as late, browser.context() as page:
        page.open(f"{shop.address}/p/BUSY000001")
    assert late.value.code is Code.NAV_TIMEOUT
    busy = {pid: cpu_ticks(pid) for pid in set(browser.process_group.members()) - idle}
    time.sleep(0.5)
    assert not [pid for pid, ticks in busy.items() if cpu_ticks(pid) - ticks > 25]


def cpu_ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


@ENGINES
def test_closing_a_browser_leaves_no_process_and_no_folder(
    own_settings: BrowserSettings, profile: Profile, engine: str
) -> None:
    browser = Browser(own_settings, replace(profile, engine=engine))
    (slot,) = slots(own_settings.root)
    browser.close()
    assert alive_in(browser.process_group.id) == []
    assert marked(f"TMPDIR={slot / 'tmp'}") == []
    assert slots(own_settings.root) == []
    browser.close()


@ENGINES
def test_a_worker_killed_with_kill_9_leaves_no_browser(own_root: Path, run_as: str | None, engine: str) -> None:
    owner, group = start_owner(own_root, run_as, engine)
    owner.kill()
    owner.wait(5)
    (slot,) = slots(own_root)
    assert wait_for(lambda: not alive_in(group))
    assert wait_for(lambda: not marked(f"TMPDIR={slot / 'tmp'}"))
    assert sweep(own_root) == 1
    assert slots(own_root) == []


def test_a_sweep_kills_what_a_dead_owner_left_and_nothing_else(
    own_settings: BrowserSettings, own_root: Path, profile: Profile
) -> None:
    mine = Browser(own_settings, profile)
    left = own_root / "slot-1-dead"
    (left / "tmp").mkdir(parents=True)
    environment = {**os.environ, "TMPDIR": str(left / "tmp")}
    orphan = subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True)
    recorded = subprocess.Popen(["sleep", "60"], process_group=0)
    stranger = subprocess.Popen(["sleep", "60"], process_group=0)
    try:
        group = ProcessGroup.led_by(recorded.pid)
        (left / "group").write_text(f"{group.id} {group.started}\n")
        recycled = own_root / "slot-2-recycled"
        recycled.mkdir()
        (recycled / "group").write_text(f"{stranger.pid} {ProcessGroup.led_by(stranger.pid).started - 1}\n")
        assert sweep(own_root) == 2
        assert (orphan.wait(5), recorded.wait(5)) == (-signal.SIGKILL, -signal.SIGKILL)
        assert stranger.poll() is None
        assert mine.process_group.members() != []
        assert len(slots(own_root)) == 1
    finally:
        for process in (orphan, recorded, stranger):
            process.kill()
            process.wait(5)
        mine.close()


def test_a_slot_is_locked_as_long_as_its_owner_lives(own_root: Path) -> None:
    slot = Slot.create(own_root, None)
    assert sweep(own_root) == 0
    slot.remove()
    assert slots(own_root) == []


@ENGINES
def test_chrome_never_runs_as_root_and_keeps_its_sandbox(
    warm: Callable[[str], Browser], shop: Shop, engine: str
) -> None:
    browser = warm(engine)
    with browser.context() as page:
        page.open(f"{shop.address}/hello")
        pids = browser.process_group.members()
        status = {pid: Path(f"/proc/{pid}/status").read_text() for pid in pids}
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in pids}
        namespaces = {pid: os.readlink(f"/proc/{pid}/ns/user") for pid in pids}
    assert all("\nUid:\t0" not in text for text in status.values())
    assert not [command for command in commands.values() if "--no-sandbox" in command]
    renderers = [pid for pid, command in commands.items() if "--type=renderer" in command]
    assert renderers
    assert all("\nSeccomp:\t2" in status[pid] for pid in renderers)
    assert all(namespaces[pid] != os.readlink("/proc/self/ns/user") for pid in renderers)


@ENGINES
def test_no_process_of_chrome_takes_all_the_memory(warm: Callable[[str], Browser], shop: Shop, engine: str) -> None:
    browser = warm(engine)
    with browser.context() as page:
        page.open(f"{shop.address}/hello")
        chrome = [pid for pid in browser.process_group.members() if pid != browser.process_group.id]
        limits = [re.search(r"Max data size +(\d+)", Path(f"/proc/{pid}/limits").read_text()) for pid in chrome]
        taken = page.run(TAKE_ALL, None, timeout_s=60)
    assert len(limits) >= 5
    assert all(limit and int(limit[1]) <= 3 * 1024**3 for limit in limits)
    assert taken < 3000


def test_the_browser_sees_nothing_of_the_workers_environment(
    own_settings: BrowserSettings, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://secret")
    browser = Browser(own_settings, profile)
    try:
        environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in browser.process_group.members()]
    finally:
        browser.close()
    assert environments
    assert not [text for text in environments if b"secret" in text]


def test_a_browser_that_is_not_there_is_a_start_failure_without_leftovers(
    own_settings: BrowserSettings, own_root: Path, profile: Profile
) -> None:
    for settings in (
        replace(own_settings, chrome_shell=Path("/nowhere/chrome")),
        replace(own_settings, chromedriver=Path("/nowhere/chromedriver")),
        replace(own_settings, chrome_shell=Path("/bin/true")),
    ):
        with pytest.raises(TaskError) as failed:
            Browser(settings, profile)
        assert failed.value.code is Code.CHROME_START
        assert failed.value.detail
    assert slots(own_root) == []


def test_full_chrome_in_too_deep_a_folder_says_so(own_settings: BrowserSettings, profile: Profile) -> None:
    deep = own_settings.root / ("deep" * 10)
    with pytest.raises(TaskError, match="too long a path") as failed:
        Browser(replace(own_settings, root=deep), replace(profile, engine="chrome"))
    assert failed.value.code is Code.CHROME_START
    assert slots(deep) == []


def test_a_folder_that_others_may_write_to_is_refused(own_settings: BrowserSettings, profile: Profile) -> None:
    own_settings.root.chmod(0o777)
    with pytest.raises(TaskError, match="writable by nobody else") as failed:
        Browser(own_settings, profile)
    assert failed.value.code is Code.CHROME_START


def test_a_browser_is_recycled_by_count_age_and_memory(browser: Browser) -> None:
    with browser.context():
        pass
    assert browser.why_recycle(RecyclingLimits()) is None
    assert browser.why_recycle(RecyclingLimits(contexts=1)) == "contexts"
    assert browser.why_recycle(RecyclingLimits(age_s=0)) == "age"
    while browser.contexts % 25:
        with browser.context():
            pass
    assert browser.why_recycle(RecyclingLimits(memory_bytes=1_000_000)) == "memory"
    assert 50_000_000 < browser.memory_bytes() < 600_000_000


def test_the_shelf_keeps_the_browsers_of_two_storefronts_warm(own_settings: BrowserSettings, profile: Profile) -> None:
    shelf = BrowserShelf(own_settings, capacity=2)
    try:

        def browser_for(storefront_id: int, version: int, *, draws: bool = False) -> Browser:
            return shelf.browser_for(storefront_id, version, profile, draws=draws)

        first, second = browser_for(1, 1), browser_for(2, 1)
        assert browser_for(1, 1) is first
        third = browser_for(3, 1)
        assert (first.is_alive, second.is_alive, third.is_alive) == (True, False, True)
        assert browser_for(1, 1) is first
        drawing = browser_for(1, 1, draws=True)
        assert (first.is_alive, third.is_alive, drawing.is_alive) == (True, False, True)
        assert (first.draws, drawing.draws) == (False, True)
        newer = browser_for(1, 2)
        assert (first.is_alive, drawing.is_alive, newer.is_alive) == (False, False, True)
        newer.kill()
        assert browser_for(1, 2) is not newer
        browser_for(2, 1)
        assert len(slots(own_settings.root)) == 2
    finally:
        shelf.close()
    assert slots(own_settings.root) == []
