"""Whose tasks are released next."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.rpa.models.jobs import Priority
from app.rpa.rules.turns import WEIGHTS, Candidate, Turns

HIGH, NORMAL, LOW = (WEIGHTS[one] for one in (Priority.HIGH, Priority.NORMAL, Priority.LOW))
MANY = 10**6


def one(job_id: int, weight: int = NORMAL, *, shop: int = 1, most: int = MANY) -> Candidate:
    return Candidate(job_id, shop, weight, most)


def rounds(turns: Turns, count: int, candidates: list[Candidate], *, slots: int = 1, room: int = MANY) -> Counter[int]:
    """What each job gets in so many rounds of so many slots on every storefront."""
    total: Counter[int] = Counter()
    for _ in range(count):
        total.update(turns.share(candidates, {each.storefront_id: slots for each in candidates}, room))
    return total


def test_jobs_of_one_priority_alternate() -> None:
    turns = Turns()
    served = [next(iter(turns.share([one(1), one(2)], {1: 1}, 9))) for _ in range(6)]
    assert served == [1, 2, 1, 2, 1, 2]


def test_shares_are_as_the_weights_also_one_task_at_a_time() -> None:
    candidates = [one(1, HIGH), one(2, NORMAL), one(3, LOW)]
    assert rounds(Turns(), 130, candidates) == {1: 90, 2: 30, 3: 10}


def test_a_low_job_is_not_starved_by_a_hundred_high_ones() -> None:
    candidates = [one(number, HIGH) for number in range(100)] + [one(100, LOW)]
    assert rounds(Turns(), 1000, candidates)[100] >= 1


def test_jobs_of_different_storefronts_share_the_room_by_their_weights() -> None:
    candidates = [one(1, HIGH, shop=1), one(2, LOW, shop=2)]
    assert rounds(Turns(), 100, candidates, slots=50, room=1) == {1: 90, 2: 10}


def test_what_one_cannot_use_the_others_get() -> None:
    assert Turns().share([one(1, HIGH, most=2), one(2, LOW)], {1: 10}, 10) == {1: 2, 2: 8}
    assert Turns().share([one(1, shop=1), one(2, shop=2)], {1: 3, 2: 100}, 50) == {1: 3, 2: 47}


def test_nobody_saves_up_while_it_cannot_have_anything() -> None:
    turns = Turns()
    rounds(turns, 500, [one(1)])
    assert rounds(turns, 10, [one(1), one(2)]) == {1: 5, 2: 5}


def test_without_room_nobody_gets_anything() -> None:
    assert Turns().share([one(1)], {1: 5}, 0) == {}
    assert Turns().share([one(1)], {1: 5}, -3) == {}
    assert Turns().share([], {}, 5) == {}


@given(
    st.lists(st.tuples(st.sampled_from([1, 3, 9]), st.integers(1, 3), st.integers(0, 50)), max_size=12),
    st.integers(0, 2000),
    st.integers(0, 40),
)
def test_no_limit_is_ever_exceeded_and_nothing_is_left_that_somebody_could_have(
    jobs: list[tuple[int, int, int]], room: int, slots: int
) -> None:
    candidates = [one(at, weight, shop=shop, most=most) for at, (weight, shop, most) in enumerate(jobs)]
    free = dict.fromkeys((1, 2, 3), slots)
    granted = Turns().share(candidates, free, room)
    in_shop: Counter[int] = Counter()
    for each in candidates:
        assert granted.get(each.job_id, 0) <= each.most
        in_shop[each.storefront_id] += granted.get(each.job_id, 0)
    assert all(count <= slots for count in in_shop.values())
    assert sum(granted.values()) <= room
    if sum(granted.values()) < room:
        assert all(
            granted.get(each.job_id, 0) == each.most or in_shop[each.storefront_id] == slots for each in candidates
        )
