"""The model says what the code does: walks through it on the real services, compared with the rows at every step."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest
from flask import Flask

from app.rpa.services import preparing
from tests.faults.sizes import FULL, SEED
from tests.model.state import Bounds
from tests.model.steps import STEPS
from tests.model.walker import Walker
from tests.model.worker import CODES
from tests.rpa.conftest import FarmDriver, stock_master
from tests.servers import on_sqlite

WALKS: Final = 1_000 if FULL else 40
LENGTH: Final = 30
WORLDS: Final = (
    Bounds(dispatchers=2, closes=True),
    Bounds(jobs=((2, 1), (1, None)), shop=2, dispatchers=2, closes=True, shares=True),
    Bounds(jobs=((3, None),), shop=2, workers=3, attempts=1, losses=0, closes=True, shares=True),
    Bounds(jobs=((1, None), (2, None)), closes=True),
)


@pytest.fixture
def farm(context: Flask, monkeypatch: pytest.MonkeyPatch) -> FarmDriver:
    """The services over five products; tasks are made one by one."""
    stock_master()
    monkeypatch.setattr(preparing, "CHUNK", 1)
    return FarmDriver(context)


@on_sqlite
@pytest.mark.timeout(3600 if FULL else 300)
@pytest.mark.parametrize("world", range(len(WORLDS)))
def test_whatever_happens_the_rows_are_as_the_model_says(farm: FarmDriver, world: int) -> None:
    taken: Counter[str] = Counter()
    bounds = WORLDS[world]
    retry = {"attempts": bounds.attempts, "losses": bounds.losses, "rate_limited": 2, "backoff_s": [1]}
    shop = farm.storefront(pace={"gap_ms": 0, "concurrency": bounds.shop}, retry=retry)
    for number in range(WALKS):
        walker = Walker(farm, bounds, shop.code, f"{SEED}-{world}-{number}")
        taken += walker.walk(LENGTH)
        walker.forget()
    untried = {step.__name__ for step in STEPS if not step.__name__.endswith("write")} - taken.keys()
    unlikely = {"stopped"} if bounds.shares else {"stopped", "shared"}
    untried |= {f"finish {how}" for how in CODES if how not in unlikely} - taken.keys()
    assert not untried, untried
