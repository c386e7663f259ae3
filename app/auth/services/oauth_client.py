"""The conversation with an OAuth provider: where to send somebody, and what it says who came back.

Authlib makes the requests (PKCE, state, client authentication) and checks the ID token's claims, joserfc its signature.
Nothing here touches the database.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any, Final

from authlib.integrations.base_client import OAuthError
from authlib.oidc.core import CodeIDToken
from cachetools import TTLCache
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from requests import Response

from app.auth.errors import ProviderAnswerRefused, ProviderUnavailable
from app.auth.providers import GITHUB, GITHUB_ENDPOINTS, Person, Provider, is_safe_address
from app.auth.services.accounts import checked_email
from app.auth.services.oauth_http import ProviderSession, provider_failures
from app.core.errors import Invalid
from app.core.text import normalised

REMEMBER_S: Final = 600
"""For how long a provider's own description and its keys are not asked for again."""
LEEWAY_S: Final = 60
"""How far the provider's clock may be off."""
MAX_SUBJECT: Final = 255
"""Characters of ``sub``: OpenID Connect Core 1.0, 2."""

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
"""Public keys only: none has no signature, and HS256 would take a public key for a shared secret (RFC 8725, 2.1)."""

_SCOPES: Final = {GITHUB: "read:user user:email"}
_OPENID_SCOPE: Final = "openid email profile"

_described: TTLCache[str, dict[str, Any]] = TTLCache(maxsize=200, ttl=REMEMBER_S)
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Errand:
    """What must be remembered of somebody who was sent to a provider, until they come back."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser brought back from a provider, as it came."""

    code: str | None
    error: str | None
    issuer: str | None


def new_errand() -> Errand:
    """A state, a nonce and a PKCE verifier (RFC 7636: 43 characters), each of 128 random bits and more."""
    return Errand(secrets.token_hex(16), secrets.token_urlsafe(24), secrets.token_urlsafe(32))


def address_to_log_in(provider: Provider, errand: Errand, *, redirect_uri: str, loopback: bool) -> str:
    """Where to send a browser; raises ProviderUnavailable."""
    with provider_failures(), _session(provider, redirect_uri) as session:
        endpoint = _endpoint(_description(provider, session, loopback), "authorization_endpoint", loopback)
        known = {} if provider.preset == GITHUB else {"nonce": errand.nonce}
        url, _state = session.create_authorization_url(
            endpoint, state=errand.state, code_verifier=errand.verifier, **known
        )
        return str(url)


def ask_who(provider: Provider, errand: Errand, answer: Answer, *, redirect_uri: str, loopback: bool) -> Person:
    """Who came back, by the provider's word; raises ProviderUnavailable or ProviderAnswerRefused."""
    if answer.error or not answer.code:
        raise ProviderAnswerRefused(f"it answers {(answer.error or 'without a code')[:100]!r}")
    with provider_failures(), _session(provider, redirect_uri) as session:
        description = _description(provider, session, loopback)
        _check_sender(answer, description)
        _authenticate_by_post_where_needed(session, description)
        try:
            token = session.fetch_token(
                _endpoint(description, "token_endpoint", loopback),
                grant_type="authorization_code",
                code=answer.code,
                redirect_uri=redirect_uri,
                code_verifier=errand.verifier,
            )
            if provider.preset == GITHUB:
                return _github_person(session, description)
            return _oidc_person(provider, errand, token, session, description, loopback)
        except OAuthError as error:
            raise ProviderAnswerRefused(f"it refuses the code: {error.error}") from error
        except JoseError as error:
            raise ProviderAnswerRefused(f"its ID token is not valid: {error}") from error


def forget_descriptions() -> None:
    """Ask every provider anew for its description and keys."""
    with _lock:
        _described.clear()


def _session(provider: Provider, redirect_uri: str) -> ProviderSession:
    return ProviderSession(
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        scope=_SCOPES.get(provider.preset, _OPENID_SCOPE),
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        leeway=0,
    )


def _description(provider: Provider, session: ProviderSession, loopback: bool) -> dict[str, Any]:
    if provider.preset == GITHUB:
        return GITHUB_ENDPOINTS
    with _lock:
        known = _described.get(provider.issuer)
    if known is not None:
        return known
    if not is_safe_address(provider.issuer, loopback=loopback):
        raise ProviderUnavailable(f"{provider.issuer} is not https.")
    url = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
    found = _object(session.get(url, withhold_token=True))
    if found.get("issuer") != provider.issuer:  # OpenID Connect Discovery 1.0, 4.3
        raise ProviderUnavailable(f"{url} describes another issuer: {str(found.get('issuer'))[:200]!r}.")
    with _lock:
        _described[provider.issuer] = found
    return found


