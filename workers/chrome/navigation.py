"""What became of the main frame's navigations: the document that is there, or why there is none."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from app.core.hosts import HostError, address_of
from app.core.retry_after import parse_retry_after
from app.rpa.rules.codes import Code
from workers.errors import TaskError

STATUS_WITHOUT_BODY: Final = "net::ERR_HTTP_RESPONSE_CODE_FAILURE"
"""The shop answered with an error status and nothing to show; the status tells the rest."""

# First match counts. A loop of redirects never leads to a document, so it is NO_DOCUMENT.
_NET_ERRORS: Final = (
    ("net::ERR_NAME_", Code.NAV_DNS),
    ("net::ERR_DNS_", Code.NAV_DNS),
    ("net::ERR_CERT", Code.TLS_ERROR),
    ("net::ERR_SSL", Code.TLS_ERROR),
    ("net::ERR_BAD_SSL", Code.TLS_ERROR),
    ("net::ERR_TIMED_OUT", Code.NAV_TIMEOUT),
    ("net::ERR_CONNECTION_TIMED_OUT", Code.NAV_TIMEOUT),
    ("net::ERR_RESPONSE_HEADERS_TOO_BIG", Code.PAGE_TOO_LARGE),
    ("net::ERR_ABORTED", Code.NO_DOCUMENT),
    ("net::ERR_TOO_MANY_REDIRECTS", Code.NO_DOCUMENT),
    ("net::ERR_INVALID_AUTH_CREDENTIALS", Code.HTTP_4XX),  # full Chrome's answer to a 401 that asks for a password
    ("net::ERR_INVALID_URL", Code.REDIRECTED_OFFSITE),
    ("net::ERR_UNSAFE_REDIRECT", Code.REDIRECTED_OFFSITE),
    ("net::ERR_UNKNOWN_URL_SCHEME", Code.REDIRECTED_OFFSITE),
    ("net::ERR_DISALLOWED_URL_SCHEME", Code.REDIRECTED_OFFSITE),
    ("net::ERR_UNSAFE_PORT", Code.ADDRESS_REFUSED),
    ("net::ERR_BLOCKED_BY", Code.ADDRESS_REFUSED),
    ("net::ERR_NETWORK_ACCESS_DENIED", Code.ADDRESS_REFUSED),
)


@dataclass(slots=True)
class Document:
    """One document of the main frame."""

    loader: str = ""
    url: str = "about:blank"
    is_error_page: bool = False
    is_parsed: bool = False
    is_loaded: bool = False
    failure: str = ""
    """Why its end did not come."""


@dataclass(slots=True)
class _Response:
    status: int
    headers: dict[str, str]


@dataclass(slots=True)
class Navigation:
    """Follows the events of one page; raises TaskError out of an event that ends the visit."""

    frame: str
    allowed: Collection[tuple[str, int]]
    max_bytes: int
    document: Document = field(default_factory=Document)
    received_bytes: int = 0
    pending: set[str] = field(default_factory=set)
    """Requests of the page that are under way."""
    _requested: str = ""
    _requested_url: str = ""
    _failure: str = ""
    _responses: dict[str, _Response] = field(default_factory=dict)

    @property
    def status(self) -> int | None:
        """HTTP status of the document that is there, None when it has none."""
        response = self._responses.get(self.document.loader)
        return None if response is None else response.status

    def retry_after_s(self) -> float | None:
        """Seconds the document's Retry-After header asks to wait (number or date), at most a day."""
        response = self._responses.get(self.document.loader)
        value = None if response is None else response.headers.get("retry-after")
        return None if value is None else parse_retry_after(value, time.time())

    def requested(self, event: dict[str, Any]) -> None:
        """``Network.requestWillBeSent``: remember what is under way and where the main frame is being sent."""
        self.pending.add(str(event.get("requestId")))
        if event.get("type") == "Document" and event.get("frameId") == self.frame:
            self._requested = str(event.get("requestId"))
            self._requested_url = str(event.get("documentURL", ""))
            self._failure = ""

    def responded(self, event: dict[str, Any]) -> None:
        """``Network.responseReceived``: keep status and headers of the main frame's documents."""
        if event.get("type") == "Document" and event.get("frameId") == self.frame:
            response = event["response"]
            headers = {name.lower(): str(value) for name, value in response.get("headers", {}).items()}
            self._responses = {event["loaderId"]: _Response(int(response["status"]), headers)}

    def received(self, event: dict[str, Any]) -> None:
        """``Network.dataReceived``: count the decoded bytes of everything the page loads."""
        self.received_bytes += int(event.get("dataLength", 0))
        if self.received_bytes > self.max_bytes:
            raise TaskError(Code.PAGE_TOO_LARGE, f"The page is larger than {self.max_bytes} bytes.")

    def failed(self, event: dict[str, Any]) -> None:
        """``Network.loadingFailed``: remember why a document did not come."""
        self.finished(event)
        if event.get("type") == "Document":
            self._failure = str(event.get("errorText", ""))
            self._document_failed(str(event.get("requestId")), is_cancelled=bool(event.get("canceled")))

    def _document_failed(self, request: str, *, is_cancelled: bool) -> None:
        if request == self.document.loader and not is_cancelled:
            self.document.failure = self._failure
        elif request == self._requested and is_cancelled:
            # A page that sent the browser to a download or an app while it was parsed stays, and Chrome never says of
            # it that it is parsed.
            self.document.is_parsed = True

    def finished(self, event: dict[str, Any]) -> None:
        """``Network.loadingFinished``: one request less is under way."""
        self.pending.discard(str(event.get("requestId")))

    def navigated(self, event: dict[str, Any]) -> None:
        """``Page.frameNavigated``: another document took the main frame."""
        frame = event["frame"]
        if frame.get("parentId") is None:
            self.document = Document(
                loader=frame["loaderId"],
                url=frame.get("unreachableUrl") or frame["url"] + frame.get("urlFragment", ""),
                is_error_page="unreachableUrl" in frame,
            )

    def moved(self, event: dict[str, Any]) -> None:
        """``Page.navigatedWithinDocument``: the page changed its address without loading."""
        if event.get("frameId") == self.frame:
            self.document.url = str(event["url"])

    def parsed(self, _event: dict[str, Any]) -> None:
        """``Page.domContentEventFired``."""
        self.document.is_parsed = True

    def loaded(self, _event: dict[str, Any]) -> None:
        """``Page.loadEventFired``."""
        self.document.is_loaded = True

    def check_error_page(self) -> None:
        """Raise TaskError when the document that is there is the browser's own error page, or was cut off."""
        if self.document.is_error_page and self.status is None:
            raise self.refusal(self._failure)
        if self.document.failure and not self.document.is_parsed:
            raise self.refusal(self.document.failure)

    def refusal(self, net_error: str) -> TaskError:
        """Why the main frame got no document, from the browser's error and the address it was sent to."""
        target = _target(self._requested_url)
        shown = f"{self._requested_url[:200]} ({net_error})"
        if target not in self.allowed and self._requested_url:
            return TaskError(Code.REDIRECTED_OFFSITE, f"The shop sent the browser to {shown}.")
        for prefix, code in _NET_ERRORS:
            if net_error.startswith(prefix):
                return TaskError(code, shown)
        return TaskError(Code.NAV_CONN, shown)


def _target(url: str) -> tuple[str, int] | None:
    try:
        _, host, port = address_of(url)
    except HostError:
        return None
    return host, port
