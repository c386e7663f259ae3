"""Playwright with a fresh context per page.

playwright_loop.py URL SHELL SECONDS IN_FLIGHT [CHROME_SWITCH ...]
"""

import asyncio
import json
import sys
import time

from playwright.async_api import Browser, async_playwright

FIELDS = """() => ({
  name: document.querySelector("#product h1").textContent,
  brand: document.querySelector("#product .brand").textContent,
  price: document.querySelector("#product .price").textContent,
  stock: document.querySelector("#product .stock").textContent,
  data: JSON.parse(document.querySelector('script[type="application/ld+json"]').textContent).name,
})"""


async def view(browser: Browser, url: str) -> None:
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.goto(url, wait_until="domcontentloaded")
        await page.wait_for_selector("#product .price")
        read = await page.evaluate(FIELDS)
        assert (read["price"], read["data"]) == ("$24.99", "Bench kettle"), read
    finally:
        await context.close()


async def main(url: str, shell: str, seconds: float, in_flight: int, switches: list[str]) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shell, args=switches)
        for _ in range(2):
            await view(browser, url)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        ends = time.monotonic() + seconds
        seen = 0

        async def go_on() -> None:
            nonlocal seen
            while time.monotonic() < ends:
                await view(browser, url)
                seen += time.monotonic() < ends

        await asyncio.gather(*(go_on() for _ in range(in_flight)))
        print(json.dumps({"pages": seen, "seconds": seconds}), flush=True)
        await browser.close()


asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), sys.argv[5:]))
