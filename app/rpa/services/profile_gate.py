"""The gate for the addresses of a profile that is saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from app.core.errors import AddressRefused, FieldError
from app.core.hosts import address_of, host_and_port
from app.core.outgoing import is_inside
from app.core.resolving import Target
from app.core.running import settings


def check_hosts(profile: Mapping[str, Any]) -> None:
    """Raise AddressRefused where a checked document names this machine or a private network by its address.

    An exact host:port that the operator allows (ALLOWED_PRIVATE_TARGETS) passes, and so does every other name: what
    it resolves to is checked whenever it is visited, because that changes.
    """
    private, rule = settings().private_targets, "is not on the internet; an operator may list it"
    errors = tuple(
        FieldError(pointer, f"{host}:{port} {rule} in ALLOWED_PRIVATE_TARGETS.")
        for pointer, (host, port) in _named(profile)
        if (host, port) not in private and is_inside(host)
    )
    if errors:
        raise AddressRefused("The profile names a host that is not on the internet.", errors=errors)


def _named(profile: Mapping[str, Any]) -> Iterator[tuple[str, Target]]:
    """Every host and port with the pointer of the field that names it."""
    base_url = profile["base_url"]
    yield "/profile/base_url", address_of(base_url)[1:]
    for at, entry in enumerate(profile["allowed_hosts"]):
        yield f"/profile/allowed_hosts/{at}", host_and_port(entry, urlsplit(base_url).scheme)
