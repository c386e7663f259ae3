"""A double of Stripe: a real HTTP server that speaks the part of Stripe's API that we use.

PyPI's ``localstripe`` is the real server of the tests for what goes well. It cannot do what payments are hard for, so
this can: idempotency keys as Stripe has them (the same request is the same object, another one an error, an answer that
is repeated is the first one word by word), declines of many kinds, banks that ask the customer something, answers that
are lost or late after money was taken, refunds that wait or come back, and webhooks that are signed as Stripe signs
them and sent twice, late, in any order or before the answer. It counts how often money really moved.

It is no proof that Stripe behaves so; what it does follows https://docs.stripe.com/api.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

import requests
import stripe

from app.config import Payments
from tests.orders.stripe_books import Books
from tests.orders.stripe_rules import Json, Refused

KEY: Final = "sk_test_of_the_double"
SECRET: Final = "whsec_of_the_double"


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens to the next requests for which ``on`` is the method and the beginning of the path."""

    on: str
    times: int = 1
    refuse: bool = False
    """Hang up before anything is done."""
    before: Callable[[], object] | None = None
    """Done before the deed."""
    after: Callable[[Json], object] | None = None
    """Done with the answer, after the deed and before anybody hears of it."""
    drop: bool = False
    """Hang up after the deed: the answer is lost."""
    wait_s: float = 0.0
    """How long the answer takes after the deed."""
    status: int = 0
    """An error that is answered instead of doing it."""
    code: str | None = None
    is_saved: bool = False
    """Whether the key keeps that error, as Stripe's does where a request had begun."""


