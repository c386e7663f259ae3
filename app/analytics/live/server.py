"""The server of connections that stay open: gevent's, with what they need beside it."""

from __future__ import annotations

import errno
import resource
from typing import Any, Final

from gevent.pywsgi import WSGIHandler, WSGIServer

REQUEST_S: Final = 30
"""For how long a client may take to say or take anything at all."""
_SWITCHED: Final = 101
_BACKLOG: Final = 1024
_FILES: Final = 65_536


class Handler(WSGIHandler):
    """Hands the socket to the application, and drops who takes nothing."""

    def __init__(self, sock: Any, address: Any, server: Any, rfile: Any = None) -> None:
        sock.settimeout(REQUEST_S)
        super().__init__(sock, address, server, rfile)

    def get_environ(self) -> dict[str, Any]:
        """The request, with ``live.socket``, which only streams may use and only to read.

        A handshake has no body: gevent would give what comes after it for one, and the application would wait for that.
        """
        environ: dict[str, Any] = super().get_environ()
        environ["wsgi.input"], environ["wsgi.input_terminated"] = self.wsgi_input, True
        environ["live.socket"] = self.socket
        environ["live.forget_input"] = self.rfile.close
        return environ

    def handle_one_response(self) -> None:
        """Answer; what has become a WebSocket hears no more requests."""
        super().handle_one_response()
        if abs(getattr(self, "code", 0)) == _SWITCHED:
            self.close_connection = True

    def _sendall(self, data: Any) -> None:
        try:
            super()._sendall(data)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "it takes nothing") from error


def make_server(address: tuple[str, int], application: Any) -> WSGIServer:
    """A server that is not started yet; lets the process have as many open files as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return WSGIServer(address, application, log=None, handler_class=Handler, backlog=_BACKLOG)
