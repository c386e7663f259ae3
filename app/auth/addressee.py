"""Whom a mail would go to, for counting how often somebody is written to."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import request

from app.auth.services.accounts import mailbox_of


def owner() -> str:
    """The same for mails that let somebody in who forgot the password, counted by themselves.

    Else strangers who ask for others, such as by registering with that address, would keep its owner from asking.
    """
    hashed = addressee()
    return hashed and f"owner:{hashed}"


def addressee() -> str:
    """The mailbox of the address in the body, hashed: what people type has no place in Redis. Empty without one."""
    sent: Any = request.get_json(silent=True) if request.is_json else request.form
    email = sent.get("email") if hasattr(sent, "get") else None
    if not isinstance(email, str) or not email:
        return ""
    return hashlib.sha256(mailbox_of(email).encode(errors="surrogatepass")).hexdigest()
