"""What the tests of orders may ask for: a shop with customers, a double of Stripe, localstripe as a real server."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from app.config import Checkout, Payments
from tests.conftest import AppWith
from tests.faults.servers import free_port
from tests.orders.paying import Till
from tests.orders.sales_files import SalesFiles
from tests.orders.shopping import Shop
from tests.orders.stripe_server import SECRET, StripeServer


@pytest.fixture
def shop(app: Flask) -> Shop:
    """The shop, with nothing in it."""
    return Shop(app)


@pytest.fixture
def sales_files(app: Flask, client: FlaskClient, auth_headers: dict[str, str]) -> SalesFiles:
    """Sends files of sales as the administrator."""
    return SalesFiles(app, client, auth_headers)


@pytest.fixture
def stripe_double() -> Iterator[StripeServer]:
    """A double of Stripe, with empty books."""
    with StripeServer() as server:
        yield server


@pytest.fixture
def till(app_with: AppWith, stripe_double: StripeServer, auth_headers: dict[str, str]) -> Till:
    """The shop as it takes cards at that double."""
    app = app_with(payments=stripe_double.payments(timeout_s=20.0), checkout=Checkout(hold_s=60))
    return Till(app, stripe_double, auth_headers)


@pytest.fixture(scope="session")
def localstripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Payments]:
    """The settings of a shop that takes cards at a localstripe, which runs for the session."""
    port, log = free_port(), tmp_path_factory.mktemp("localstripe") / "log"
    command = [str(Path(sys.executable).with_name("localstripe")), "--port", str(port), "--from-scratch"]
    with log.open("wb") as output:
        process = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *command], stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process)
        yield Payments(stripe_secret_key="sk_test_local", stripe_webhook_secret=SECRET, stripe_url=url)
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + 30
    while True:
        try:
            requests.get(url, timeout=1)
        except requests.RequestException:
            assert process.poll() is None, "localstripe has ended"
            assert time.monotonic() < ends_at, "localstripe does not answer"
            time.sleep(0.1)
        else:
            return
