"""Buyers without an account who do everything over real HTTP, each with a connection of their own."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from app.auth.visitor import HEADER
from tests.orders.making import ADDRESS

TIMEOUT_S: Final = 100.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def outcome(self) -> str:
        """The status, or the code of what went wrong."""
        return str(self.body["code"]) if self.status >= 400 and isinstance(self.body, dict) else str(self.status)


class Buyer:
    """A guest with a cart at a web server."""

    def __init__(self, port: int, *, name: str) -> None:
        self.name = name
        self.port = port
        self.headers: dict[str, str] = {}
        self.cart_id = 0

    def fill(self, items: Iterable[tuple[int, int]]) -> None:
        """Get a cart and put products into it, in this order: (product id, quantity)."""
        opened = self.ask("POST", "/cart", {})
        assert opened.status == 201, opened
        self.headers[HEADER] = opened.body["token"]
        self.cart_id = opened.body["cart"]["id"]
        for product_id, quantity in items:
            added = self.ask("POST", "/cart/items", {"product_id": product_id, "quantity": quantity})
            assert added.status == 200, added

    def order(self, total: str, *, key: str | None = None, **more: Any) -> Answer:
        """Order what is in the cart, for this total."""
        body = {
            "cart_id": self.cart_id,
            "expected_total": {"amount": total, "currency": "USD"},
            "email": f"{self.name}@example.org",
            "shipping_address": ADDRESS,
            "payment_method": "invoice",
            **more,
        }
        return self.ask("POST", "/orders", body, **({} if key is None else {"Idempotency-Key": key}))

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one request to the API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            sent = {"Content-Type": "application/json", **self.headers, **headers}
            connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            content = answer.read()
            return Answer(answer.status, dict(answer.getheaders()), json.loads(content) if content else None)
        finally:
            connection.close()


def buyers(port: int, count: int, *, name: str = "buyer") -> list[Buyer]:
    """So many people."""
    return [Buyer(port, name=f"{name}{number}") for number in range(count)]


def all_at_once(deeds: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Do everything at the same moment; the answers in the order of the deeds."""
    barrier = threading.Barrier(len(deeds))

    def run(deed: Callable[[], Answer]) -> Answer:
        barrier.wait(TIMEOUT_S)
        return deed()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return [future.result(TIMEOUT_S) for future in [pool.submit(run, deed) for deed in deeds]]


def outcomes(answers: Iterable[Answer]) -> Counter[str]:
    """How often each answer came."""
    return Counter(answer.outcome for answer in answers)
