"""Carriers whose pages about a parcel we know the addresses of, and which other addresses customers may be sent to."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from app.core.errors import AddressRefused
from app.core.outgoing import check_url

MAX_TRACKING_URL: Final = 500
_PAGES: Final = {
    "canada post": "https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor={}",
    "dhl": "https://www.dhl.com/global-en/home/tracking.html?tracking-id={}",
    "dpd": "https://tracking.dpd.de/status/en_US/parcel/{}",
    "fedex": "https://www.fedex.com/fedextrack/?trknbr={}",
    "gls": "https://gls-group.eu/track/{}",
    "royal mail": "https://www.royalmail.com/track-your-item#/tracking-results/{}",
    "ups": "https://www.ups.com/track?tracknum={}",
    "usps": "https://tools.usps.com/go/TrackConfirmAction?tLabels={}",
}
"""The carriers' own pages about one parcel, as they are linked to in 2026."""


def tracking_page(carrier: str, tracking_number: str | None) -> str | None:
    """The carrier's own page about a parcel; None for a carrier that we do not know, or without a number."""
    page = _PAGES.get(" ".join(carrier.casefold().split()))
    if page is None or tracking_number is None:
        return None
    return page.format(quote("".join(tracking_number.split()), safe=""))


def problem_with(url: str) -> str | None:
    """Why customers are not sent to this address, as the rest of a sentence; None where they may be.

    Only https, without credentials, and not to this machine or a private network: it stands in mails with our name.
    """
    if len(url) > MAX_TRACKING_URL:
        return f"must not be longer than {MAX_TRACKING_URL} characters."
    if not url.isascii() or any(sign in url for sign in "\"'<>`{}|^"):
        return "must be written as it stands in a browser's address bar, with other characters escaped."
    try:
        address = check_url(url, private=frozenset())
    except AddressRefused as refused:
        return refused.detail
    return None if address.scheme == "https" else "must begin with https://."
