"""Ending the cool-down of a storefront by hand."""

from __future__ import annotations

from app.core import audit
from app.core.extensions import db
from app.core.fields import utc_text
from app.core.orm import database_now
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.errors import StorefrontNotCooling
from app.rpa.models.storefronts import Storefront
from app.rpa.services.profiles import lock_storefront


@in_transaction
def end_cooldown(*, actor: Principal, storefront_id: int) -> Storefront:
    """Wait no longer for a storefront that blocks us: its next task probes, and what that sees decides.

    A blocked probe cools it down for twice as long as before. What was given back while it cooled down comes within a
    minute. Where a probe is due already nothing changes. Raises StorefrontNotFound, StorefrontNotCooling.
    """
    shop = lock_storefront(storefront_id)
    before = shop.cooling
    if before.until is None:
        raise StorefrontNotCooling("The storefront does not cool down.")
    now = database_now(db.session())
    after = before.cut_short(now)
    if after != before:
        shop.cooling = after
        audit.record(
            actor=actor, action="storefront.end_cooldown", subject=("storefront", shop.id),
            before={"cooldown_until": utc_text(before.until), "blocks": before.blocks},
            after={"cooldown_until": utc_text(now), "blocks": after.blocks},
        )  # fmt: skip
    return shop
