"""Our API beside FastAPI with SQLAlchemy's async ORM, and beside bare Flask, on one MariaDB with a million products.

    UV_PROJECT_ENVIRONMENT=.tools/bench .tools/uv/bin/uv sync --group bench
    .tools/bench/bin/python -m bench.api            # 1,000,000 products; --short for 100,000

Needs wrk, and for mysqlclient gcc, pkg-config and libmariadb-dev. All servers run at once, two workers each, and are
asked in turn, in reversed order every other round; every one verifies the same JWT (bare Flask also without). What is
printed are medians of the rounds, and of the rounds' own ratios with their spread; absolute numbers of a busy machine
mean little. "uncached" are pages behind cursors, and ids, that are drawn anew for every run, so that no answer is
asked for twice while it could still be kept. Ends with 1 where a floor is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import psutil
import pymysql
from sqlalchemy import make_url

from bench import api_report
from bench.api_load import Request, Result, ask, load, needs
from bench.api_servers import FIRST_PORT, OURS, Server, fastapi, flask, ours, running
from bench.catalogue import LONG, SHORT, Catalogue, catalogue
from tests.servers import private_folder, redis_server

EMAIL: Final = "bench@example.org"
PASSWORD: Final = "a passphrase for measuring only"
API: Final = "/api/v1/products"
RUN_OF: Final = 20_000
"""Requests made for one run; more than any of the servers answers in it, but for those that may repeat themselves."""
_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Make = Callable[[random.Random], Sequence[Request]]


@dataclass(frozen=True)
class Contender:
    """Who is asked what in a case; ``headers`` come on top of the token."""

    name: str
    server: Server
    make: Make
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Bench:
    """Everything a case needs."""

    data: Catalogue
    servers: dict[str, Server]
    token: str
    database: psutil.Process
    folder: Path
    ids: list[int]
    cursor: Callable[[int], str]
    runs: int = 0

    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}"}


def cases(bench: Bench) -> dict[str, list[Contender]]:
    """Every case with its contenders."""
    servers, end = bench.servers, bench.data.products
    both = ("ours, PyMySQL", "ours, mysqlclient")

    def pages(first: int, last: int) -> Make:
        return lambda chance: [
            Request(f"{API}?limit=50&cursor={bench.cursor(chance.randrange(first, last))}") for _ in range(RUN_OF)
        ]

    def rival_pages(chance: random.Random) -> list[Request]:
        return [Request(f"/products?limit=50&after={chance.randrange(1, end // 10)}") for _ in range(RUN_OF)]

    def each(make: Make, headers: dict[str, str] | None = None) -> list[Contender]:
        return [Contender(name, servers[name], make, headers or {}) for name in both]

    def always(path: str) -> Make:
        return lambda _chance: [Request(path)]

    def bare(path: str) -> list[Contender]:
        found = [Contender("bare Flask, JWT", servers["Flask"], always(path))]
        return [*found, Contender("bare Flask", servers["Flask"], always(f"/open{path}"))]

    one = f"{API}/{bench.ids[0]}"
    etag = ask(servers[both[0]].port, f"{API}?limit=50", headers=bench.headers())[1].get("etag", '"none"')
    rival = Contender("FastAPI", servers["FastAPI"], rival_pages)
    return {
        "list of 50": [*each(pages(1, end // 10)), rival, *bare("/list")],
        "list of 50, cached": [*each(always(f"{API}?limit=50")), *bare("/list")],
        "list of 50, 304": [*each(always(f"{API}?limit=50"), {"If-None-Match": etag}), rival],
        "get one": [
            *each(lambda chance: [Request(f"{API}/{chance.choice(bench.ids)}") for _ in range(RUN_OF)]),
            Contender(
                "FastAPI",
                servers["FastAPI"],
                lambda chance: [Request(f"/products/{chance.choice(bench.ids)}") for _ in range(RUN_OF)],
            ),
        ],
        "get one, cached": [*each(always(one)), *bare("/one")],
        "create": [
            *each(lambda _chance: _creations(bench, API, keyed=True), {"Content-Type": "application/json"}),
            Contender(
                "FastAPI",
                servers["FastAPI"],
                lambda _chance: _creations(bench, "/products", keyed=False),
                {"Content-Type": "application/json"},
            ),
        ],
        "deep page": [
            *(
                Contender(f"{name}, {where}", servers[name], pages(*span))
                for name in both
                for where, span in (("first", (1, 5000)), ("deep", (end * 9 // 10, end * 9 // 10 + 5000)))
            )
        ],
    }


def _creations(bench: Bench, path: str, *, keyed: bool) -> list[Request]:
    bench.runs += 1
    run = int(time.time()) % 36**4 * 100 + bench.runs
    found = []
    for number in range(RUN_OF):
        asin = "Z" + _base36(run, 6)[:6] + _base36(number, 3)
        body = {
            "asin": asin,
            "name": f"Copper kettle number {number}",
            "brand": "Kettles & Co.",
            "price": "1299.90",
            "description": "Boils a litre in four minutes. " * 4,
        }
        key = f"bench-{run}-{number}" if keyed else "-"
        found.append(Request(path, "POST", orjson.dumps(body).decode(), key))
    return found


def _base36(number: int, width: int) -> str:
    text = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        text = _LETTERS[digit] + text
    return text


def measure(bench: Bench, *, rounds: int, seconds: int, only: str) -> dict[str, dict[str, list[Result]]]:
    """Ask every contender of every case, in turn."""
    found: dict[str, dict[str, list[Result]]] = {}
    for case, contenders in cases(bench).items():
        if only and only not in case:
            continue
        found[case] = {contender.name: [] for contender in contenders}
        for number in range(-1, rounds):  # the first is to warm up
            for contender in contenders if number % 2 else contenders[::-1]:
                result = load(
                    contender.server,
                    contender.make(random.Random(f"{case}{number}{contender.name}{bench.runs}{time.time()}")),
                    headers=bench.headers() | contender.headers,
                    seconds=seconds if number >= 0 else 1,
                    database=bench.database,
                    folder=bench.folder,
                )
                if number >= 0:
                    found[case][contender.name].append(result)
        api_report.show(case, found[case])
    return found


def check(bench: Bench) -> None:
    """End unless all sides answer the same thing."""
    mine = orjson.loads(ask(bench.servers["ours, PyMySQL"].port, f"{API}?limit=50", headers=bench.headers())[2])
    theirs = orjson.loads(ask(bench.servers["FastAPI"].port, "/products?limit=50", headers=bench.headers())[2])
    names = set(mine["items"][0]) & set(theirs["items"][0]) - {"created_at", "updated_at"}
    for one, other in zip(mine["items"], theirs["items"], strict=True):
        if any(one[name] != other[name] for name in names):
            raise SystemExit(f"the answers differ:\n{one}\n{other}")
    if missing := set(theirs["items"][0]) - set(mine["items"][0]):
        print(f"note: only FastAPI answers {', '.join(sorted(missing))}")


@contextlib.contextmanager
def prepared(data: Catalogue) -> Iterator[Bench]:
    """Start all servers on the catalogue; what they add to it is deleted in the end."""
    url = make_url(data.url)
    with private_folder() as folder, redis_server(folder) as redis_url, contextlib.ExitStack() as stack:
        _clean(data)
        environment = {
            **{name: f"{redis_url}?db={number}" for number, name in enumerate(("REDIS_QUEUE_URL", "REDIS_CACHE_URL"))},
            "INSTANCE_DIR": str(folder),
        }
        urls = {
            "ours, PyMySQL": data.url,
            "ours, mysqlclient": url.set(drivername="mysql+mysqldb").render_as_string(hide_password=False),
        }
        started: dict[str, Server] = {}

        def start(name: str, command: Sequence[str], variables: dict[str, str]) -> Server:
            port = FIRST_PORT + len(started)
            log = folder / f"server-{port}.log"
            started[name] = stack.enter_context(running(name, port, command, variables, log))
            return started[name]

        for name, database_url in urls.items():
            port = FIRST_PORT + len(started)
            start(name, *ours(port, environment | {"DATABASE_URL": database_url}))
        token = _log_in(started["ours, PyMySQL"].port, data.url, environment)
        headers = {"Authorization": f"Bearer {token}"}
        async_url = url.set(drivername="mysql+asyncmy").render_as_string(hide_password=False)
        start("FastAPI", *fastapi(FIRST_PORT + len(started), async_url))
        answers = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ids = _some_ids(data)
        port = started["ours, PyMySQL"].port
        body = ask(port, f"{API}?limit=50", headers=headers)[2]
        (answers / "list").write_bytes(body)
        (answers / "one").write_bytes(ask(port, f"{API}/{ids[0]}", headers=headers)[2])
        start("Flask", *flask(FIRST_PORT + len(started), answers))
        database = next(one for one in psutil.process_iter() if _is_server(one, str(url.query["unix_socket"])))
        try:
            yield Bench(data, started, token, database, folder, ids, _cursors(data, environment))
        finally:
            stack.close()
            _clean(data)


def _is_server(process: psutil.Process, socket: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.name() == "mariadbd" and f"--socket={socket}" in process.cmdline()
    return False


def _cursors(data: Catalogue, environment: dict[str, str]) -> Callable[[int], str]:
    """What makes the cursor behind a product's number, as our servers would give it."""
    from app import create_base
    from app.config import Settings
    from app.core.pagination import make_cursor
    from app.products.queries.walks import keys_of

    app = create_base(Settings.from_env({**OURS, **environment, "DATABASE_URL": data.url}))

    def make(after: int) -> str:
        with app.app_context():
            return make_cursor([after], keys_of("created"))

    return make


