"""A new chromedriver and full Chrome for every page.

naive_loop.py URL CHROME DRIVER SECONDS [CHROME_SWITCH ...]
"""

import json
import sys
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

FIELDS = ("h1", ".brand", ".price", ".stock")


def view(url: str, chrome: str, driver: str, switches: list[str]) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    for switch in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", *switches):
        options.add_argument(switch)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.get(url)
        found = [browser.find_element(By.CSS_SELECTOR, f"#product {part}").text for part in FIELDS]
        assert found[2] == "$24.99", found
    finally:
        browser.quit()


if __name__ == "__main__":
    page, binary, chromedriver, wanted, *given = sys.argv[1:]
    view(page, binary, chromedriver, given)
    print("ready", flush=True)
    sys.stdin.readline()
    started, seen = time.monotonic(), 0
    while time.monotonic() - started < float(wanted):
        view(page, binary, chromedriver, given)
        seen += 1
    print(json.dumps({"pages": seen, "seconds": time.monotonic() - started}), flush=True)
