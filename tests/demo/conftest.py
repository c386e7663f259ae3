"""A marketplace that is open while the tests of this folder run."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests

from demo.market import DATA, Article, Catalogue, serve


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.load(DATA)


@pytest.fixture(scope="session")
def market(catalogue: Catalogue) -> Iterator[str]:
    """The address of a marketplace, without the slash at the end."""
    server = serve(catalogue)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def visitor() -> Iterator[requests.Session]:
    """Somebody with cookies of their own."""
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="session")
def ordinary(catalogue: Catalogue) -> Article:
    """A product that can be bought at least five times."""
    return next(a for a in catalogue.articles.values() if a.page == "product" and a.stock >= 5)
