"""Load on one server: wrk with requests that were made beforehand, and what they cost."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from bench.api_servers import Server

CONNECTIONS: Final = 8
_SCRIPT: Final = """
local made, at = {}, 0
function init(args)
   local lines = io.lines(args[1])
   local headers = {}
   local count = tonumber(lines())
   for _ = 1, count do
      local name, value = lines():match("^(.-): (.*)$")
      headers[name] = value
   end
   for line in lines do
      local method, path, key, cart, body = line:match("^(%S+) (%S+) (%S+) (%S+) ?(.*)$")
      if key ~= "-" then headers["Idempotency-Key"] = key end
      if cart ~= "-" then headers["Cart-Token"] = cart end
      made[#made + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
   end
end
function request()
   at = at + 1
   return made[(at - 1) % #made + 1]
end
"""
_UNITS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Request:
    """One request, as wrk sends it, with an Idempotency-Key and a Cart-Token if it has one."""

    path: str
    method: str = "GET"
    body: str = ""
    key: str = "-"
    cart: str = "-"


@dataclass(frozen=True)
class Result:
    """What one run of wrk found: requests and a second, latency and CPU in ms, of server and database."""

    rate: float
    p50: float
    p99: float
    cpu: float
    database_cpu: float
    count: int


def needs() -> None:
    """End with what is missing, unless wrk is there."""
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk to send requests: apt-get install wrk")


def ask(
    port: int, path: str, *, method: str = "GET", headers: Mapping[str, str] = {}, body: Any = None
) -> tuple[int, dict[str, str], bytes]:
    """Send one request; returns status, headers in lower case, and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    sent = None if body is None else json.dumps(body)
    connection.request(method, path, sent, {**headers, **({"Content-Type": "application/json"} if sent else {})})
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


def load(
    server: Server,
    requests: Sequence[Request],
    *,
    headers: Mapping[str, str],
    seconds: float,
    database: psutil.Process | None,
    folder: Path,
    connections: int = CONNECTIONS,
) -> Result:
    """Send the requests in turn for some seconds; ends the program when one is not answered with success."""
    script, file = folder / "requests.lua", folder / "requests"
    script.write_text(_SCRIPT)
    head = [str(len(headers)), *(f"{name}: {value}" for name, value in headers.items())]
    lines = [f"{one.method} {one.path} {one.key} {one.cart} {one.body}" for one in requests]
    file.write_text("\n".join([*head, *lines]) + "\n")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency", "-s", str(script)]
    cpu, database_cpu = server.cpu_s(), _cpu_s(database)
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{server.port}", "--", str(file)],
        capture_output=True, text=True, check=True, timeout=seconds + 60,
    ).stdout  # fmt: skip
    cpu, database_cpu = server.cpu_s() - cpu, _cpu_s(database) - database_cpu
    if bad := re.search(r"Non-2xx.*|Socket errors.*", done):
        raise SystemExit(f"{server.name} {requests[0].method} {requests[0].path}: {bad[0]}")
    count = int(_group(r"(\d+) requests in", done))
    rate = float(_group(r"Requests/sec:\s+([\d.]+)", done))
    return Result(rate, _ms("50%", done), _ms("99%", done), cpu * 1000 / count, database_cpu * 1000 / count, count)


def _cpu_s(database: psutil.Process | None) -> float:
    """CPU seconds of a database's process up to now; an embedded one has none of its own."""
    return 0.0 if database is None else sum(database.cpu_times()[:2])


def _group(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"wrk said something unexpected:\n{text}")
    return found[1]


def _ms(percent: str, text: str) -> float:
    found = re.search(rf"\s{percent}\s+([\d.]+)(us|ms|s|m)\s*\n", text)
    if found is None:
        raise SystemExit(f"wrk said something unexpected:\n{text}")
    return float(found[1]) * _UNITS[found[2]]
