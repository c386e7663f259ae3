from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.workers.storefront.browser import Page, browser, shop
from tests.workers.storefront.saved_pages import answer


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab of a real browser that finds the saved pages under every host name."""
    with shop(answer) as port, browser(tmp_path_factory.mktemp("browser"), port) as tab:
        yield tab
