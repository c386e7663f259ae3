"""What a robots.txt says to us (RFC 9309): decided with plain values.

Which pages: by Protego, which knows the wildcards, the longest match and how addresses are compared. Which lines are
ours, we say ourselves: it takes a group of ``cart`` for one of ``Cartwright``, and a file with thousands of groups
costs it minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from protego import Protego

from app.core.hosts import address_of
from app.core.resolving import UNRESOLVED
from app.rpa.models.jobs import Action
from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.naming import PRODUCT

MAX_BYTES: Final = 500 * 1024
"""What crawlers have to read at least (RFC 9309, 2.5), and what we read."""
KEPT: Final = timedelta(hours=24)
"""How long what was read counts (RFC 9309, 2.4)."""
REFRESHED_AFTER: Final = timedelta(hours=18)
"""From when on it is read again, so that a shop which is away for some hours does not stop anything."""
LONGEST_DELAY_MS: Final = 3_600_000
"""A Crawl-delay beyond the longest gap that a profile may have counts as that."""
_RETRY_S: Final = 60
_LONGEST_RETRY_S: Final = 3600
_SHOWN_RULES: Final = 200
_AGENT: Final = re.compile(r"\s*user[- ]?agent\s*[:\s]\s*(?P<agent>[^#]*)", re.IGNORECASE)
_OF_THE_SITE: Final = frozenset({"sitemap", "host"})
"""What belongs to no group."""
_WORD: Final = re.compile(r"[a-z_-]+", re.IGNORECASE)


class State(StrEnum):
    """What is known of a server's robots.txt."""

    UNREAD = "UNREAD"
    RULES = "RULES"
    NONE = "NONE"
    """The server has none (any 4xx but 429): everything is allowed (RFC 9309, 2.3.1.3)."""
    REFUSED = "REFUSED"
    """The host may not be asked, and so not be visited either."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a task's servers say of the pages that it needs."""

    code: Code | None = None
    """The task ends so, without a visit."""
    detail: str = ""
    wait_until: datetime | None = None
    """That is not known yet; the task is to come again then."""
    unread: Code = Code.ROBOTS_DENIED
    """With ``wait_until``: how it ends for those who cannot wait; ``detail`` says more where somebody tried."""


ALLOWED: Final = Verdict()


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that are ours."""

    text: str
    """Of the file the groups that name us, or those for everybody."""

    def allows(self, url: str) -> bool:
        """Whether we may visit an address."""
        return _parsed(self.text).can_fetch(url, PRODUCT)

    @property
    def delay_ms(self) -> int:
        """Milliseconds that have to lie between two visits: Crawl-delay, or Request-rate where that is slower."""
        rules = _parsed(self.text)
        rate = rules.request_rate(PRODUCT)
        wanted = max(rules.crawl_delay(PRODUCT) or 0.0, rate.seconds / rate.requests if rate else 0.0)
        return round(min(wanted * 1000, LONGEST_DELAY_MS))

    @property
    def shown(self) -> list[str]:
        """The lines that are rules, and the first of them where there are many."""
        return [line.partition("#")[0].strip()[:500] for line in self.text.splitlines()[1 : _SHOWN_RULES + 1]]


def read_rules(body: str) -> Rules:
    """The rules of a robots.txt that are ours: those for Cartwright, or without any those for everybody."""
    groups = list(_groups(body))
    ours = [lines for agents, lines in groups if PRODUCT.lower() in agents]
    chosen = ours or [lines for agents, lines in groups if "*" in agents]
    return Rules("\n".join([f"User-agent: {PRODUCT}", *(line for lines in chosen for line in lines)]))


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, always with the port; raises HostError."""
    scheme, host, port = address_of(url)
    return f"{scheme}://{host}:{port}"


def pages_of(profile: Profile, action: Action, asin: str, quantity: int = 1) -> list[str]:
    """The addresses that an errand goes to by itself."""
    if action is Action.ADD_TO_CART and profile.cart is not None:
        return [profile.buying_url(asin, quantity), profile.cart_url()]
    return [profile.product_url(asin)]


def origins_of(profile: Profile) -> list[str]:
    """The servers that a storefront's errands go to by themselves."""
    urls = [profile.product_url("B000000000"), *([profile.cart_url()] if profile.cart else [])]
    return list(dict.fromkeys(origin_of(url) for url in urls))


def address_in(origin: str) -> str:
    """Where a server's robots.txt is, without the port that goes without saying."""
    parts = urlsplit(origin)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.hostname if parts.port == usual else f"{parts.hostname}:{parts.port}"
    return f"{parts.scheme}://{host}/robots.txt"


def unread_code(status: int | None, problem: str) -> Code:
    """How a visit ends whose robots.txt could not be read, by the last answer's status and by what went wrong.

    A server that answers with anything but rules denies all pages (RFC 9309, 2.3.1.4); one that could not be asked
    says nothing, and it is the network that has to be looked at.
    """
    if status is not None:
        return Code.ROBOTS_DENIED
    return Code.NAV_DNS if problem.endswith(UNRESOLVED) else Code.NAV_CONN


def retry_s(failures: int, retry_after_s: float | None) -> float:
    """Seconds until one that could not be read so many times is asked for again: a minute, doubling to an hour."""
    wanted = min(_RETRY_S * 2.0 ** min(failures - 1, 10), _LONGEST_RETRY_S)
    return wanted if retry_after_s is None else min(max(wanted, retry_after_s), _LONGEST_RETRY_S)


def _groups(body: str) -> Iterator[tuple[set[str], list[str]]]:
    """Who is meant, and what is said to them; agents that follow each other share a group (RFC 9309, 2.2.1)."""
    agents: set[str] = set()
    lines: list[str] = []
    for line in body.removeprefix("\ufeff").splitlines():
        found = _AGENT.match(line)
        if found is None:
            lines += [line] if _is_rule(line) else []
            continue
        if lines:
            yield agents, lines
            agents, lines = set(), []
        agents.add(_product(found["agent"]))
    yield agents, lines


def _is_rule(line: str) -> bool:
    field, colon, _ = line.partition("#")[0].partition(":")
    return bool(colon) and field.strip().lower() not in _OF_THE_SITE


def _product(agent: str) -> str:
    agent = agent.strip()
    found = _WORD.match(agent)
    return "*" if agent.startswith("*") else found[0].lower() if found else ""


@lru_cache(maxsize=16)
def _parsed(text: str) -> Protego:
    return Protego.parse(text)
