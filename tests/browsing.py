"""Pages as people use them: a real browser, the application served to it, and a client that fills in forms."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any, Final

from flask import Flask
from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from app.config_groups import CHROME_SHELL, CHROMEDRIVER
from tests.auth.people import PASSWORD

SHOWN_S: Final = 60

_TOKEN: Final = re.compile(r'<input[^>]*name="csrf_token"[^>]*value="([^"]+)"')
_HIDDEN: Final = re.compile(r'<input[^>]*name="(version)"[^>]*type="hidden"[^>]*value="([^"]*)"')


class _Watched:
    """An application of which it is known whether it is answering: the threads of a server that was closed go on."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._answering = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._changed:
            if self._is_closed:
                return ServiceUnavailable()(environ, start_response)
            self._answering += 1
        try:
            return self._app(environ, start_response)
        finally:  # and not when the answer is closed: a browser that goes away keeps werkzeug from that
            self._done()

    def _done(self) -> None:
        with self._changed:
            self._answering -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Answer nothing more, and wait for what is being answered: it might write into the next test's tables."""
        with self._changed:
            self._is_closed = True
            assert self._changed.wait_for(lambda: self._answering == 0, timeout=20)


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The address where the application is served."""
    watched = _Watched(app)
    server = make_server("127.0.0.1", 0, watched, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
        watched.close()


@contextmanager
def started_chrome(folder: Path) -> Iterator[webdriver.Chrome]:
    """A headless Chrome whose pages' complaints are kept."""
    options = webdriver.ChromeOptions()
    options.binary_location = os.environ.get("CHROME_BINARY", CHROME_SHELL)
    options.add_argument("--window-size=1280,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if os.geteuid() == 0:  # these tests are about pages, not about the browser's sandbox
        options.add_argument("--no-sandbox")
    environ = {**os.environ, "TMPDIR": str(folder), "SE_OFFLINE": "true", "SE_AVOID_STATS": "true"}
    driver = _started(options, environ)
    driver.set_page_load_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()


def _started(options: webdriver.ChromeOptions, environ: dict[str, str]) -> webdriver.Chrome:
    """Selenium looks for a free port and leaves it to the driver to take it; somebody else may come first."""
    for _ in range(2):
        with contextlib.suppress(WebDriverException):
            return webdriver.Chrome(options, Service(os.environ.get("CHROMEDRIVER", CHROMEDRIVER), env=environ))
    return webdriver.Chrome(options, Service(os.environ.get("CHROMEDRIVER", CHROMEDRIVER), env=environ))


def complaints(chrome: webdriver.Chrome) -> list[str]:
    """What pages complained about since it was last asked."""
    return [entry["message"] for entry in chrome.get_log("browser")]  # type: ignore[no-untyped-call]


def log_in(chrome: webdriver.Chrome, address: str, email: str) -> None:
    """Log in by the page, as a person does, in a browser without a session."""
    chrome.get(f"{address}/login")
    chrome.find_element(By.NAME, "email").send_keys(email)
    chrome.find_element(By.NAME, "password").send_keys(PASSWORD)
    chrome.find_element(By.CSS_SELECTOR, "main form button").click()
    wait_for(chrome, lambda browser: "/login" not in browser.current_url)


def wait_for(chrome: webdriver.Chrome, condition: Any) -> None:
    """Wait until a condition of the browser holds."""
    between_pages = [StaleElementReferenceException, NoSuchElementException]
    WebDriverWait(chrome, SHOWN_S, ignored_exceptions=between_pages).until(condition)


class Visitor:
    """Somebody with a browser that has no scripts: gets pages and sends their forms with all that is hidden in them."""

    def __init__(self, app: Flask, email: str | None = None) -> None:
        self.client = app.test_client()
        if email is not None:
            answer = self.log_in(email)
            assert answer.status_code == 302, answer.text

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers={"Accept": "text/html"})

    def post(self, path: str, fields: dict[str, Any] | None = None) -> TestResponse:
        return self.client.post(path, data=fields or {}, headers={"Accept": "text/html"})

    def send(self, path: str, fields: dict[str, Any] | None = None, *, on: str | None = None) -> TestResponse:
        """Fill in the form of the page ``on`` (that of the same path) and send it to ``path``."""
        page = self.get(on or path)
        assert page.status_code == 200, page.text
        return self.post(path, hidden_fields(page.text) | (fields or {}))

    def log_in(self, email: str, **more: Any) -> TestResponse:
        return self.send("/login", {"email": email, "password": PASSWORD, **more})


def hidden_fields(page: str) -> dict[str, str]:
    """The CSRF token of a page, and the version that its form was filled with."""
    token = _TOKEN.search(page)
    assert token is not None, page
    return {"csrf_token": unescape(token[1])} | {name: unescape(value) for name, value in _HIDDEN.findall(page)}
