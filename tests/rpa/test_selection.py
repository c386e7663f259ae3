"""Which ASINs make a job."""

from __future__ import annotations

from app.rpa.rules.selection import LISTED, report, sort_asins


def test_asins_are_merged_trimmed_and_kept_in_order() -> None:
    found = sort_asins(["B000000002", " b000000001\n", "B000000002", "B00000000", "B0000000É1", ""])
    assert found.asins == ["B000000002", "B000000001"]
    assert found.duplicates == ["B000000002"]
    assert found.malformed == ["B00000000", "B0000000É1", ""]


def test_the_report_counts_all_but_lists_a_bounded_number() -> None:
    found = sort_asins([f"B{number:09}" for number in range(LISTED + 5)])
    told = report(found, {})
    assert told["unknown"]["count"] == LISTED + 5
    assert len(told["unknown"]["asins"]) == LISTED
    assert told["duplicates"] == {"count": 0, "asins": []}
