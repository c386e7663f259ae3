"""What is known about kinds of OAuth providers, apart from what an administrator says about each."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

OIDC: Final = "oidc"
GOOGLE: Final = "google"
GITHUB: Final = "github"
PRESETS: Final = (OIDC, GOOGLE, GITHUB)

GOOGLE_ISSUER: Final = "https://accounts.google.com"

MAX_PROVIDERS: Final = 50
"""More than anybody offers on one page."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as the log-in needs it."""

    id: int
    code: str
    name: str
    preset: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Who a provider says that somebody is."""

    subject: str
    """The provider's own name for the person; the only one that never changes."""
    email: str | None
    """None unless the provider has verified it to be the person's."""
    name: str


GITHUB_ENDPOINTS: Final[dict[str, Any]] = {
    "issuer": "https://github.com/login/oauth",
    "authorization_endpoint": "https://github.com/login/oauth/authorize",
    "token_endpoint": "https://github.com/login/oauth/access_token",
    "userinfo_endpoint": "https://api.github.com/user",
    "emails_endpoint": "https://api.github.com/user/emails",
    "token_endpoint_auth_methods_supported": ["client_secret_post"],
}
"""GitHub speaks OAuth2 but not OpenID Connect for people: there is no discovery and no ID token."""


def is_safe_address(url: object, *, loopback: bool) -> bool:
    """Whether secrets may be sent there: https, or with ``loopback`` this machine (RFC 8252, 8.3); and nothing odd."""
    if not isinstance(url, str) or not url.isprintable() or not url.isascii() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or port == 0 or parts.username is not None or parts.password is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (loopback and parts.scheme == "http" and _is_this_machine(host))


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
