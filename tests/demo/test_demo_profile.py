"""The marketplace's storefront profile is one that Cartwright accepts."""

from __future__ import annotations

import json

from app.rpa.profiles.profile import Profile
from app.rpa.profiles.schemas import ProfileSchema
from demo.__main__ import PROFILE
from demo.market import DEFAULT_PORT


def test_the_profile_is_accepted_and_fits_the_port_the_marketplace_opens_by_default() -> None:
    profile = Profile.from_document(ProfileSchema().load(json.loads(PROFILE.read_text(encoding="utf-8"))))
    assert profile.allowed_hosts == (("127.0.0.1", DEFAULT_PORT),)
    assert profile.product_url("B00E83PP5W") == f"http://127.0.0.1:{DEFAULT_PORT}/p/B00E83PP5W"
    assert profile.cart_url() == f"http://127.0.0.1:{DEFAULT_PORT}/cart"


def test_the_profile_asks_for_a_short_page_load_one_retry_and_no_gap() -> None:
    document = json.loads(PROFILE.read_text(encoding="utf-8"))
    assert (document["timeouts"]["page_load_s"], document["retry"]["attempts"], document["pace"]["gap_ms"]) == (5, 2, 0)
