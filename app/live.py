"""``python -m app.live``: the same application under gevent, for connections that stay open."""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402  # nothing may be imported before the patch
import signal  # noqa: E402
import sys  # noqa: E402

from gevent import signal_handler  # noqa: E402

from app import create_app  # noqa: E402
from app.analytics.live.hub import Hub  # noqa: E402
from app.analytics.live.server import make_server  # noqa: E402
from app.config import Settings, SettingsError  # noqa: E402
from app.core.tallies import ProcessReporter  # noqa: E402

_STOP_S = 5
"""For how long requests may go on after the process was told to end."""


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns 1 when the settings are unusable."""
    try:
        application = create_app(Settings.from_env())
        application.extensions["web_reporter"] = ProcessReporter(application, "web")
    except SettingsError as problem:
        print(problem, file=sys.stderr)
        return 1
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("LIVE_PORT", "8001")))
    hub = application.extensions["live_hub"] = Hub(application)
    server = make_server(address, application)

    def stop() -> None:
        hub.stop()
        server.stop(_STOP_S)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal_handler(number, stop)
    hub.start()
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
