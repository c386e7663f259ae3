"""Remembered devices: browsers and clients that need no second factor for a while."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select

from app.auth.errors import DeviceNotFound
from app.auth.models import MAX_USER_AGENT, RememberedDevice
from app.auth.services.second_factor import hash_of, lock_user
from app.auth.services.sessions import Client
from app.core import audit
from app.core.extensions import db
from app.core.orm import count_changed
from app.core.permissions import Principal
from app.core.transactions import in_transaction

REMEMBERED_FOR: Final = timedelta(days=30)
MAX_DEVICES: Final = 20
"""Of one user; a further one takes the place of the oldest."""


@in_transaction
def remember_device(*, user_id: int, client: Client, now: datetime) -> str:
    """Remember the device that a login with a code came from; returns its token, which is kept as a hash only."""
    user = lock_user(user_id)
    session = db.session()
    mine = select(RememberedDevice).where(RememberedDevice.user_id == user_id).order_by(RememberedDevice.id.desc())
    for oldest in session.scalars(mine.offset(MAX_DEVICES - 1)):
        session.delete(oldest)
    token = secrets.token_urlsafe(32)
    row = RememberedDevice(user_id=user_id, token_hash=hash_of(token), created_at=now, last_used_at=now)
    row.expires_at = now + REMEMBERED_FOR
    row.address, row.user_agent = client.address, client.user_agent[:MAX_USER_AGENT]
    session.add(row)
    session.flush()
    audit.record(actor=client.as_user(user.id, user.name), action="device.remember", subject=("device", row.id))
    return token


@in_transaction
def forget_device(*, actor: Principal, device_id: int) -> None:
    """Forget one device of one's own, so that it needs a code again; raises DeviceNotFound."""
    user_id = actor.require_person()
    actor.require_complete_login()
    session = db.session()
    mine = delete(RememberedDevice).where(RememberedDevice.id == device_id, RememberedDevice.user_id == user_id)
    if count_changed(session, mine) == 0:
        raise DeviceNotFound(f"You have no remembered device {device_id}.")
    audit.record(actor=actor, action="device.forget", subject=("device", device_id))


@in_transaction
def forget_devices(*, actor: Principal, user_id: int) -> int:
    """Forget all devices of a user; returns how many. A change of the password does this, too (``joined``)."""
    actor.require_complete_login()
    count = count_changed(db.session(), delete(RememberedDevice).where(RememberedDevice.user_id == user_id))
    if count:
        audit.record(actor=actor, action="device.forget_all", subject=("user", user_id), after={"count": count})
    return count
