"""A client of Cartwright's API, as small as one can be: JSON in, JSON out, every wait limited."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

from demo.errors import DemoError

Json = dict[str, Any]
_REQUEST_TIMEOUT_S: Final = 30.0
_PAGE: Final = 100


class Client:
    """Talks to one Cartwright; log in before anything else."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._pool = urllib3.PoolManager(timeout=_REQUEST_TIMEOUT_S, retries=False)
        self._token = ""

    def ready(self) -> bool:
        """Whether ``/readyz`` says that requests are welcome."""
        try:
            return self._pool.request("GET", f"{self._address}/readyz", timeout=2.0).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def log_in(self, email: str, password: str) -> None:
        """Get an access token, which all later calls carry."""
        answer = self.post("/auth/login", {"email": email, "password": password})
        self._token = answer["access_token"]

    def get(self, path: str, **query: str | int) -> Json:
        """Read one document of ``/api/v1``; raises DemoError with the problem when it is refused."""
        return self._send("GET", path + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """Make something; each call has an Idempotency-Key of its own."""
        return self._send("POST", path, body, {"Idempotency-Key": str(uuid.uuid4())})

    def pages(self, path: str, **query: str | int) -> Iterator[Json]:
        """Every item of a list, page by page."""
        page = self.get(path, limit=_PAGE, **query)
        yield from page["items"]
        while cursor := page["next_cursor"]:
            page = self.get(path, limit=_PAGE, cursor=cursor, **query)
            yield from page["items"]

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Json:
        sent = {"Accept": "application/json", **(headers or {})}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        address = f"{self._address}/api/v1{path}"
        try:
            answer = self._pool.request(method, address, headers=sent, json=body)
            document: Json = json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise DemoError(f"{method} {path} was not answered: {error}") from error
        if answer.status >= 400:
            raise DemoError(f"{method} {path} was refused with {answer.status}: {json.dumps(document, indent=1)}")
        return document
