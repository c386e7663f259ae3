"""Whatever is interrupted, wherever: once everything has come to rest nothing is lost, leaked, or paid twice.

Each scenario runs once to the end and notes its places. Then it runs once for each place, and there the process dies,
its connection or the provider's answer is lost, or the database gives its transaction up. Afterwards whoever asked asks
again, or comes back hours later, or never: in any case the rules of tests.faults.invariants hold.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import pytest

from tests.faults import coupon_scenarios as coupons
from tests.faults import desk_scenarios as desk
from tests.faults import provider_scenarios as provider
from tests.faults import scenarios
from tests.faults.dying import POSSIBLE, Fault, Place, Process
from tests.faults.scenarios import Scenario, must_be_tried_again
from tests.faults.sizes import FULL, SEED
from tests.faults.stage import LOCK_S, Stage
from tests.servers import on_sqlite

SCENARIOS: Final[tuple[type[Scenario], ...]] = (
    scenarios.Invoice,
    scenarios.Card,
    scenarios.Declined,
    scenarios.Edited,
    scenarios.EditedToInvoice,
    scenarios.PaidByNotice,
    scenarios.PaidByRefresh,
    coupons.WithCoupon,
    coupons.GivenUpWithCoupon,
    coupons.CancelledWithCoupon,
    coupons.PlacedByStaff,
    desk.Shipped,
    desk.Cancelled,
    desk.CancelledByCustomer,
    desk.Refunded,
    desk.Returned,
    desk.Recorded,
    desk.PaidTooLate,
    desk.PaidWhenSoldOut,
    desk.Swept,
    desk.SweptUnpaid,
    desk.CheckoutCancelled,
    desk.Merged,
    provider.RefundedOutside,
)


pytestmark = [] if FULL else [on_sqlite]


INSIDE: Final = {Place.STATEMENT, Place.READ}
SOME: Final = {Fault.KILL: (6, 1), Fault.LOSE: (2, 1), Fault.DEADLOCK: (1, 1)}
"""Of how many places each happens in ``make test``: between transactions and around calls, and inside of one."""


class Aftermath(StrEnum):
    """What whoever asked does afterwards."""

    AGAIN = "asks again"
    LATE = "asks again when everything has expired"
    NEVER = "never comes back"


@pytest.mark.parametrize("faults", [(each,) for each in Fault] if FULL else [tuple(Fault)], ids="-".join)
@pytest.mark.parametrize("story", SCENARIOS, ids=lambda story: story.__name__)
def test_an_interruption_anywhere_leaves_nothing_behind(
    stage: Stage, story: type[Scenario], faults: tuple[Fault, ...]
) -> None:
    chance = random.Random(SEED)
    places = _places(stage, story)
    for fault in faults:
        for at, aftermath in _tried(places, fault, chance):
            _interrupt(stage, story(stage), Process(at, fault), aftermath, chance)


def _places(stage: Stage, story: type[Scenario]) -> list[tuple[Place, str]]:
    """The places that the scenario comes by when nothing happens, which must end well."""
    scenario, whole = story(stage), Process()
    scenario.prepare()
    with stage.dying(whole):
        scenario.steps()
    scenario.assert_done()
    stage.come_to_rest()
    assert stage.violations() == []
    return whole.came_by


def _tried(places: list[tuple[Place, str]], fault: Fault, chance: random.Random) -> Iterator[tuple[int, Aftermath]]:
    """The places at which the fault happens, and what comes after it."""
    possible = [at for at, (place, _) in enumerate(places) if place in POSSIBLE[fault]]
    if FULL:
        turns = itertools.cycle(Aftermath)
        for at in possible:
            yield from ((at, each) for each in (Aftermath if places[at][0] not in INSIDE else [next(turns)]))
        return
    # within a transaction all places are alike to a database: mostly what is between them is tried
    statements = [at for at in possible if places[at][0] in INSIDE]
    others = [at for at in possible if places[at][0] not in INSIDE]
    some, few = SOME[fault]
    for at in sorted(_some_of(others, some, chance) + _some_of(statements, few, chance)):
        yield at, chance.choice(list(Aftermath))


def _some_of(places: list[int], count: int, chance: random.Random) -> list[int]:
    return chance.sample(places, min(len(places), count))


def _interrupt(stage: Stage, scenario: Scenario, process: Process, aftermath: Aftermath, chance: random.Random) -> None:
    scenario.prepare()
    answers: list[Any] = []
    with stage.dying(process):
        answers = scenario.steps()
    assert process.is_reached, f"there is no place {process.at} this time"
    said = f"{process.fault} {process.where}; whoever asked {aftermath}; FAULTS_SEED={SEED}"
    if process.fault == Fault.DEADLOCK:  # nobody hears of it: it is done once more
        assert not any(must_be_tried_again(answer) for answer in answers), said
    if chance.random() < 0.5:
        stage.tell(chance)
    if aftermath == Aftermath.AGAIN:
        _try_again(stage, scenario)
    else:
        stage.come_to_rest()
    if aftermath == Aftermath.LATE:
        _try_again(stage, scenario)
    stage.tell(chance)
    stage.come_to_rest()
    assert stage.violations() == [], said
    assert scenario.order().get("attention") in {None, scenario.attention}, said
    if aftermath != Aftermath.NEVER:
        try:
            scenario.assert_done()
        except AssertionError as error:
            raise AssertionError(said) from error


def _try_again(stage: Stage, scenario: Scenario) -> None:
    for _ in range(5):
        stage.time_passes(LOCK_S)
        if not any(must_be_tried_again(answer) for answer in scenario.steps()):
            return
    raise AssertionError("it is not done after five tries")
