"""Delivering the outbox: what each kind of row sets off."""

from __future__ import annotations

from typing import Final

from flask import Flask

from app.core import idempotency, outbox
from app.rpa.services.jobs import prepare_job
from app.rpa.services.leases import forget_workers


def _purge_idempotency_keys() -> None:
    idempotency.purge_expired()


def _purge_outbox() -> None:
    outbox.purge_done()


def _forget_workers() -> None:
    forget_workers()


HANDLERS: Final[dict[str, outbox.Handler]] = {
    "prepare_job": prepare_job,
    "purge_idempotency_keys": _purge_idempotency_keys,
    "purge_outbox": _purge_outbox,
    "forget_workers": _forget_workers,
}


class Deliveries:
    """What a background worker does with outbox messages."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def deliver_outbox(self, outbox_id: int) -> None:
        """Deliver one row; an old or doubled message changes nothing."""
        with self._app.app_context():
            outbox.deliver(outbox_id, HANDLERS)
