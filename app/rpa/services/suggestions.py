"""Asking for a profile that a worker proposes from one or two product pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.core import audit
from app.core.errors import AddressRefused, Invalid
from app.core.outgoing import check_url
from app.core.permissions import Principal
from app.core.running import settings
from app.core.transactions import in_transaction
from app.rpa.models.trials import Trial, TrialKind
from app.rpa.profiles.addresses import NoAsin, read_addresses
from app.rpa.services.trials import add_trial

MOST_URLS: Final = 2


@in_transaction
def submit_suggestion(*, actor: Principal, urls: Sequence[str]) -> Trial:
    """Have a worker look at one or two product pages of a shop and propose a profile for it.

    Raises Invalid for addresses that no page of products can have: private ones (unless the operator allows them),
    of two hosts, or without an ASIN; and TooManyTrials.
    """
    private = settings().private_targets
    targets = []
    for at, url in enumerate(urls[:MOST_URLS]):
        try:
            targets.append(check_url(url, private=private).target)
        except AddressRefused as refused:
            raise AddressRefused.field(f"/urls/{at}", refused.detail) from None
    if len(set(targets)) > 1:
        raise Invalid.field("/urls/1", "is on another host than the first one.")
    try:
        read_addresses(urls)
    except NoAsin as missing:
        raise Invalid.field(f"/urls/{missing.at}", str(missing)) from None
    row = add_trial(actor, TrialKind.SUGGEST, None, {"urls": list(urls)}, None)
    audit.record(actor=actor, action="storefront.suggest", subject=("trial", row.id), after={"urls": list(urls)})
    return row
