"""A DOUBLE of a search server, not a search server: an HTTP server that speaks the part of the protocol that we use.

It implements, from the reference of Elasticsearch 7.10 (which OpenSearch shares): creating and deleting an index,
_bulk with external versions, _refresh, _aliases, _alias, _count, and _search of bool queries with term, terms, prefix
and range filters, sorted by a crude score. It refuses what it does not know with 400, so that a request of ours that
it does not expect fails the test.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ServerDouble:
    """Its state, and switches for what may go wrong."""

    def __init__(self) -> None:
        self.indexes: dict[str, dict[str, tuple[int, dict[str, Any] | None]]] = {}
        self.mappings: dict[str, Any] = {}
        self.aliases: dict[str, set[str]] = {}
        self.requests: list[str] = []
        self.is_away = False
        """Answers 503 to everything."""
        self.too_busy = False
        """Answers 429 for each document of a _bulk."""
        self.lock = threading.Lock()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """What the server answers."""
        with self.lock:
            self.requests.append(f"{method} {path}")
            if self.is_away:
                return 503, {"error": "master_not_discovered_exception"}
            return self._answer(method, path, body)

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:  # noqa: PLR0911  # one for each call
        place, _, query = path.lstrip("/").partition("?")
        first, _, call = place.partition("/")
        if (method, first) == ("POST", "_aliases"):
            return self._switch(json.loads(body)["actions"])
        if (method, first) == ("GET", "_alias"):
            names = self.aliases.get(call, set())
            return (200, {name: {} for name in names}) if names else (404, {"error": "alias missing"})
        if (method, call) == ("PUT", ""):
            if first in self.indexes:
                return 400, {"error": "resource_already_exists_exception"}
            self.indexes[first], self.mappings[first] = {}, json.loads(body)["mappings"]
            return 200, {"acknowledged": True}
        if (method, call) == ("POST", "_bulk"):
            return 200, self._bulk(first, body, require_alias="require_alias=true" in query)
        target = next(iter(self.aliases.get(first, {first})))
        if target not in self.indexes:
            return 404, {"error": {"type": "index_not_found_exception"}}
        return self._of_index(method, call, target, body)

    def _of_index(self, method: str, call: str, target: str, body: bytes) -> tuple[int, Any]:
        if (method, call) == ("DELETE", ""):
            del self.indexes[target]
            for names in self.aliases.values():
                names.discard(target)
            return 200, {"acknowledged": True}
        if (method, call) == ("POST", "_refresh"):
            return 200, {}
        there = {id_: source for id_, (_, source) in self.indexes[target].items() if source is not None}
        if (method, call) == ("GET", "_count"):
            return 200, {"count": len(there)}
        if (method, call) == ("POST", "_search"):
            return 200, self._search(there, json.loads(body))
        return 400, {"error": f"the double does not know {method} {call}"}

    def _switch(self, actions: list[dict[str, Any]]) -> tuple[int, Any]:
        for action in actions:
            ((kind, one),) = action.items()
            if one["index"] not in self.indexes:
                return 404, {"error": "index_not_found_exception"}
            names = self.aliases.setdefault(one["alias"], set())
            names.add(one["index"]) if kind == "add" else names.remove(one["index"])
        return 200, {"acknowledged": True}

    def _bulk(self, name: str, body: bytes, *, require_alias: bool) -> Any:
        lines = iter(body.decode().splitlines())
        items = []
        for line in lines:
            ((kind, action),) = json.loads(line).items()
            source = json.loads(next(lines)) if kind == "index" else None
            items.append({kind: {"_id": action["_id"], **self._write(name, kind, action, source, require_alias)}})
        return {"items": items, "errors": any("error" in one for item in items for one in item.values())}

    def _write(
        self, name: str, kind: str, action: dict[str, Any], source: dict[str, Any] | None, require_alias: bool
    ) -> dict[str, Any]:
        if self.too_busy:
            return {"status": 429, "error": {"type": "es_rejected_execution_exception"}}
        if require_alias and not self.aliases.get(name):
            return {"status": 404, "error": {"type": "index_not_found_exception"}}
        target = next(iter(self.aliases.get(name) or {name}))
        self.indexes.setdefault(target, {})  # as a real one makes an index by itself
        known = self.mappings.get(target, {"properties": source or {}})["properties"]
        if source is not None and not source.keys() <= known.keys():
            return {"status": 400, "error": {"type": "strict_dynamic_mapping_exception"}}
        assert action["version_type"] == "external_gte"
        before, _ = self.indexes[target].get(action["_id"], (0, None))
        if action["version"] < before:
            return {"status": 409, "error": {"type": "version_conflict_engine_exception"}}
        was_there = self.indexes[target].get(action["_id"], (0, None))[1] is not None
        self.indexes[target][action["_id"]] = (action["version"], source)
        return {"status": 404 if kind == "delete" and not was_there else 200}

    def _search(self, documents: dict[str, dict[str, Any]], body: dict[str, Any]) -> Any:
        query = body["query"]["bool"]
        hits = [one for one in documents.values() if all(_fits(one, condition) for condition in query["filter"])]
        phrase = query["should"][0]["term"]["name"]["value"]
        hits.sort(key=lambda one: (one["name"] != phrase, not one["name"].startswith(phrase), -one["product_id"]))
        return {"hits": {"hits": [{"_id": str(one["product_id"])} for one in hits[: body["size"]]]}}


def _fits(document: dict[str, Any], condition: dict[str, Any]) -> bool:
    ((kind, what),) = condition.items()
    ((name, wanted),) = what.items()
    values = document[name] if isinstance(document[name], list) else [document[name]]
    if kind == "term":
        return wanted in values
    if kind == "terms":
        return not set(wanted).isdisjoint(values)
    if kind == "prefix":
        return any(value.startswith(wanted) for value in values)
    if kind == "range":
        return all(wanted.get("gte", value) <= value <= wanted.get("lte", value) for value in values)
    raise AssertionError(f"the double does not know {kind}")


@contextmanager
def running(double: ServerDouble) -> Iterator[str]:
    """Serve it on a port of its own; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = double.answer(self.command, self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
