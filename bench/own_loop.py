"""Our browser loop alone, no queue and no database.

python -m bench.own_loop PORT SECONDS ROOT DRAWS [RUN_AS]
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from app.rpa.profiles.profile import Profile
from bench.shop_pages import ASIN, profile_for
from workers.actions.view_product import view_product
from workers.chrome.browser import Browser
from workers.chrome.settings import BrowserSettings


def main(port: int, seconds: float, root: str, draws: bool, run_as: str | None) -> None:
    """View the page again and again with one warm browser, each time in a fresh context."""
    settings = BrowserSettings(
        chrome_shell=Path(os.environ.get("CHROME_BINARY", "/usr/lib/chromium/chromium-headless-shell")),
        chrome_full=Path("/usr/lib/chromium/chromium"),
        chromedriver=Path(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver")),
        root=Path(root),
        run_as=run_as,
        private_targets=frozenset({("127.0.0.1", port)}),
    )
    profile = profile_for(port)
    browser = Browser(settings, profile, draws=draws)
    try:
        for _ in range(2):
            _view(browser, profile)
        print("ready", flush=True)
        sys.stdin.readline()
        started, own, seen = time.monotonic(), time.process_time(), 0
        while time.monotonic() < started + seconds:
            _view(browser, profile)
            seen += 1
        spent, own = time.monotonic() - started, time.process_time() - own
        print(json.dumps({"pages": seen, "seconds": spent, "own_s": own}), flush=True)
    finally:
        browser.close()


def _view(browser: Browser, profile: Profile) -> None:
    outcome = view_product(browser, profile, ASIN, cancelled=lambda: False)
    if outcome.code is not None:
        raise RuntimeError(f"a page was not read: {outcome}")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4] == "draws", (sys.argv[5:] or [None])[0])
