"""Several threads in one Chrome: none sees another one's cookies, and what ends one visit leaves the others alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from tests.workers.shop import Shop
from workers.actions.view_product import view_product
from workers.chrome.settings import BrowserSettings, RecyclingLimits
from workers.chrome.sharing import Guest, SharedChromes
from workers.chrome.shelf import Key
from workers.errors import TaskError

COUNTER = count()
WAIT_S = 60
KEY = Key(1, 1, draws=False)


@pytest.fixture
def root(browser_root: Path) -> Path:
    """A folder of browsers that no other test uses."""
    folder = browser_root / f"shared{next(COUNTER)}"
    folder.mkdir(mode=0o711)
    return folder


@pytest.fixture
def share(
    settings_for: Callable[..., BrowserSettings], shop: Shop, root: Path
) -> Iterator[Callable[[RecyclingLimits], SharedChromes]]:
    """Makes browsers that are shared, and looks that nothing is left of them."""
    made: list[SharedChromes] = []

    def make(limits: RecyclingLimits) -> SharedChromes:
        made.append(SharedChromes(replace(settings_for(shop), root=root), limits=limits, capacity=3))
        return made[-1]

    yield make
    for shared in made:
        shared.close()
    assert list(root.glob("slot-*")) == []


@pytest.fixture
def shared(share: Callable[[RecyclingLimits], SharedChromes]) -> SharedChromes:
    return share(RecyclingLimits())


def storage_of(shared: SharedChromes, shop: Shop, profile: Profile, together: threading.Barrier) -> tuple[str, str]:
    """How often a page says it was here, and its cookie, the second time that it is seen."""
    with shared.lend(KEY, profile) as guest, guest.context() as page:
        for _ in range(2):
            together.wait(WAIT_S)
            page.open(f"{shop.address}/storage")
        visits, cookie = page.run("() => document.title", None, timeout_s=10).split("|")
        together.wait(WAIT_S)
    return visits, cookie


def code_of(guest: Guest, profile: Profile, asin: str) -> Code | None:
    return view_product(guest, profile, asin, cancelled=lambda: False).code


def wait_for(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def test_visits_at_the_same_time_in_one_browser_share_no_cookie_and_no_storage(
    shared: SharedChromes, shop: Shop, profile: Profile, root: Path
) -> None:
    together = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda _: storage_of(shared, shop, profile, together), range(4)))
    assert [visits for visits, _ in seen] == ["2"] * 4
    assert len({cookie for _, cookie in seen}) == 4
    assert len(list(root.glob("slot-*"))) == 1


def test_products_are_read_right_while_others_are_read_in_the_same_browser(
    shared: SharedChromes, profile: Profile
) -> None:
    asins = ["RAFTWICE01", "INVIEW0001", "GOOD000001", "LATE000001", "ALERT00001", "SCROLLED01"] * 3

    def view(asin: str) -> tuple[str, Code | None]:
        with shared.lend(KEY, profile) as guest:
            return asin, code_of(guest, profile, asin)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(view, asins)) == [(asin, None) for asin in asins]


@pytest.mark.parametrize("asin", ["BUSY000001", "BUSYLATER1", "HALF000001", "HUGE000001", "RESET00001"])
def test_a_page_that_fails_leaves_those_beside_it_alone(shared: SharedChromes, profile: Profile, asin: str) -> None:
    patient = replace(profile, timeouts=replace(profile.timeouts, page_load_s=6, script_s=6, ready_s=6))
    with shared.lend(KEY, patient) as bad, shared.lend(KEY, patient) as good, ThreadPoolExecutor(1) as pool:
        ending = pool.submit(code_of, bad, patient, asin)
        while not ending.done():
            assert code_of(good, patient, "GOOD000001") is None
        assert ending.result() is not None


def test_killing_one_visit_ends_its_context_and_no_other(shared: SharedChromes, shop: Shop, profile: Profile) -> None:
    shop.gate.clear()
    try:
        with shared.lend(KEY, profile) as good, good.context() as page, ThreadPoolExecutor(1) as pool:
            page.open(f"{shop.address}/p/GOOD000001")
            with shared.lend(KEY, profile) as bad:
                ending = pool.submit(code_of, bad, profile, "HELD000001")
                assert wait_for(lambda: "/p/HELD000001" in shop.paths)
                connection = good.chrome.connect()
                bad.kill()
                assert ending.result(WAIT_S) is Code.CHROME_CRASH

                def only_one_is_left() -> bool:
                    left = connection.call("Target.getBrowserContexts", timeout_s=10)["browserContextIds"]
                    return len(left) == 1

                assert wait_for(only_one_is_left)
            assert page.run("() => document.title", None, timeout_s=10) == "GOOD000001"
            connection.close()
    finally:
        shop.gate.set()


def test_when_the_browser_dies_nobody_in_it_is_blamed_and_the_next_visit_has_a_new_one(
    shared: SharedChromes, shop: Shop, profile: Profile
) -> None:
    shop.gate.clear()
    try:
        with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
            guests = [stack.enter_context(shared.lend(KEY, profile)) for _ in range(2)]

            def visit(guest: Guest) -> tuple[Code, bool]:
                with pytest.raises(TaskError) as lost, guest.context() as page:
                    page.open(f"{shop.address}/p/HELD000002")
                return lost.value.code, lost.value.counts

            visits = [pool.submit(visit, guest) for guest in guests]
            assert wait_for(lambda: shop.paths.count("/p/HELD000002") == 2)
            dead = guests[0].chrome
            assert guests[1].chrome is dead
            dead.process_group.kill(10)
            assert [visit.result(WAIT_S) for visit in visits] == [(Code.CHROME_CRASH, False)] * 2
    finally:
        shop.gate.set()
    with shared.lend(KEY, profile) as guest:
        assert guest.chrome is not dead
        assert code_of(guest, profile, "GOOD000001") is None


def test_a_browser_that_must_go_takes_no_new_visit_and_ends_with_its_last_one(
    share: Callable[[RecyclingLimits], SharedChromes], profile: Profile, root: Path
) -> None:
    shared = share(RecyclingLimits(contexts=2))
    with shared.lend(KEY, profile) as first:
        with shared.lend(KEY, profile) as second:
            assert second.chrome is first.chrome
        with shared.lend(KEY, profile) as third:
            assert third.chrome is not first.chrome
            assert code_of(first, profile, "GOOD000001") is None
            assert code_of(third, profile, "GOOD000001") is None
            assert len(list(root.glob("slot-*"))) == 2
    assert wait_for(lambda: len(list(root.glob("slot-*"))) == 1)


def test_a_new_version_of_a_profile_gets_a_new_browser_and_an_old_one_takes_nobody_from_it(
    shared: SharedChromes, profile: Profile
) -> None:
    newer = KEY._replace(profile_version=2)
    with shared.lend(KEY, profile) as old, shared.lend(newer, profile) as new:
        assert new.chrome is not old.chrome
        with shared.lend(KEY, profile) as late, shared.lend(newer, profile) as again:
            assert again.chrome is new.chrome
            assert late.chrome is not new.chrome


def test_there_are_no_more_browsers_than_have_room_and_who_is_visited_now_stays(
    shared: SharedChromes, profile: Profile, root: Path
) -> None:
    with shared.lend(KEY, profile) as busy:
        for storefront in (2, 3, 4, 5):
            with shared.lend(Key(storefront, 1, draws=False), profile):
                pass
        assert wait_for(lambda: len(list(root.glob("slot-*"))) == 3)
        with shared.lend(KEY, profile) as again:
            assert again.chrome is busy.chrome


def test_a_browser_that_does_not_start_is_told_to_all_who_wait_for_it_and_started_again(
    shared: SharedChromes, shop: Shop, profile: Profile, root: Path
) -> None:
    refused = replace(profile, allowed_hosts=(("127.0.0.1", shop.port + 1),))
    for _ in range(2):
        with pytest.raises(TaskError) as refusal, shared.lend(KEY, refused):
            pass
        assert refusal.value.code is Code.ADDRESS_REFUSED
    assert list(root.glob("slot-*")) == []
    with shared.lend(KEY, profile) as guest:
        assert code_of(guest, profile, "GOOD000001") is None
