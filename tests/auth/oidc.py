"""OpenID providers for the tests: a real one in a process of its own, and doubles that do what no honest one would."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID: Final = "cartwright"
SECRET: Final = "the secret of the provider"
TIMEOUT_S: Final = 10

Claims = dict[str, Any]
Reply = Callable[["_Handler"], None]


@contextlib.contextmanager
def real_provider(*people: Claims, host: str = "localhost") -> Iterator[str]:
    """An ``oidc-provider-mock`` with these people, in a process of its own; yields its issuer."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    command += [part for person in people for part in ("--user-claims", json.dumps(person))]
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    issuer = f"http://{host}:{port}"
    try:
        _wait_for(f"http://127.0.0.1:{port}/jwks", process)
        yield issuer
    finally:
        process.kill()
        process.wait(TIMEOUT_S)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            requests.get(url, timeout=1).raise_for_status()
        except requests.RequestException:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


class HostileProvider:
    """Stands for a provider that is hostile, broken or slow: a real HTTP server that an honest one cannot replace.

    Without changes it is honest: it checks the client's secret, the redirect address and PKCE (RFC 7636, S256), and its
    codes work once. ``claims`` change the ID token, ``mint`` replaces how it is made, ``description`` changes the
    discovery document, ``replies`` answer a path instead of it, ``brought`` changes what the browser brings back.
    """

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.person: Claims = {"sub": "ada", "email": "ada@example.org", "email_verified": True, "name": "Ada L."}
        self.claims: Claims = {}
        self.mint: Callable[[Claims], str] = self.sign
        self.description: Claims = {}
        self.brought: Claims = {}
        self.replies: dict[str, Reply] = {}
        self.asked: list[str] = []
        """Paths, in order."""
        self.token_requests: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[HostileProvider]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(TIMEOUT_S)

    def sign(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def visit(self, url: str) -> str:
        """What a browser does that is sent here and whose person agrees: the path and query it comes back with."""
        answer = requests.get(url, timeout=TIMEOUT_S, allow_redirects=False)
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["Location"])
        return f"{back.path}?{back.query}"

    def authorize(self, handler: _Handler) -> None:
        query = dict(parse_qsl(urlsplit(handler.path).query))
        code = secrets.token_hex(8)
        self._codes[code] = query
        back: Claims = {"code": code, "state": query["state"]} | self.brought
        known = urlencode({name: value for name, value in back.items() if value is not None})
        handler.send_response(302)
        handler.send_header("Location", f"{query['redirect_uri']}?{known}")
        handler.end_headers()

    def token(self, handler: _Handler) -> None:
        sent = {name: values[0] for name, values in parse_qs(handler.body()).items()}
        self.token_requests.append(sent | {"Authorization": handler.headers.get("Authorization", "")})
        begun = self._codes.pop(sent.get("code", ""), None)
        problem = "invalid_grant" if begun is None else self._problem(begun, sent, handler)
        if problem is not None or begun is None:
            handler.reply({"error": problem}, status=400)
            return
        now = int(time.time())
        claims: Claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        claims |= {"nonce": begun.get("nonce")} | self.person | self.claims
        known = {name: value for name, value in claims.items() if value is not None}
        handler.reply({"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": self.mint(known)})

    def document(self, handler: _Handler) -> None:
        honest = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
        }
        handler.reply(honest | self.description)

    def jwks(self, handler: _Handler) -> None:
        handler.reply({"keys": [self.key.as_dict(private=False)]})

    def userinfo(self, handler: _Handler) -> None:
        assert handler.headers["Authorization"] == "Bearer at"
        handler.reply(self.person)

    @staticmethod
    def _problem(begun: dict[str, str], sent: dict[str, str], handler: _Handler) -> str | None:
        basic = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        by_post = (sent.get("client_id"), sent.get("client_secret")) == (CLIENT_ID, SECRET)
        if handler.headers.get("Authorization") != f"Basic {basic}" and not by_post:
            return "invalid_client"
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        honest = begun.get("code_challenge_method") == "S256" and begun.get("code_challenge") == challenge
        return None if honest and begun["redirect_uri"] == sent.get("redirect_uri") else "invalid_grant"


class GithubDouble(HostileProvider):
    """Stands for GitHub, whose endpoints no test may use: OAuth2 without ID token, as its documentation describes."""

    def __init__(self) -> None:
        super().__init__()
        self.user: Any = {"id": 583231, "login": "octocat", "name": "Mona Lisa"}
        self.emails: Any = [
            {"email": "spare@example.org", "verified": True, "primary": False},
            {"email": "Octo@Example.org", "verified": True, "primary": True},
        ]

    def endpoints(self) -> Claims:
        return {
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/user",
            "emails_endpoint": f"{self.issuer}/user/emails",
        }

    def user_page(self, handler: _Handler) -> None:
        handler.reply(self.user)

    def emails_page(self, handler: _Handler) -> None:
        handler.reply(self.emails)


_PAGES: Final = {
    "/.well-known/openid-configuration": "document",
    "/jwks": "jwks",
    "/authorize": "authorize",
    "/token": "token",
    "/userinfo": "userinfo",
    "/user": "user_page",
    "/user/emails": "emails_page",
}


class _Handler(BaseHTTPRequestHandler):
    provider: HostileProvider

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.provider.asked.append(path)
        reply = self.provider.replies.get(path)
        if reply is not None:
            with contextlib.suppress(OSError):  # the client may be gone by then
                reply(self)
        else:
            getattr(self.provider, _PAGES[path])(self)

    do_POST = do_GET  # noqa: N815

    def body(self) -> str:
        return self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()

    def reply(self, document: Any, status: int = 200) -> None:
        self.send_text(json.dumps(document), status)

    def send_text(self, text: str, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
        pass


def _handler(of: HostileProvider) -> type[_Handler]:
    class Handler(_Handler):
        provider = of

    return Handler
