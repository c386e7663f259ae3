"""The closed list of reasons a task can end with, what each means for a retry, and what the operator should do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Ending(StrEnum):
    """What kind of end a code stands for: the shop said no, we could not find out, or we did not try."""

    REFUSED = "REFUSED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


class Retry(StrEnum):
    """How often a code may be tried again before it becomes the task's end."""

    NEVER = "never"
    ONCE = "once"
    """One more visit in a fresh context: the page may have been half built."""
    ATTEMPTS = "attempts"
    """Up to the profile's number of attempts, with its backoff."""
    LOSSES = "losses"
    """The browser or worker died, not the page: its own budget, then POISON."""
    RATE_LIMIT = "rate_limit"
    """The shop asked us to slow down: its own budget, no attempt counted."""


class Code(StrEnum):
    """Every way a task can end other than success."""

    NAV_TIMEOUT = "NAV_TIMEOUT"
    NAV_DNS = "NAV_DNS"
    NAV_CONN = "NAV_CONN"
    TLS_ERROR = "TLS_ERROR"
    HTTP_4XX = "HTTP_4XX"
    HTTP_5XX = "HTTP_5XX"
    RATE_LIMITED = "RATE_LIMITED"
    NO_DOCUMENT = "NO_DOCUMENT"
    PAGE_TOO_LARGE = "PAGE_TOO_LARGE"
    NOT_FOUND = "NOT_FOUND"
    BLOCKED = "BLOCKED"
    LOGIN_REQUIRED = "LOGIN_REQUIRED"
    ROBOTS_DENIED = "ROBOTS_DENIED"
    ADDRESS_REFUSED = "ADDRESS_REFUSED"
    REDIRECTED_OFFSITE = "REDIRECTED_OFFSITE"
    WRONG_PRODUCT = "WRONG_PRODUCT"
    SELECTOR_MISSING = "SELECTOR_MISSING"
    PRICE_MISSING = "PRICE_MISSING"
    PRICE_UNPARSED = "PRICE_UNPARSED"
    PRICE_AMBIGUOUS = "PRICE_AMBIGUOUS"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    VARIANT_REQUIRED = "VARIANT_REQUIRED"
    VARIANT_UNAVAILABLE = "VARIANT_UNAVAILABLE"
    QUANTITY_LIMITED = "QUANTITY_LIMITED"
    CART_NOT_EMPTY = "CART_NOT_EMPTY"
    CART_NOT_CONFIRMED = "CART_NOT_CONFIRMED"
    CHROME_START = "CHROME_START"
    CHROME_CRASH = "CHROME_CRASH"
    TAB_CRASH = "TAB_CRASH"
    DRIVER_TIMEOUT = "DRIVER_TIMEOUT"
    TASK_TIMEOUT = "TASK_TIMEOUT"
    WORKER_LOST = "WORKER_LOST"
    POISON = "POISON"
    DEADLINE = "DEADLINE"
    CANCELLED = "CANCELLED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a code means: its kind of end, its retry budget, and one sentence for the operator."""

    ending: Ending
    retry: Retry
    advice: str


def _failed(retry: Retry, advice: str) -> Rule:
    return Rule(Ending.FAILED, retry, advice)


def _refused(advice: str) -> Rule:
    return Rule(Ending.REFUSED, Retry.NEVER, advice)


