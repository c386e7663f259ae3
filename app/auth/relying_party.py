"""What passkeys are bound to: the host name and origin under which people reach the pages."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from app.auth.services.ceremonies import RelyingParty
from app.core.running import settings

NAME: Final = "Cartwright"


def relying_party() -> RelyingParty:
    """The relying party of this installation (WebAuthn 3, 4): host and origin of ``PUBLIC_URL``."""
    url = settings().public_url
    parts = urlsplit(url)
    return RelyingParty(parts.hostname or "", f"{parts.scheme}://{parts.netloc}", NAME)


def can_use_passkeys() -> bool:
    """Whether browsers offer passkeys here: over TLS or on localhost, and never for an address of numbers."""
    party = relying_party()
    try:
        ipaddress.ip_address(party.id)
    except ValueError:
        return settings().is_https or party.id == "localhost" or party.id.endswith(".localhost")
    return False
