"""A search server as a backend: Elasticsearch (7.10 or newer) or OpenSearch, over the part of HTTP they share.

It is given the words as we split them and asked for documents that have all of them, so it finds what the databases
find; but it chooses among all of those by how well they fit, not the newest. It is a copy: what it says of a product is
checked in the database, and while it does not answer, the database does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import orjson
import requests
from flask import current_app

from app.config import Search
from app.products.search.port import CANDIDATES, Filters
from app.products.search.text import Words

log = logging.getLogger(__name__)

CONNECT_S: Final = 1.0
ASK_S: Final = 2.0
"""How long a search may wait for the server before the database is asked."""
WRITE_S: Final = 60.0
REST_S: Final = 10.0
"""For how long the server is not asked after it did not answer, so that its absence costs one search its time."""

_SETTINGS: Final[dict[str, Any]] = {"index": {"number_of_shards": 1, "max_result_window": 10_000}}
_MAPPINGS: Final[dict[str, Any]] = {
    "dynamic": "strict",
    "properties": {
        "product_id": {"type": "long"},
        "title": {"type": "text", "analyzer": "whitespace"},
        "name": {"type": "keyword", "ignore_above": 500},
        "terms": {"type": "keyword"},
        "brand": {"type": "keyword"},
        "price_minor": {"type": "long"},
        "categories": {"type": "long"},
        "is_active": {"type": "boolean"},
    },
}


class ServerAway(Exception):
    """The search server does not answer, or not as it should."""


class Server:
    """One search server and the alias that stands for the index in use."""

    def __init__(self, settings: Search) -> None:
        self._settings = settings
        self._session = requests.Session()
        self._session.trust_env = False
        self._resting_until = 0.0

    @property
    def is_resting(self) -> bool:
        """Whether it is not asked now, because it did not answer a moment ago."""
        return time.monotonic() < self._resting_until

    def candidates(self, words: Words, filters: Filters, categories: Sequence[int] | None) -> tuple[list[int], bool]:
        """The ids of the products that have all words, those first that fit best, and whether there may be more.

        ``categories`` are those of the filter with all below it. What is in stock the server does not know. Raises
        ServerAway.
        """
        if self.is_resting:
            raise ServerAway("it did not answer a moment ago")
        phrase = " ".join(words.every)
        body = {
            "query": {
                "bool": {
                    "filter": _filter(words, filters, categories),
                    "should": [
                        {"term": {"name": {"value": phrase, "boost": 1000}}},
                        {"prefix": {"name": {"value": phrase, "boost": 100}}},
                        {"match_phrase": {"title": {"query": phrase, "boost": 10}}},
                        {"match": {"title": {"query": phrase}}},
                    ],
                }
            },
            "sort": [{"_score": "desc"}, {"product_id": "desc"}],
            "size": CANDIDATES + 1,
            "_source": False,
            "track_total_hits": False,
        }
        answer = self._call("POST", f"/{self._settings.index}/_search", body, seconds=ASK_S)
        try:
            ids = [int(hit["_id"]) for hit in answer["hits"]["hits"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._away(f"its answer is none of a search: {type(error).__name__}") from error
        return ids[:CANDIDATES], len(ids) > CANDIDATES

    def write(self, documents: Iterable[dict[str, Any]], gone: Iterable[tuple[int, int]], *, index: str = "") -> None:
        """Store documents and forget those that are gone, as (id, version).

        What is older than what is there is ignored. Raises ServerAway when any of it was not done; all of it may be
        sent again.
        """
        lines: list[bytes] = []
        for document in documents:
            version = document.pop("version")
            lines += [_action("index", document["product_id"], version), orjson.dumps(document)]
        lines += [_action("delete", product_id, version) for product_id, version in gone]
        if not lines:
            return
        place = f"/{index}/_bulk" if index else f"/{self._settings.index}/_bulk?require_alias=true"
        answer = self._call("POST", place, lines, seconds=WRITE_S)
        results = [result for item in answer.get("items", ()) for result in item.values()]
        refused = [result for result in results if result["status"] >= 300 and "error" in result]
        for result in refused:
            if result["status"] in {404, 429} or result["status"] >= 500:
                raise ServerAway(f"{len(refused)} of {len(results)} not stored: {result['error']}")
            if result["status"] != HTTPStatus.CONFLICT:
                log.error("the search server refuses product %s: %s", result.get("_id"), result["error"])

    def new_index(self, *, now: datetime) -> str:
        """Make an empty index that nothing is asked of yet; its name."""
        name = f"{self._settings.index}-{now.astimezone(UTC):%Y%m%d%H%M%S%f}"
        self._call("PUT", f"/{name}", {"settings": _SETTINGS, "mappings": _MAPPINGS}, seconds=WRITE_S)
        return name

    def switch_to(self, index: str) -> None:
        """Let the alias stand for this index from one moment to the next, and delete those it stood for before."""
        alias = self._settings.index
        self._call("POST", f"/{index}/_refresh", None, seconds=WRITE_S)
        before = [name for name in self.indexes() if name != index]
        actions: list[dict[str, Any]] = [{"remove": {"index": name, "alias": alias}} for name in before]
        actions.append({"add": {"index": index, "alias": alias}})
        self._call("POST", "/_aliases", {"actions": actions}, seconds=WRITE_S)
        for name in before:
            self.drop(name)
        self._resting_until = 0.0

    def drop(self, index: str) -> None:
        """Delete an index."""
        self._call("DELETE", f"/{index}", None, seconds=WRITE_S)

    def indexes(self) -> list[str]:
        """The indexes that the alias stands for; none before the first rebuild."""
        answer = self._call("GET", f"/_alias/{self._settings.index}", None, seconds=ASK_S, absent={})
        return sorted(answer)

    def count(self) -> int:
        """How many documents it can find. Raises ServerAway."""
        return int(self._call("GET", f"/{self._settings.index}/_count", None, seconds=ASK_S)["count"])

    def _call(
        self, method: str, path: str, body: Any, *, seconds: float, absent: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        headers, data = {"Content-Type": "application/json"}, None
        if isinstance(body, list):
            headers, data = {"Content-Type": "application/x-ndjson"}, b"\n".join(body) + b"\n"
        elif body is not None:
            data = orjson.dumps(body)
        place = f"{method} {path.partition('?')[0]}"
        try:
            answer = self._session.request(
                method,
                self._settings.url + path,
                data=data,
                headers=headers,
                timeout=(CONNECT_S, seconds),
                allow_redirects=False,
            )
            found: dict[str, Any] = orjson.loads(answer.content)
        except (requests.RequestException, ValueError) as error:
            raise self._away(f"{place}: {type(error).__name__}") from error
        if answer.status_code == HTTPStatus.NOT_FOUND and absent is not None:
            return absent
        if not answer.ok:
            raise self._away(f"{place}: {answer.status_code} {answer.text[:300]}")
        return found

    def _away(self, problem: str) -> ServerAway:
        """Let it rest."""
        if not self.is_resting:
            log.warning("the search server does not answer, the database does: %s", problem)
        self._resting_until = time.monotonic() + REST_S
        return ServerAway(problem)


def server() -> Server | None:
    """The search server of the current application; None where none is configured."""
    settings: Search = current_app.extensions["settings"].search
    if not settings.url:
        return None
    found: Server = current_app.extensions.setdefault("search_server", Server(settings))
    return found


def _filter(words: Words, filters: Filters, categories: Sequence[int] | None) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = [{"term": {"terms": word}} for word in words.whole]
    if words.prefix is not None:
        conditions.append({"prefix": {"terms": words.prefix}})
    if filters.brand is not None:
        conditions.append({"term": {"brand": filters.brand}})
    if filters.is_active is not None:
        conditions.append({"term": {"is_active": filters.is_active}})
    if categories is not None:
        conditions.append({"terms": {"categories": list(categories)}})
    bounds = {"gte": filters.price_min, "lte": filters.price_max}
    stated = {name: bound for name, bound in bounds.items() if bound is not None}
    if stated:
        conditions.append({"range": {"price_minor": stated}})
    return conditions


def _action(kind: str, product_id: int, version: int) -> bytes:
    return orjson.dumps({kind: {"_id": str(product_id), "version": version, "version_type": "external_gte"}})
