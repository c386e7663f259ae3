"""The demonstration's data, and what the farm must find in it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from app.core.money import Money
from demo.expected import Findings, differences, expect_carts, expect_views, read_master, read_shelf
from demo.make_data import CART_COUNT, DATA, DRIFT_ELSEWHERE, DRIFT_IN_CARTS, write

MASTER = read_master(DATA)
SHELF = read_shelf(DATA)
ASINS = [row["asin"] for row in MASTER]


@pytest.mark.parametrize("name", ["catalogue.json", "master.csv"])
def test_making_the_data_again_gives_the_same_files(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


def test_the_master_has_240_different_well_formed_products() -> None:
    assert len(set(ASINS)) == len({row["name"] for row in MASTER}) == len(MASTER) == 240
    for row in MASTER:
        assert re.fullmatch(r"[A-Z0-9]{10}", row["asin"])
        assert Money.parse(row["price"], "USD").minor > 0
        for column in ("name", "brand"):
            assert row[column] == " ".join(unicodedata.normalize("NFKC", row[column]).split())


def test_the_marketplace_differs_from_the_master_in_at_most_15_percent_of_the_products() -> None:
    different = {
        row["asin"]
        for row in MASTER
        if (entry := SHELF.get(row["asin"])) is None
        or entry["page"] != "product"
        or entry["stock"] == 0
        or any(row[column] != entry[column] for column in ("name", "brand", "price"))
    }
    assert len(different) == len(DRIFT_IN_CARTS) + len(DRIFT_ELSEWHERE) + 1
    assert len(different) <= 0.15 * len(MASTER)
    assert SHELF.keys() <= set(ASINS)


def test_a_view_of_every_product_must_find_what_the_lists_of_differences_say() -> None:
    kinds = Counter((*DRIFT_IN_CARTS, *DRIFT_ELSEWHERE, "dearer"))
    found = expect_views(MASTER, SHELF)
    assert found.count_ends() == {
        "SUCCEEDED": 240 - kinds["gone"] - kinds["silent"] - kinds["robot_check"],
        "REFUSED NOT_FOUND": 3,
        "FAILED NAV_TIMEOUT": 1,
        "FAILED BLOCKED": 1,
    }
    both = kinds["dearer_and_renamed"]
    assert found.count_changes() == {
        "price": kinds["dearer"] + kinds["cheaper"] + kinds["one_cent_more"] + both,
        "name": kinds["renamed"] + both,
        "brand": kinds["other_brand"],
        "availability": sum(count for kind, count in kinds.items() if kind.startswith("sold_out")),
    }
    assert found.count_changes() == {"price": 14, "name": 7, "availability": 4, "brand": 3}


def test_one_changed_price_is_over_a_thousand_and_one_moved_by_a_cent() -> None:
    steps = [
        (Decimal(before.removesuffix(" USD")), Decimal(after.removesuffix(" USD")))
        for _, what, before, after in expect_views(MASTER, SHELF).changes
        if what == "price"
    ]
    assert any(after >= 1000 for _, after in steps)
    assert [after - before for before, after in steps].count(Decimal("0.01")) == 1


def test_the_carts_meet_a_sold_out_a_gone_a_dead_and_a_dearer_product() -> None:
    carts = expect_carts(ASINS[:CART_COUNT], SHELF)
    assert carts.count_ends() == {
        "SUCCEEDED": 36,
        "REFUSED OUT_OF_STOCK": 2,
        "REFUSED NOT_FOUND": 1,
        "FAILED CART_NOT_CONFIRMED": 1,
    }
    assert len(carts.readings) == 36
    prices = {row["asin"]: f"{row['price']} USD" for row in MASTER}
    assert sum(reading["unit_price"] != prices[asin] for asin, reading in carts.readings.items()) == 2


def test_a_page_without_a_price_is_read_without_one() -> None:
    unpriced = [asin for asin, reading in expect_views(MASTER, SHELF).readings.items() if "price" not in reading]
    assert [SHELF[asin]["price_shown"] for asin in unpriced] == [False]


def test_equal_findings_have_no_differences() -> None:
    assert differences(expect_views(MASTER, SHELF), expect_views(MASTER, SHELF)) == []


def test_each_kind_of_difference_is_named() -> None:
    change = ("B000000001", "price", "1.00 USD", "2.00 USD")
    expected = Findings({"B000000001": "SUCCEEDED"}, frozenset({change}), {"B000000001": {"price": "2.00 USD"}})
    missed = "B000000001 price from '1.00 USD' to '2.00 USD'"
    assert differences(expected, replace(expected, changes=frozenset())) == [f"missing change: {missed}"]
    assert differences(replace(expected, changes=frozenset()), expected) == [f"change nobody made: {missed}"]
    assert differences(
        expected, replace(expected, ends={"B000000001": "FAILED BLOCKED", "B000000002": "SUCCEEDED"})
    ) == [
        "B000000001: must end SUCCEEDED, ended FAILED BLOCKED",
        "B000000002: must end nowhere, ended SUCCEEDED",
    ]
    assert differences(expected, replace(expected, readings={"B000000001": {"price": "2.01 USD"}})) == [
        "B000000001: must read {'price': '2.00 USD'}, read {'price': '2.01 USD'}"
    ]