def _keys(description: dict[str, Any], session: ProviderSession, loopback: bool, *, anew: bool) -> KeySet:
    name = f"{description['issuer']} keys"
    with _lock:
        known = None if anew else _described.get(name)
    if known is None:
        known = _object(session.get(_endpoint(description, "jwks_uri", loopback), withhold_token=True))
        with _lock:
            _described[name] = known
    return KeySet.import_key_set(known)  # type: ignore[arg-type]


def _endpoint(description: dict[str, Any], name: str, loopback: bool) -> str:
    url = description.get(name)
    if not is_safe_address(url, loopback=loopback):
        raise ProviderUnavailable(f"its {name} is no https address.")
    return str(url)


def _object(answer: Response) -> dict[str, Any]:
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise ProviderUnavailable(f"{answer.url} answers with no JSON object.")
    return found


def _check_sender(answer: Answer, description: dict[str, Any]) -> None:
    """Refuse what another provider sent (RFC 9207, 2.4), also where a provider that always says so says nothing."""
    always = description.get("authorization_response_iss_parameter_supported") is True
    if (answer.issuer is not None or always) and answer.issuer != description["issuer"]:
        raise ProviderAnswerRefused("another issuer sent the answer")


def _authenticate_by_post_where_needed(session: ProviderSession, description: dict[str, Any]) -> None:
    methods = description.get("token_endpoint_auth_methods_supported")
    if isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods:
        session.token_endpoint_auth_method = "client_secret_post"  # noqa: S105  # a method's name


def _oidc_person(
    provider: Provider,
    errand: Errand,
    token: dict[str, Any],
    session: ProviderSession,
    description: dict[str, Any],
    loopback: bool,
) -> Person:
    claims = _checked_claims(provider, errand, token, session, description, loopback)
    subject = claims["sub"]
    if "email" not in claims and "userinfo_endpoint" in description:
        said = _object(session.get(_endpoint(description, "userinfo_endpoint", loopback)))
        if said.get("sub") != subject:  # OpenID Connect Core 1.0, 5.3.2
            raise ProviderAnswerRefused("its user info is about somebody else")
        claims = said | claims
    said_verified = claims.get("email_verified")
    is_verified = said_verified is True or said_verified == "true"  # some write it as a text
    return _person(subject, claims.get("email") if is_verified else None, claims.get("name"))


def _checked_claims(
    provider: Provider,
    errand: Errand,
    token: dict[str, Any],
    session: ProviderSession,
    description: dict[str, Any],
    loopback: bool,
) -> dict[str, Any]:
    """The claims of the ID token, with everything checked that OpenID Connect Core 1.0, 3.1.3.7, asks for."""
    text = token.get("id_token")
    if not isinstance(text, str):
        raise ProviderAnswerRefused("it sent no ID token")
    registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    try:
        decoded = jwt.decode(text, _keys(description, session, loopback, anew=False), registry=registry)
    except InvalidKeyIdError:  # it has new keys
        decoded = jwt.decode(text, _keys(description, session, loopback, anew=True), registry=registry)
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
        },
        {"nonce": errand.nonce, "client_id": provider.client_id, "access_token": token.get("access_token")},
    )
    claims.validate(leeway=LEEWAY_S)
    return dict(claims)


def _github_person(session: ProviderSession, description: dict[str, Any]) -> Person:
    user = _object(session.get(description["userinfo_endpoint"], headers={"Accept": "application/vnd.github+json"}))
    answer = session.get(description["emails_endpoint"], headers={"Accept": "application/vnd.github+json"})
    answer.raise_for_status()
    emails = answer.json()
    listed = [entry for entry in emails if isinstance(entry, dict)] if isinstance(emails, list) else []
    chosen = (entry.get("email") for entry in listed if entry.get("primary") is True and entry.get("verified") is True)
    number = user.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise ProviderAnswerRefused("it does not say who it is")
    return _person(str(number), next(chosen, None), user.get("name") or user.get("login"))


def _person(subject: Any, email: Any, name: Any) -> Person:
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise ProviderAnswerRefused("it does not say who it is")
    if subject != subject.strip():  # MySQL would take it for the same as without
        raise ProviderAnswerRefused("it does not say who it is")
    address = _address(email)
    return Person(subject, address, _shown_name(name) or (address or "").partition("@")[0] or "Nameless")


def _address(email: Any) -> str | None:
    # letters before the @ are ASCII here, and one that only becomes so (the Kelvin sign a k) is another mailbox
    if not isinstance(email, str) or not email.rpartition("@")[0].isascii():
        return None
    try:
        return checked_email(email)
    except Invalid:
        return None


def _shown_name(name: Any) -> str:
    text = normalised(name, "NFC") if isinstance(name, str) else ""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:255]
