"""A worker of its own for the tests: starts a browser, prints the driver's pid and the slot's folder, then hangs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tests.workers.shop import Shop
from workers.chrome.browser import Browser
from workers.chrome.settings import BrowserSettings


def main(root: str, shell: str, full: str, driver: str, run_as: str, engine: str) -> None:
    """Hold a browser until killed."""
    shop = Shop()
    settings = BrowserSettings(
        root=Path(root),
        chrome_shell=Path(shell),
        chrome_full=Path(full),
        chromedriver=Path(driver),
        run_as=run_as or None,
        private_targets=frozenset({("127.0.0.1", shop.port)}),
    )
    browser = Browser(settings, shop.profile(engine=engine))
    with browser.context() as page:
        page.open(f"{shop.address}/p/GOOD000001")
        pids = browser.process_group.members()
        print(json.dumps({"group": browser.process_group.id, "pids": pids}), flush=True)
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
