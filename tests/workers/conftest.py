"""Browsers and shops for the tests of the workers."""

from __future__ import annotations

import dataclasses
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.rpa.profiles.profile import Profile
from demo.market import DATA, Catalogue, serve
from tests.workers.shop import Shop
from workers.chrome.browser import Browser
from workers.chrome.settings import BrowserSettings

CHROME_SHELL = Path(os.environ.get("CHROME_BINARY", "/usr/lib/chromium/chromium-headless-shell"))
CHROME_FULL = Path("/usr/lib/chromium/chromium")
CHROMEDRIVER = Path(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver"))
USER = "cartwright"


@pytest.fixture(scope="session")
def browser_root() -> Iterator[Path]:
    """A folder for slots that another user can pass through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="cw-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def run_as() -> str | None:
    """The system user for browsers: made when the tests run as root, else our own."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER], check=True)
    return USER


@pytest.fixture(scope="session")
def settings_for(browser_root: Path, run_as: str | None) -> Callable[..., BrowserSettings]:
    """Makes settings that allow the given shops and nothing else."""

    def make(*shops: Shop) -> BrowserSettings:
        return BrowserSettings(
            chrome_shell=CHROME_SHELL,
            chrome_full=CHROME_FULL,
            chromedriver=CHROMEDRIVER,
            root=browser_root,
            run_as=run_as,
            private_targets=frozenset(("127.0.0.1", shop.port) for shop in shops),
        )

    return make


@pytest.fixture(scope="session")
def other_shop() -> Iterator[Shop]:
    """A server that no profile allows."""
    shop = Shop()
    yield shop
    shop.close()


@pytest.fixture(scope="session")
def shop(other_shop: Shop) -> Iterator[Shop]:
    """The shop that the profile describes."""
    shop = Shop(other_port=other_shop.port)
    yield shop
    shop.close()


@pytest.fixture(scope="session")
def profile(shop: Shop) -> Profile:
    """The shop's profile."""
    return shop.profile()


@pytest.fixture(scope="session")
def warm_browsers(settings_for: Callable[..., BrowserSettings], shop: Shop) -> Iterator[Callable[..., Browser]]:
    """Gives a living browser for a profile of the shop (``draws`` or not), the same one as long as it lives."""
    browsers: dict[tuple[Profile, bool], Browser] = {}

    def get(profile: Profile, *, draws: bool = True) -> Browser:
        browser = browsers.get((profile, draws))
        if browser is None or not browser.is_alive:
            if browser is not None:
                browser.close()
            browser = browsers[profile, draws] = Browser(settings_for(shop), profile, draws=draws)
        return browser

    yield get
    for browser in browsers.values():
        browser.close()


@pytest.fixture
def browser(warm_browsers: Callable[[Profile], Browser], profile: Profile) -> Browser:
    """A warm headless shell for the shop."""
    return warm_browsers(profile)


@pytest.fixture(params=[True, False], ids=["drawn", "on demand"])
def either_browser(request: pytest.FixtureRequest, warm_browsers: Callable[..., Browser], profile: Profile) -> Browser:
    """A warm headless shell for the shop, once one that draws and once one that runs frames on demand."""
    return warm_browsers(profile, draws=request.param)


@pytest.fixture
def full_browser(warm_browsers: Callable[[Profile], Browser], profile: Profile) -> Browser:
    """A warm full Chrome for the shop."""
    return warm_browsers(dataclasses.replace(profile, engine="chrome"))


@pytest.fixture
def warm(warm_browsers: Callable[[Profile], Browser], profile: Profile) -> Callable[[str], Browser]:
    """Gives a warm browser of an engine (``shell`` or ``chrome``) for the shop."""
    return lambda engine: warm_browsers(dataclasses.replace(profile, engine=engine))


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """What the demonstration's marketplace sells."""
    return Catalogue.load(DATA)


@pytest.fixture(scope="session")
def market_port(catalogue: Catalogue) -> Iterator[int]:
    """The port of the demonstration's marketplace."""
    server = serve(catalogue, port=0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join(timeout=10)
