"""Every saved page, read by the real script in a real browser. A shop that changed is one more folder in ``pages``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.rpa.profiles.profile import Profile
from app.rpa.profiles.schemas import ProfileSchema
from app.rpa.rules.readings import ProductReading
from tests.workers.storefront.browser import Page
from tests.workers.storefront.saved_pages import PAGES, load
from workers.errors import TaskError
from workers.storefront import extraction

CASES = sorted(folder for folder in PAGES.iterdir() if folder.is_dir())


def profile_of(folder: Path) -> Profile:
    return Profile.from_document(ProfileSchema().load(load(folder, "profile")))


def as_expected(reading: ProductReading) -> dict[str, Any]:
    """A reading as the expectations spell it: only what was read."""
    found: dict[str, Any] = {
        field: None if (read := getattr(reading, field)) is None else str(read.value)
        for field in ("name", "brand", "price", "availability")
    }
    found["conflicts"] = list(reading.conflicts)
    return found


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_saved_page_reads_as_expected(page: Page, folder: Path) -> None:
    profile, expected = profile_of(folder), load(folder, "expected")
    asin = expected["asin"]
    is_cart = profile.cart is not None
    page.open(profile.cart_url() if is_cart else profile.product_url(asin))
    raw = page.run(extraction.SCRIPT, extraction.plan_cart(profile, asin) if is_cart else extraction.plan(profile))

    assert len(json.dumps(raw, ensure_ascii=False).encode()) <= 1_000_000
    assert raw["failed"] == []
    assert raw["status"] == expected.get("status", 200)
    if "code" in expected:
        with pytest.raises(TaskError) as refusal:
            read(raw, profile, asin)
        assert str(refusal.value.code) == expected["code"]
        assert expected.get("detail", "") in refusal.value.detail
        assert refusal.value.missing == expected.get("missing", refusal.value.missing)
    else:
        unread: dict[str, Any] = {"brand": None, "availability": None, "conflicts": []}
        assert read(raw, profile, asin) == expected.get("cart", unread | expected.get("reading", {}))


def read(raw: dict[str, Any], profile: Profile, asin: str) -> dict[str, Any]:
    if profile.cart is None:
        return as_expected(extraction.interpret(raw, profile, asin))
    extraction.check_page(raw, profile)
    line = extraction.interpret_cart(raw, profile, asin)
    found = {"quantity": line.quantity, "unit_price": None if line.unit_price is None else str(line.unit_price.value)}
    if line.unit_price is None and line.line_price is not None:
        found["line_price"] = str(line.line_price.value)
    return found