class StripeServer:
    """Listens on a free port of 127.0.0.1 while its block runs."""

    def __init__(self, *, webhook_url: str | None = None) -> None:
        self.books = Books()
        self.webhook_url = webhook_url
        """Where every event is sent to as it happens; None: they are sent by hand."""
        self.requests: list[tuple[str, str, str | None]] = []
        """(method, path, idempotency key) of all that came in."""
        self._faults: list[Fault] = []
        self._saved: dict[str, tuple[object, tuple[int, Json] | None]] = {}
        self._server = _Server(self)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """``STRIPE_URL``."""
        return f"http://127.0.0.1:{self.port}"

    def payments(self, *, timeout_s: float = 5.0) -> Payments:
        """The settings of a shop that takes cards here."""
        return Payments(timeout_s=timeout_s, stripe_secret_key=KEY, stripe_webhook_secret=SECRET, stripe_url=self.url)

    def next(self, on: str, **what: Any) -> None:
        """Have something happen to the next request (``times``) of this kind, such as ``POST /v1/refunds``."""
        self._faults.append(Fault(on=on, **what))

    def calm(self) -> None:
        """Have nothing happen any more."""
        self._faults.clear()

    def forget_keys(self) -> None:
        """A day has passed: idempotency keys are used as if they were new."""
        with self.books.lock:
            self._saved.clear()

    def count(self, on: str) -> int:
        """How many requests of this kind came in."""
        return sum(f"{method} {path}".startswith(on) for method, path, _ in self.requests)

    # --- Webhooks ----------------------------------------------------------------------------------------------------

    @staticmethod
    def signed(event: Json, *, at: float | None = None, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
        """Body and headers of the webhook of an event, signed at this time (``docs.stripe.com/webhooks/signature``)."""
        body = json.dumps(event, indent=2)
        signature = stripe.WebhookSignature.generate_signature_header(body, secret, int(at or time.time()))
        return body.encode(), {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}

    def send(self, event: Json, url: str | None = None) -> int:
        """Send the webhook of an event now; the status that it is answered with."""
        body, headers = self.signed(event)
        return requests.post(url or self.webhook_url or "", data=body, headers=headers, timeout=30).status_code

    def _send_new(self, known: int) -> None:
        for event in self.books.events[known:]:
            with suppress(requests.RequestException):
                self.send(event)

    # --- Requests ----------------------------------------------------------------------------------------------------

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length", 0))
        sent = _unflattened(handler.rfile.read(length).decode() if length else parts.query)
        key = handler.headers.get("Idempotency-Key")
        self.requests.append((handler.command, parts.path, key))
        fault = self._fault(f"{handler.command} {parts.path}")
        if fault.refuse:
            return
        if fault.before:
            fault.before()
        if handler.headers.get("Authorization") != f"Bearer {KEY}":
            _answer(handler, 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}})
            return
        known = len(self.books.events)
        status, body, is_repeated = self._answered(handler.command, parts.path, sent, key, fault)
        if self.webhook_url and len(self.books.events) > known:
            threading.Thread(target=self._send_new, args=(known,), daemon=True).start()
        if fault.after:
            fault.after(body)
        time.sleep(fault.wait_s)
        if not fault.drop:
            _answer(handler, status, body, is_repeated=is_repeated)

    def _fault(self, what: str) -> Fault:
        with self.books.lock:
            found = next((one for one in self._faults if what.startswith(one.on)), None)
            if found is None:
                return Fault(on="")
            found.times -= 1
            if found.times <= 0:
                self._faults.remove(found)
            return found

    def _answered(self, method: str, path: str, sent: Json, key: str | None, fault: Fault) -> tuple[int, Json, bool]:
        if method != "POST" or key is None:
            return *self._done(method, path, sent, fault)[:2], False
        asked = (method, path, sent)
        with self.books.lock:
            first, answer = self._saved.get(key, (None, None))
            if first is None:
                self._saved[key] = (asked, None)
        if first is not None and first != asked:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
            )
            return 400, Refused(400, None, message, kind="idempotency_error").body, False
        if first is not None and answer is None:
            message = "There is currently another in-progress request using this Idempotency Key."
            return 409, Refused(409, "idempotency_key_in_use", message, kind="idempotency_error").body, False
        if answer is not None:
            return *answer, True
        status, body, is_executed = self._done(method, path, sent, fault)
        with self.books.lock:
            if is_executed:
                self._saved[key] = (asked, (status, body))
            else:
                del self._saved[key]
        return status, body, False

    def _done(self, method: str, path: str, sent: Json, fault: Fault) -> tuple[int, Json, bool]:
        try:
            if fault.status:
                kind = "api_error" if fault.status >= 500 else "card_error" if fault.status == 402 else ""
                raise Refused(fault.status, fault.code, "As the test says.", is_executed=fault.is_saved, kind=kind)
            return 200, self._deed(method, path.strip("/").split("/"), sent), True
        except Refused as refused:
            return refused.status, refused.body, refused.is_executed

    def _deed(self, method: str, path: list[str], sent: Json) -> Json:
        books = self.books
        match method, path:
            case "POST", ["v1", ("payment_intents" | "refunds") as kind]:
                return books.create_intent(sent) if kind == "payment_intents" else books.create_refund(sent)
            case "POST", ["v1", "payment_intents", ref, "cancel"]:
                return books.cancel_intent(ref, sent)
            case "GET", ["v1", "payment_intents", "search"]:
                return books.search_intents(sent)
            case "GET", ["v1", "refunds"]:
                return books.list_refunds(sent)
            case "GET", ["v1", "disputes"]:
                return books.list_disputes(sent)
            case "GET", ["v1", ("payment_intents" | "refunds") as kind, ref]:
                return books.retrieve_intent(ref) if kind == "payment_intents" else books.retrieve_refund(ref)
        raise Refused(404, None, f"Unrecognized request URL ({method}: /{'/'.join(path)}).", is_executed=False)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, double: StripeServer) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # http.server's name
                with suppress(OSError):  # who asked may have given up
                    double.handle(self)

            do_POST = do_GET  # noqa: N815  # likewise

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # likewise
                pass

        super().__init__(("127.0.0.1", 0), Handler)


def _answer(handler: BaseHTTPRequestHandler, status: int, body: Json, *, is_repeated: bool = False) -> None:
    content = json.dumps(body, indent=2).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.send_header("Request-Id", "req_of_the_double")
    if is_repeated:
        handler.send_header("Idempotent-Replayed", "true")
    handler.end_headers()
    handler.wfile.write(content)


def _unflattened(encoded: str) -> Json:
    """The parameters of a request: ``metadata[order]=7`` and ``expand[0]=x`` are members of what they name."""
    sent: Json = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        outer, bracket, inner = name.partition("[")
        if bracket:
            sent.setdefault(outer, {})[inner.rstrip("]")] = value
        else:
            sent[outer] = value
    return sent
