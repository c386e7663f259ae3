"""The task protocol holds in every state of small worlds, and no guard of it can be missed."""

from __future__ import annotations

from typing import Final

import pytest

from tests.faults.sizes import FULL
from tests.model.effects import World
from tests.model.explore import explore
from tests.model.guards import GUARDS, SPARE
from tests.model.state import EVERYTHING, Bounds

ONE: Final = Bounds()
"""A task, two workers, and everything that can happen."""
RACE: Final = Bounds(dispatchers=2, attempts=1)
SHOP: Final = Bounds(
    jobs=((1, None), (1, None)), attempts=1, losses=0, without=frozenset({"deadline", "pause", "duplicate"})
)
"""Two jobs that share a storefront's only place."""
JOB: Final = Bounds(jobs=((2, 1),), shop=2, attempts=1, losses=0, without=frozenset({"extend", "duplicate"}))
"""Two tasks of which the job lets one run at a time."""
SHUT: Final = Bounds(attempts=1, losses=0, closes=True, without=frozenset({"extend", "pause"}))
"""A storefront that may not be visited at all times."""
LANES: Final = Bounds(attempts=1, shares=True, without=frozenset({"extend", "pause"}))
"""A browser that is not the task's alone."""
LONELY: Final = Bounds(workers=1, attempts=1)
LARGE: Final = {
    "two dispatchers, two attempts": Bounds(dispatchers=2),
    "a job with a concurrency, whole": Bounds(jobs=((2, 1),), shop=2, attempts=1, losses=0),
    "two jobs at one storefront, with pauses": Bounds(
        jobs=((1, None), (1, None)), attempts=1, losses=0, without=frozenset({"extend", "duplicate"})
    ),
}
WORLDS: Final = {
    "one task": ONE,
    "two dispatchers": RACE,
    "two jobs at one storefront": SHOP,
    "a job with a concurrency": JOB,
    "a storefront that closes": SHUT,
    "shared browsers": LANES,
    **(LARGE if FULL else {}),
}
SEEN_IN: Final = {
    "release by the number that was looked at": RACE,
    "reap the lease that was looked at": RACE,
    "claims of a storefront wait for each other": SHOP,
    "claim within the storefront's concurrency": SHOP,
    "claim only what may be visited now": SHUT,
    "claim within the job's concurrency": JOB,
    "what does not count happens once": LANES,
}
"""The world in which a guard is missed, where one task and one dispatcher do not miss it."""


@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("bounds", WORLDS.values(), ids=WORLDS)
def test_in_every_state_all_rules_hold_and_every_job_can_end(bounds: Bounds) -> None:
    found = explore(World(bounds))
    print(found)
    assert found.wrong is None, str(found)
    assert found.states > 1_000  # it went somewhere


@pytest.mark.parametrize("guard", GUARDS)
def test_without_any_one_guard_something_goes_wrong(guard: str) -> None:
    found = explore(World(SEEN_IN.get(guard, ONE), frozenset({guard})))
    print(found)
    assert found.wrong is not None, f"nothing goes wrong without: {guard}"


@pytest.mark.parametrize("guard", SPARE)
def test_what_only_saves_work_can_be_missed(guard: str) -> None:
    found = explore(World(LONELY, frozenset({guard})))
    assert found.wrong is None, str(found)


@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize(
    "guard", [None, *(sorted(GUARDS.keys() - SEEN_IN) if FULL else ["claim by the present number"])]
)
def test_to_leave_out_who_does_something_in_vain_hides_nothing(guard: str | None) -> None:
    small = Bounds(workers=1, attempts=1, losses=0, without=frozenset({"pause", "deadline"}))
    world = World(small) if guard is None else World(ONE, frozenset({guard}))
    found = explore(world, in_vain=EVERYTHING)
    print(found)
    assert (found.wrong is None) == (guard is None), str(found)
