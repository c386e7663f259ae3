"""Ask a running stack to view products and to fill a cart at the marketplace beside it; fails loudly when it cannot."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from demo.client import Client, Json  # noqa: E402  # the path above comes first

MARKET = "market:9000"


def main(address: str) -> None:
    """Check the stack at ``address``; ADMIN_EMAIL and ADMIN_PASSWORD say who we are."""
    client = Client(address)
    client.log_in(os.environ["ADMIN_EMAIL"], os.environ["ADMIN_PASSWORD"])
    profile = json.loads((ROOT / "demo/profile.json").read_text())
    profile |= {"base_url": f"http://{MARKET}/", "allowed_hosts": [MARKET]}
    client.post("/storefronts", {"code": "market", "name": "Marketplace", "profile": profile})
    article = _an_ordinary_article()
    client.post("/products", {field: article[field] for field in ("asin", "name", "brand")} | _price(article))
    for errand in ("view-product", "add-to-cart"):
        task = client.post(f"/{errand}?wait=30", {"asin": article["asin"], "storefront": "market"})
        print(errand, json.dumps(task, indent=1))
        if task["state"] != "SUCCEEDED":
            raise SystemExit(f"{errand} ended as {task['state']}")


def _an_ordinary_article() -> Json:
    articles: list[Json] = json.loads((ROOT / "demo/data/catalogue.json").read_text())
    return next(article for article in articles if article["page"] == "product" and article["stock"] > 0)


def _price(article: Json) -> Json:
    return {"price": article["price"], "currency": "USD"}


if __name__ == "__main__":
    main(sys.argv[1])
