"""Requests to OAuth providers: short, small, to nobody else, and all their failures are one refusal."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

from authlib.integrations.requests_client import OAuth2Session
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from app.auth.errors import ProviderUnavailable
from app.core.cutting import Cutter
from app.core.outgoing import BoundedResponse

WAIT_S: Final = 5.0
"""For a connection, and for each piece of an answer."""
DEADLINE_S: Final = 10.0
"""For everything that one login asks its provider together; a provider that trickles is cut off then."""
LARGEST: Final = 512 * 1024
"""Bytes of one answer; Google's largest has two thousand."""


class ProviderSession(OAuth2Session):
    """Authlib's client, as a context manager: after ``deadline_s`` its connections are cut, whatever they wait for."""

    def __init__(self, *, deadline_s: float = DEADLINE_S, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._cutter = Cutter(deadline_s)
        adapter = _Adapter(self._cutter.watch)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def __enter__(self) -> Self:
        self._cutter.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
        self._cutter.__exit__(*exception)

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Send one request; raises ProviderUnavailable for a redirect and an answer that is too large or too late."""
        left = min(WAIT_S, self._cutter.left_s)
        answer: Response = super().send(
            request, **(kwargs | {"stream": True, "allow_redirects": False, "timeout": left})
        )
        body = bytearray()
        for piece in answer.iter_content(16 * 1024):
            body += piece
            if len(body) > LARGEST:
                raise ProviderUnavailable(f"{request.url} answers with more than {LARGEST} bytes.")
        if self._cutter.is_over:
            raise ProviderUnavailable(f"{request.url} takes too long.")
        if answer.is_redirect:
            raise ProviderUnavailable(f"{request.url} sends elsewhere, which is not followed.")
        answer._content = bytes(body)  # noqa: SLF001  # where requests keeps what it has read
        return answer


@contextmanager
def provider_failures() -> Iterator[None]:
    """Turn everything that can go wrong on the way to a provider into ProviderUnavailable."""
    try:
        yield
    except (RequestException, OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # the last ones: libraries that stumble over JSON of shapes that nobody sends in good faith
        raise ProviderUnavailable(f"{type(error).__name__}: {error}") from error


class _Adapter(HTTPAdapter):
    """Tells of every connection that it opens."""

    def __init__(self, opened: Callable[[socket.socket], None]) -> None:
        self._opened = opened
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _watched_pools(self._opened)


def _watched_pools(opened: Callable[[socket.socket], None]) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        response_class = BoundedResponse

        def _new_conn(self) -> socket.socket:
            made = super()._new_conn()
            opened(made)
            return made

    class Secure(HTTPSConnection):
        response_class = BoundedResponse

        def _new_conn(self) -> socket.socket:
            made = super()._new_conn()
            opened(made)
            return made

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
