"""A security key in software: makes passkeys and signs with them, also in ways that no honest one would."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT: Final = 0x01
VERIFIED: Final = 0x04
_ATTESTED: Final = 0x40

Json = dict[str, Any]


@dataclass
class Key:
    """One passkey and its counter."""

    id: bytes
    private: ec.EllipticCurvePrivateKey
    owner: bytes
    counter: int = 0


@dataclass
class Authenticator:
    """Answers what a site asks, for the origin that a browser would tell it."""

    origin: str = "http://localhost:8000"
    keys: list[Key] = field(default_factory=list)

    def create(self, options: Json, *, flags: int = PRESENT | VERIFIED, origin: str | None = None) -> Json:
        """Make a passkey, as ``navigator.credentials.create`` does."""
        key = Key(secrets.token_bytes(32), ec.generate_private_key(ec.SECP256R1()), _bytes(options["user"]["id"]))
        self.keys.append(key)
        numbers = key.private.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(key.id).to_bytes(2, "big") + key.id + cbor2.dumps(public)
        data = _data(options["rp"]["id"], flags | _ATTESTED, key.counter) + attested
        response = {
            "clientDataJSON": self._client_data("webauthn.create", options, origin),
            "attestationObject": _text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal", "never heard of"],
        }
        return {"id": _text(key.id), "rawId": _text(key.id), "type": "public-key", "response": response}

    def get(
        self, options: Json, *, flags: int = PRESENT | VERIFIED, origin: str | None = None, rp_id: str | None = None
    ) -> Json:
        """Sign with the newest passkey, as ``navigator.credentials.get`` does."""
        key = self.keys[-1]
        key.counter += 1
        client_data = self._client_data("webauthn.get", options, origin)
        data = _data(rp_id or options["rpId"], flags, key.counter)
        signed = data + hashlib.sha256(_bytes(client_data)).digest()
        response = {
            "clientDataJSON": client_data,
            "authenticatorData": _text(data),
            "signature": _text(key.private.sign(signed, ec.ECDSA(SHA256()))),
            "userHandle": _text(key.owner),
        }
        return {"id": _text(key.id), "rawId": _text(key.id), "type": "public-key", "response": response}

    def _client_data(self, kind: str, options: Json, origin: str | None) -> str:
        said = {"type": kind, "challenge": options["challenge"], "origin": origin or self.origin, "crossOrigin": False}
        return _text(json.dumps(said).encode())


def _data(rp_id: str, flags: int, counter: int) -> bytes:
    return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + counter.to_bytes(4, "big")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
