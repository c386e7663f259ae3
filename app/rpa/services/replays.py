"""Asking for a replay: a version of a profile reads the pages that are kept, beside the active one."""

from __future__ import annotations

from app.core import audit
from app.core.permissions import Principal
from app.core.transactions import in_transaction
from app.rpa.models.trials import Trial, TrialKind
from app.rpa.queries.profiles import get_version
from app.rpa.queries.storefronts import get_storefront
from app.rpa.services.trials import add_trial


@in_transaction
def submit_replay(*, actor: Principal, storefront_id: int, number: int) -> Trial:
    """Have a worker read the kept pages of a storefront by a version and by the active one, without visiting anything.

    Raises StorefrontNotFound, ProfileVersionNotFound and TooManyTrials.
    """
    version, shop = get_version(storefront_id, number), get_storefront(storefront_id)
    against = {"number": shop.profile_version, "profile": shop.profile}
    row = add_trial(actor, TrialKind.REPLAY, storefront_id, {"profile": version.profile, "against": against}, number)
    after = {"trial_id": row.id, "number": number, "against": shop.profile_version}
    audit.record(actor=actor, action="profile_version.replay", subject=("storefront", storefront_id), after=after)
    return row