def _connect(data: Catalogue) -> pymysql.Connection[Any]:
    socket = str(make_url(data.url).query["unix_socket"])
    return pymysql.connect(unix_socket=socket, user="root", database="cartwright", autocommit=True)


def _some_ids(data: Catalogue) -> list[int]:
    with contextlib.closing(_connect(data)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM product WHERE deleted_at IS NULL AND id <= %s", (data.products // 10,))
        return [id_ for (id_,) in cursor.fetchall()]


def _log_in(port: int, database_url: str, environment: dict[str, str]) -> str:
    """An access token of an administrator, who is made where there is none."""
    from app import create_base
    from app.auth.services.accounts import create_administrator
    from app.config import Settings
    from app.core.orm import utc_now
    from app.core.permissions import system

    app = create_base(Settings.from_env({**OURS, **environment, "DATABASE_URL": database_url}))
    with app.app_context():
        create_administrator(actor=system(), email=EMAIL, name="Bench", password=PASSWORD, now=utc_now())
    login = {"email": EMAIL, "password": PASSWORD}
    status, _, body = ask(port, "/api/v1/auth/login", method="POST", body=login)
    if status != 200:
        raise SystemExit(f"the log-in is answered {status}: {body!r}")
    token: str = orjson.loads(body)["access_token"]
    return token


def _clean(data: Catalogue) -> None:
    """Delete whatever is not of the catalogue as it was built."""
    with contextlib.closing(_connect(data)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION foreign_key_checks = 0")
        cursor.execute("SELECT table_name FROM information_schema.columns"
                       " WHERE table_schema = 'cartwright' AND column_name = 'product_id'")  # fmt: skip
        for (table,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM `{table}` WHERE product_id > {data.products}")
        cursor.execute(f"DELETE FROM product WHERE id > {data.products}")
        for table in ("idempotency_key", "audit_event", "outbox", "session", "user_role", "user"):
            cursor.execute("SELECT 1 FROM information_schema.tables"
                           " WHERE table_schema = 'cartwright' AND table_name = %s", (table,))  # fmt: skip
            if cursor.fetchone():
                cursor.execute(f"DELETE FROM `{table}`")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="100,000 products")
    parser.add_argument("--products", type=int, help="another number of products")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of one run")
    parser.add_argument("--only", default="", help="cases whose names have this")
    chosen = parser.parse_args()
    needs()
    began = time.monotonic()
    with catalogue("mariadb", chosen.products or (SHORT if chosen.short else LONG)) as data, prepared(data) as bench:
        check(bench)
        print(api_report.setting(bench.data.products))
        found = measure(bench, rounds=chosen.rounds, seconds=chosen.seconds, only=chosen.only)
        memory = api_report.memory([bench.servers["ours, PyMySQL"], bench.servers["ours, mysqlclient"]])
    missed = api_report.judge(found, memory)
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
