"""Which addresses a browser may reach, and how they are told to Chrome."""

from __future__ import annotations

import time

import pytest

from app.rpa.rules.codes import Code
from workers.chrome.addresses import resolve, resolver_rules
from workers.errors import TaskError

NONE: frozenset[tuple[str, int]] = frozenset()


def test_a_host_is_pinned_to_the_first_address_it_resolves_to() -> None:
    found = resolve([("shop.example", 443)], private=NONE, timeout_s=1, lookup=lambda *_: ["8.8.8.8", "8.8.4.4"])
    assert found == {("shop.example", 443): "8.8.8.8"}


def test_a_host_with_one_private_address_among_public_ones_is_refused() -> None:
    with pytest.raises(TaskError) as refused:
        resolve([("shop.example", 443)], private=NONE, timeout_s=1, lookup=lambda *_: ["8.8.8.8", "10.0.0.1"])
    assert refused.value.code is Code.ADDRESS_REFUSED
    assert "10.0.0.1" in refused.value.detail


def test_a_private_target_is_allowed_on_exactly_its_port() -> None:
    private = frozenset({("127.0.0.1", 8001)})
    assert resolve([("127.0.0.1", 8001)], private=private, timeout_s=1) == {("127.0.0.1", 8001): "127.0.0.1"}
    with pytest.raises(TaskError) as refused:
        resolve([("127.0.0.1", 8002)], private=private, timeout_s=1)
    assert refused.value.code is Code.ADDRESS_REFUSED


def test_a_name_that_does_not_resolve_is_a_dns_failure() -> None:
    with pytest.raises(TaskError) as failed:
        resolve([("nobody.invalid", 443)], private=NONE, timeout_s=5)
    assert failed.value.code is Code.NAV_DNS


def test_a_resolver_that_hangs_is_a_dns_failure_within_the_limit() -> None:
    def hang(_host: str, _port: int) -> list[str]:
        time.sleep(1)
        return ["8.8.8.8"]

    started = time.monotonic()
    with pytest.raises(TaskError) as failed:
        resolve([("shop.example", 443)], private=NONE, timeout_s=0.1, lookup=hang)
    assert failed.value.code is Code.NAV_DNS
    assert time.monotonic() - started < 0.8


def test_many_slow_hosts_do_not_add_up_their_limits() -> None:
    def slow(_host: str, _port: int) -> list[str]:
        time.sleep(0.2)
        return ["8.8.8.8"]

    targets = [(f"{number}.shop.example", 443) for number in range(20)]
    started = time.monotonic()
    with pytest.raises(TaskError) as failed:
        resolve(targets, private=NONE, timeout_s=0.5, lookup=slow)
    assert failed.value.code is Code.NAV_DNS
    assert time.monotonic() - started < 1.5


def test_the_rules_allow_the_checked_addresses_and_refuse_everything_else() -> None:
    rules = resolver_rules({("shop.example", 443): "8.8.8.8", ("v6.example", 8443): "2606:4700::1111"})
    assert rules == ("MAP shop.example:443 8.8.8.8:443, MAP v6.example:8443 [2606:4700::1111]:8443, MAP * ~NOTFOUND")


@pytest.mark.parametrize("host", ["*", "a b", "x, MAP * 127.0.0.1", "shop?", "sh*p.example", ""])
def test_a_host_that_would_change_the_rules_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="no host name"):
        resolver_rules({(host, 443): "8.8.8.8"})