RULES: Final[dict[Code, Rule]] = {
    Code.NAV_TIMEOUT: _failed(
        Retry.ATTEMPTS, "The page did not finish loading in time; raise timeouts.page_load_s or look at the shop."
    ),
    Code.NAV_DNS: _failed(
        Retry.ATTEMPTS, "The host's name did not resolve; check base_url and the workers' name server."
    ),
    Code.NAV_CONN: _failed(
        Retry.ATTEMPTS, "The shop refused or dropped the connection; check that it is up and reachable."
    ),
    Code.TLS_ERROR: _failed(Retry.NEVER, "The shop's certificate is not valid; the shop has to mend it."),
    Code.HTTP_4XX: _failed(Retry.NEVER, "The shop refused the request; open the product's URL in a browser."),
    Code.HTTP_5XX: _failed(Retry.ATTEMPTS, "The shop had an error of its own; try again later."),
    Code.RATE_LIMITED: _failed(
        Retry.RATE_LIMIT, "The shop asks for fewer visits; raise pace.gap_ms or lower pace.concurrency."
    ),
    Code.NO_DOCUMENT: _failed(
        Retry.NEVER, "The address answered with no HTML page (a download or nothing); check product.url."
    ),
    Code.PAGE_TOO_LARGE: _failed(
        Retry.NEVER, "The page is larger than the limit; raise limits.page_bytes if it is honest."
    ),
    Code.NOT_FOUND: _refused("The shop does not have this product; check the ASIN or take it off the list."),
    Code.BLOCKED: _failed(
        Retry.NEVER, "The shop showed a robot check; slow down or ask the shop for access. Nothing was read."
    ),
    Code.LOGIN_REQUIRED: _failed(
        Retry.NEVER, "The shop wants a login, which the farm never does; ask the shop for an open page."
    ),
    Code.ROBOTS_DENIED: _failed(Retry.NEVER, "The shop's robots.txt forbids this page; respect it or ask the shop."),
    Code.ADDRESS_REFUSED: _failed(
        Retry.NEVER,
        "The shop's host is outside the internet or resolves to a private address; an operator may list it in "
        "ALLOWED_PRIVATE_TARGETS.",
    ),
    Code.REDIRECTED_OFFSITE: _failed(
        Retry.NEVER, "The shop sent the browser to a host that is not in allowed_hosts; add it if it is the shop's."
    ),
    Code.WRONG_PRODUCT: _failed(
        Retry.ONCE, "The page shows another product than the one asked for; check product.url and product.identity."
    ),
    Code.SELECTOR_MISSING: _failed(
        Retry.ONCE, "The page loaded but a required part was not found; the shop may have changed, mend the profile."
    ),
    Code.PRICE_MISSING: _failed(
        Retry.ONCE, "No source in product.price gave anything for a product that is for sale; mend the profile."
    ),
    Code.PRICE_UNPARSED: _failed(
        Retry.ONCE, "The price text is no amount in the profile's locale and currency; see raw in the result."
    ),
    Code.PRICE_AMBIGUOUS: _failed(
        Retry.ONCE, "The page shows several prices or a range; point product.price at the one that counts."
    ),
    Code.OUT_OF_STOCK: _refused("The shop cannot sell this product now."),
    Code.VARIANT_REQUIRED: _refused(
        "The shop wants a size or colour chosen first; say it in the job's options. The result has what it offers."
    ),
    Code.VARIANT_UNAVAILABLE: _refused(
        "The shop does not sell this product in the variant asked for; the result has what it offers."
    ),
    Code.QUANTITY_LIMITED: _refused(
        "The shop does not sell so many pieces at once; the result has how many it put into the cart."
    ),
    Code.CART_NOT_EMPTY: _failed(
        Retry.NEVER,
        "The cart of a new visitor held something already, so nothing was added; the shop ties carts to the address.",
    ),
    Code.CART_NOT_CONFIRMED: _failed(
        Retry.ONCE, "The cart did not show the product after the click; the button does nothing or the profile is off."
    ),
    Code.CHROME_START: _failed(
        Retry.LOSSES, "The browser did not start; check CHROME_BINARY, CHROMEDRIVER, memory and the sandbox."
    ),
    Code.CHROME_CRASH: _failed(Retry.LOSSES, "The browser died; check the worker's memory and /dev/shm."),
    Code.TAB_CRASH: _failed(Retry.LOSSES, "The page's process died; check the worker's memory and /dev/shm."),
    Code.DRIVER_TIMEOUT: _failed(Retry.LOSSES, "The browser's driver stopped answering; the worker started a new one."),
    Code.TASK_TIMEOUT: _failed(
        Retry.ATTEMPTS, "The whole errand took longer than its limit; raise timeouts.view_task_s or cart_task_s."
    ),
    Code.WORKER_LOST: _failed(Retry.LOSSES, "The worker disappeared in the middle of the task; see the worker's log."),
    Code.POISON: _failed(
        Retry.NEVER, "This page took a browser or worker down every time it was tried; look at it by hand."
    ),
    Code.DEADLINE: Rule(Ending.SKIPPED, Retry.NEVER, "The job's deadline passed before this task could run."),
    Code.CANCELLED: Rule(Ending.CANCELLED, Retry.NEVER, "The job was cancelled."),
    Code.INTERNAL: _failed(Retry.ONCE, "An error in Cartwright itself; report it with the task's id."),
}

CART_IMPOSSIBLE: Final = frozenset(
    {
        Code.NOT_FOUND,
        Code.LOGIN_REQUIRED,
        Code.SELECTOR_MISSING,
        Code.OUT_OF_STOCK,
        Code.VARIANT_REQUIRED,
        Code.VARIANT_UNAVAILABLE,
        Code.QUANTITY_LIMITED,
        Code.CART_NOT_EMPTY,
        Code.CART_NOT_CONFIRMED,
    }
)
"""Ends of an add-to-cart task that say something of the shop: its cart cannot be filled as asked. Not those of the
network, of robot checks and of the farm, which say nothing of the cart, nor of a price that could not be read there."""

TAKES_ITS_TIME: Final = frozenset(
    {
        Code.NAV_TIMEOUT,
        Code.TASK_TIMEOUT,
        Code.WRONG_PRODUCT,
        Code.SELECTOR_MISSING,
        Code.PRICE_MISSING,
        Code.PRICE_UNPARSED,
        Code.PRICE_AMBIGUOUS,
        Code.CART_NOT_CONFIRMED,
    }
)
"""Failures of a visit that had a page, or waited for it to the end: its time says how long the next visits take."""
