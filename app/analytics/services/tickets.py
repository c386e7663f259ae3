"""Tickets: what lets a browser open one connection to another origin, where its session cannot say who it is.

A ticket is good once, for TICKET_S, and for the address that it was given to. Redis has its hash and whose it is; what
that session or key may is asked when the ticket is used.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final

import orjson

from app.analytics.errors import TicketRefused
from app.auth.queries.access import Access, list_access
from app.auth.services.second_factor import hash_of
from app.core.cache import cache
from app.core.errors import Unavailable
from app.core.permissions import NotForKeys, Principal
from app.core.running import settings

TICKET_S: Final = 30


@dataclass(frozen=True, slots=True)
class Entrant:
    """Whom a ticket lets in."""

    access: Access
    expires_at: datetime | None
    """When the access token ends that the ticket was got with, if any."""


def credential_of(principal: Principal) -> tuple[str, int]:
    """The session (``("user", id)``) or key (``("key", id)``) of a principal; raises NotForKeys where there is none."""
    id_ = principal.session_id if principal.kind == "user" else principal.id
    if id_ is None:
        raise NotForKeys("Only a person who is logged in, or an API key, may keep a connection open.")
    return principal.kind, id_


def issue_ticket(principal: Principal, *, expires_at: datetime | None) -> str:
    """A new ticket for the session or key of a principal; raises Unavailable while Redis is away."""
    kind, id_ = credential_of(principal)
    ticket = secrets.token_urlsafe(32)
    held = orjson.dumps({"kind": kind, "id": id_, "expires_at": expires_at, "address": principal.address})
    name = _name(ticket)
    if not cache().ask(lambda redis: redis.set(name, held, ex=TICKET_S), otherwise=False):
        raise Unavailable("No ticket can be given now: poll the figures instead.")
    return ticket


def redeem_ticket(ticket: str, *, address: str | None, now: datetime) -> Entrant:
    """Use a ticket up, wherever it comes from.

    Raises TicketRefused for one that was used, is too old, was given to another address, or whose session or key has
    ended.
    """
    name = _name(ticket)
    held: bytes | None = cache().ask(lambda redis: redis.getdel(name), otherwise=None)
    if held is None:
        raise TicketRefused("The ticket was used before, has expired, or never was one: get a new one.")
    said: dict[str, Any] = orjson.loads(held)
    if _are_apart(said["address"], address):
        raise TicketRefused("The ticket was given to another address: get a new one.")
    credential = (said["kind"], said["id"])
    expires_at = said["expires_at"] and datetime.fromisoformat(said["expires_at"])
    required = settings().accounts.staff_second_factor
    access = list_access([credential], now=now, staff_second_factor=required).get(credential)
    if access is None or (expires_at is not None and expires_at <= now):
        raise TicketRefused("What the ticket was got with has ended: log in again.")
    return Entrant(access, expires_at)


def _are_apart(given_to: str | None, used_from: str | None) -> bool:
    """Whether two addresses are of two machines; one machine may reach two origins by IPv4 and by IPv6."""
    if given_to is None or used_from is None:
        return False
    one, other = ip_address(given_to), ip_address(used_from)
    return one.version == other.version and one != other


def _name(ticket: str) -> str:
    return f"ticket:{hash_of(ticket)}"
