"""Which of the buckets that stand beside each other figures are made of, so that nothing is counted twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from app.analytics.rules.farm_buckets import ALL, ALL_KINDS, Key
from app.analytics.rules.farm_figures import Which
from app.rpa.models.jobs import Action

KINDS: Final = tuple(action.value for action in Action)
STOREFRONT: Final = "storefront"
WORKER: Final = "worker"


@dataclass(frozen=True, slots=True)
class Slice:
    """Buckets of one storefront or of each, of some kinds, of one worker or of each; 0 and "" are those of all."""

    storefront_id: int | None
    """None for each of them, without what they are together; so with workers."""
    kinds: tuple[str, ...]
    worker_id: int | None

    @classmethod
    def of(cls, which: Which) -> Self:
        """As few buckets as make up the whole."""
        if which.worker_id is not None and which.storefront_id is None and which.action is not None:
            return cls(None, (which.action,), which.worker_id)
        kinds = (ALL_KINDS,) if which.storefront_id is None and which.action is None else _kinds(which)
        return cls(which.storefront_id or ALL, kinds, which.worker_id or ALL)

    @classmethod
    def per(cls, which: Which, per: str) -> Self:
        """As few as tell each storefront, or each worker, from the others."""
        if per == STOREFRONT:
            return cls(which.storefront_id, _kinds(which), which.worker_id or ALL)
        if which.storefront_id is None and which.action is None:
            return cls(ALL, (ALL_KINDS,), which.worker_id)
        return cls(which.storefront_id, _kinds(which), which.worker_id)

    def has(self, key: Key) -> bool:
        """Whether a bucket is one of these."""
        return (
            (key.storefront_id != ALL if self.storefront_id is None else key.storefront_id == self.storefront_id)
            and (key.worker_id != ALL if self.worker_id is None else key.worker_id == self.worker_id)
            and key.action in self.kinds
        )


def _kinds(which: Which) -> tuple[str, ...]:
    return KINDS if which.action is None else (which.action,)
