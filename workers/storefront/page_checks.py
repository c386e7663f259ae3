"""Whether a page is the shop's and the product's own, or a refusal. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from app.core.hosts import HostError, address_of
from app.rpa.profiles.profile import Marker, Profile
from app.rpa.rules import rotting
from app.rpa.rules.codes import Code
from workers.errors import TaskError
from workers.storefront.page_data import PageData, shown
from workers.storefront.structured import names_asin
from workers.storefront.values import found_by, refused_by


def check_page(raw: Mapping[str, Any], profile: Profile) -> None:
    """Raise TaskError when the page is none of the shop's, says no, or is an error page.

    ``raw`` is the script's answer to ``plan`` or ``plan_cart``. Its ``status`` may be replaced by the one the network
    saw; without any status only addresses and markers are looked at. Codes: RATE_LIMITED, REDIRECTED_OFFSITE, BLOCKED,
    NOT_FOUND, HTTP_4XX, HTTP_5XX.
    """
    page = PageData(raw)
    status = page.status or 0
    if status == 429:
        raise TaskError(Code.RATE_LIMITED, "The shop answered 429.")
    _check_host(page, profile)
    if any_marker_holds(raw, "blocked", profile.product.blocked):
        raise TaskError(Code.BLOCKED, "A marker of product.blocked holds.")
    if status in (401, 403, 503) and page.shows_captcha:
        raise TaskError(Code.BLOCKED, f"The shop answered {status} with a robot check.")
    if status in (404, 410) or any_marker_holds(raw, "not_found", profile.product.not_found):
        raise TaskError(Code.NOT_FOUND, f"The shop answered {status or 'a page'} that says it has no such product.")
    if status >= 400:
        raise TaskError(Code.HTTP_4XX if status < 500 else Code.HTTP_5XX, f"The shop answered {status}.")


def any_marker_holds(raw: Mapping[str, Any], group: str, markers: Sequence[Marker]) -> bool:
    """Whether any marker of a group holds; ``group`` is the name under which ``plan_markers`` asked for it."""
    page = PageData(raw)
    return any(page.marker_holds(f"{group}/{at}", marker) for at, marker in enumerate(markers))


def check_robot_check(raw: Mapping[str, Any], profile: Profile, asin: str) -> None:
    """Raise TaskError(BLOCKED) for a page of any status with a widespread robot check and nothing of the product.

    A product's page may hold one too, for its reviews or newsletter: there the product is named or has a price.
    """
    page = PageData(raw)
    if not page.shows_captcha:
        return
    fields = ("price", "identity") if profile.product.identity else ("price", "name")
    sources = [(field, at, source) for field in fields for at, source in enumerate(getattr(profile.product, field))]
    if not any(found_by(page, *each, asin) for each in sources):
        raise TaskError(Code.BLOCKED, "The page is a robot check and shows no product.")


def check_identity(raw: Mapping[str, Any], profile: Profile, asin: str) -> None:
    """Raise TaskError unless the page names the product asked for.

    The first source of ``product.identity`` that has a value decides, by its first match. Codes: WRONG_PRODUCT;
    SELECTOR_MISSING when no source has a value. Without sources the final address must hold the ASIN, in its path
    if ``product.url`` has it there: a shop that sends on to another product often names the first one behind it.
    """
    page = PageData(raw)
    if not profile.product.identity:
        in_path = names_asin(urlsplit(profile.product_url(asin)).path, asin)
        if not names_asin(urlsplit(page.url).path if in_path else page.url, asin):
            raise TaskError(Code.WRONG_PRODUCT, f"The address {shown(page.url, 200)} does not hold {asin}.")
        return
    for at, source in enumerate(profile.product.identity):
        found = found_by(page, "identity", at, source, asin)
        if found:
            texts = [str(statement.value) for statement in (found if source.structured else found[:1])]
            if not any(names_asin(text, asin) for text in texts):
                raise TaskError(Code.WRONG_PRODUCT, f"The page names {shown(texts[0], 100)!r}, not {asin}.")
            return
    detail = "No source of product.identity has a value." + refused_by(page)
    raise TaskError(Code.SELECTOR_MISSING, detail, missing=rotting.IDENTITY)


def _check_host(page: PageData, profile: Profile) -> None:
    try:
        _, host, port = address_of(page.url)
    except HostError as error:
        raise TaskError(Code.REDIRECTED_OFFSITE, f"{shown(page.url, 200)!r} is no web address.") from error
    if (host, port) not in profile.allowed_hosts:
        raise TaskError(Code.REDIRECTED_OFFSITE, f"The browser ended on {host}:{port}.")
