"""Settings: one frozen value, read from the environment once and checked before anything starts."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel.numbers import list_currencies
from limits import parse_many
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

T = TypeVar("T")

CHROME_SHELL: Final = "/usr/lib/chromium/chromium-headless-shell"
CHROME_FULL: Final = "/usr/bin/chromium"
CHROMEDRIVER: Final = "/usr/bin/chromedriver"

MIN_SECRET_LENGTH: Final = 32
_TARGET: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")


class SettingsError(Exception):
    """The environment is unusable; ``problems`` names every missing or bad variable."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("Settings:\n" + "\n".join(f"  - {problem}" for problem in problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm:
    """How the farm works; seconds, and short in tests."""

    lease_s: float = 60
    renew_s: float = 5
    dispatch_s: float = 0.2
    leader_s: float = 10
    release_window: int = 4
    """Tasks released ahead per live worker."""
    interactive_stale_s: float = 2
    batch_stale_s: float = 30
    worker_silent_s: float = 60
    kill_grace_s: float = 15
    """How long past its own limit a task may still run before the watchdog ends its browser and worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Browsers:
    """Where the browser is and what it may reach."""

    shell: str = CHROME_SHELL
    full: str = CHROME_FULL
    driver: str = CHROMEDRIVER
    no_sandbox: bool = False
    run_as: str = "cartwright"
    """System user that browsers (and the pool, where it can) run as when started by root."""
    per_worker: int = 2
    max_contexts: int = 2000
    max_memory_mb: int = 900
    private_targets: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the processes need to know, checked; build it with ``from_env`` or by hand in tests."""

    production: bool
    instance_dir: Path
    secret_key: str = field(repr=False)
    jwt_secret_key: str = field(repr=False)
    database_url: str = field(repr=False)
    redis_queue_url: str = field(repr=False)
    redis_cache_url: str = field(repr=False)
    currency: str = "USD"
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    worker_count: int = 2
    stop_grace_s: float = 10
    """How long a pool lets its workers finish after SIGTERM; a task may need as long as its own limit."""
    web_threads: int = 16
    log_level: str = "INFO"
    log_json: bool = True
    jwt_access_minutes: int = 15
    login_rate: str = "10 per minute"
    trusted_proxies: int = 0
    redis_socket_dir: Path = Path("instance")
    farm: Farm = field(default_factory=Farm)
    browsers: Browsers = field(default_factory=Browsers)

    @property
    def embedded_redis(self) -> bool:
        """True where the process that starts everything must also start a private Redis."""
        return self.redis_queue_url.startswith(f"unix://{self.redis_socket}")

    @property
    def redis_socket(self) -> Path:
        """The unix socket of the private Redis; ``REDIS_SOCKET_DIR`` moves it where paths are too deep."""
        return self.redis_socket_dir / "redis.sock"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read and check the environment.

        No variables at all is the embedded default: SQLite, a private Redis and generated secrets, all below
        ``INSTANCE_DIR``. ``APP_ENV=production`` refuses each of those. Raises SettingsError, which names all that is
        missing or bad at once.
        """
        read = _Reader(os.environ if environ is None else environ)
        production = read.choice("APP_ENV", "development", ("development", "production")) == "production"
        instance = Path(read.text("INSTANCE_DIR", "instance")).absolute()
        sockets = Path(read.text("REDIS_SOCKET_DIR", str(instance))).absolute()
        settings = cls(
            production=production,
            instance_dir=instance,
            secret_key=read.secret("SECRET_KEY", instance, required=production),
            jwt_secret_key=read.secret("JWT_SECRET_KEY", instance, required=production),
            database_url=read.database_url(instance, required=production),
            redis_queue_url=read.redis_url("REDIS_QUEUE_URL", sockets, database=0, required=production),
            redis_socket_dir=sockets,
            redis_cache_url=read.redis_url("REDIS_CACHE_URL", sockets, database=1, required=production),
            currency=read.choice("SHOP_CURRENCY", "USD", sorted(list_currencies())),
            timezone=read.parsed("SHOP_TIMEZONE", "UTC", ZoneInfo, "is no IANA time zone such as Europe/Berlin"),
            worker_count=read.integer("WORKER_COUNT", min(os.cpu_count() or 2, 64), 1, 64),
            stop_grace_s=read.number("STOP_GRACE_S", 150 if production else 10, 0, 3600),
            web_threads=read.integer("WEB_THREADS", 16, 4, 256),
            log_level=read.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
            log_json=read.flag("LOG_JSON", default=production),
            jwt_access_minutes=read.integer("JWT_ACCESS_MINUTES", 15, 1, 24 * 60),
            login_rate=read.parsed("LOGIN_RATE", "10 per minute", _rate, "is no rate such as 10 per minute"),
            trusted_proxies=read.integer("TRUSTED_PROXIES", 0, 0, 5),
            farm=_farm(read),
            browsers=_browsers(read),
        )
        differ = not settings.secret_key or settings.secret_key != settings.jwt_secret_key
        read.rule(differ, "SECRET_KEY and JWT_SECRET_KEY must differ.")
        read.finish()
        return settings


def _rate(text: str) -> str:
    parse_many(text)
    return text


def _farm(read: _Reader) -> Farm:
    farm = Farm(
        lease_s=read.number("LEASE_S", 60, 1, 3600),
        renew_s=read.number("LEASE_RENEW_S", 5, 0.1, 600),
        dispatch_s=read.number("DISPATCH_S", 0.2, 0.02, 60),
        leader_s=read.number("LEADER_S", 10, 1, 600),
        release_window=read.integer("RELEASE_WINDOW", 4, 1, 100),
        interactive_stale_s=read.number("INTERACTIVE_STALE_S", 2, 0.1, 600),
        batch_stale_s=read.number("BATCH_STALE_S", 30, 0.1, 3600),
        worker_silent_s=read.number("WORKER_SILENT_S", 60, 1, 3600),
    )
    read.rule(farm.renew_s * 2 <= farm.lease_s, "LEASE_RENEW_S must be at most half of LEASE_S, else leases run out.")
    read.rule(farm.dispatch_s * 2 <= farm.leader_s, "DISPATCH_S must be at most half of LEADER_S, else nobody leads.")
    return farm


def _browsers(read: _Reader) -> Browsers:
    return Browsers(
        shell=read.text("CHROME_BINARY", CHROME_SHELL),
        full=read.text("CHROME_FULL_BINARY", CHROME_FULL),
        driver=read.text("CHROMEDRIVER", CHROMEDRIVER),
        no_sandbox=read.flag("CHROME_NO_SANDBOX", default=False),
        run_as=read.text("WORKER_USER", "cartwright"),
        per_worker=read.integer("BROWSERS_PER_WORKER", 2, 1, 16),
        max_contexts=read.integer("BROWSER_MAX_CONTEXTS", 2000, 1, 1_000_000),
        max_memory_mb=read.integer("BROWSER_MAX_MEMORY_MB", 900, 100, 64_000),
        private_targets=read.targets("ALLOWED_PRIVATE_TARGETS"),
    )


class _Reader:
    """Reads variables one by one and keeps every problem for the end."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def finish(self) -> None:
        if self._problems:
            raise SettingsError(self._problems)

    def rule(self, holds: bool, problem: str) -> None:
        if not holds:
            self._problems.append(problem)

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name) or default

    def parsed(self, name: str, default: str, parse: Callable[[str], T], rule: str) -> T:
        try:
            return parse(self.text(name, default))
        except (ValueError, OSError, KeyError):
            self._problems.append(f"{name} {rule}.")
            return parse(default)

    def choice(self, name: str, default: str, allowed: list[str] | tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value in allowed:
            return value
        some = ", ".join(allowed) if len(allowed) < 10 else f"{len(allowed)} known values"
        self._problems.append(f"{name} must be one of {some}.")
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        return self.choice(name, "1" if default else "0", ("0", "1", "false", "true")) in ("1", "true")

    def number(self, name: str, default: float, low: float, high: float) -> float:
        def parse(text: str) -> float:
            value = float(text)
            if not low <= value <= high:
                raise ValueError(name)
            return value

        return self.parsed(name, str(default), parse, f"must be a number from {low:g} to {high:g}")

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        def parse(text: str) -> int:
            value = int(text)
            if not low <= value <= high:
                raise ValueError(name)
            return value

        return self.parsed(name, str(default), parse, f"must be a whole number from {low} to {high}")

    def secret(self, name: str, instance: Path, *, required: bool) -> str:
        value = self._environ.get(name, "")
        if value and len(value) < MIN_SECRET_LENGTH:
            self._problems.append(f"{name} must have at least {MIN_SECRET_LENGTH} characters.")
        if value or required:
            if not value:
                self._problems.append(f"{name} is missing.")
            return value
        path = instance / name.lower()
        try:
            value = _generated_secret(path)
        except OSError as error:
            self._problems.append(f"{name} is missing, and INSTANCE_DIR cannot keep a generated one: {error}.")
        else:
            self.rule(len(value) >= MIN_SECRET_LENGTH, f"{name}: {path} is damaged; delete it to have a new one made.")
        return value

    def database_url(self, instance: Path, *, required: bool) -> str:
        value = self._environ.get("DATABASE_URL", "")
        if not value:
            if required:
                self._problems.append("DATABASE_URL is missing.")
            return f"sqlite:///{instance / 'cartwright.db'}"
        scheme, _, rest = value.partition("://")
        known = {
            "mysql": "mysql+pymysql",
            "mariadb": "mysql+pymysql",
            "postgresql": "postgresql+psycopg",
            "postgres": "postgresql+psycopg",
        }
        scheme = known.get(scheme, scheme)
        if scheme not in {"sqlite", "mysql+pymysql", "mysql+mysqldb", "postgresql+psycopg"} or not rest:
            self._problems.append("DATABASE_URL must begin with sqlite://, mysql:// or postgresql://.")
        elif required and scheme == "sqlite":
            self._problems.append("DATABASE_URL must name a MySQL, MariaDB or PostgreSQL server in production.")
        else:
            try:
                make_url(f"{scheme}://{rest}")
            except (ArgumentError, ValueError):
                self._problems.append("DATABASE_URL cannot be read; %-encode special characters of the password.")
        return f"{scheme}://{rest}"

    def redis_url(self, name: str, sockets: Path, *, database: int, required: bool) -> str:
        value = self._environ.get(name) or self._environ.get("REDIS_URL", "")
        if not value:
            if required:
                self._problems.append(f"{name} is missing.")
            return f"unix://{sockets / 'redis.sock'}?db={database}"
        try:
            parts = urlsplit(value)
            known = parts.scheme in {"redis", "rediss", "unix"} and parts.port != 0
        except ValueError:
            known = False
        self.rule(known, f"{name} must begin with redis://, rediss:// or unix:// and name a server.")
        return value

    def targets(self, name: str) -> frozenset[tuple[str, int]]:
        found = set()
        for entry in filter(None, (part.strip() for part in self.text(name, "").split(","))):
            pair = _TARGET.fullmatch(entry)
            if pair is None or not 0 < int(pair["port"]) < 65536:
                self._problems.append(f"{name} must list exact host:port pairs; {entry!r} is none.")
                continue
            found.add((pair["host"].lower(), int(pair["port"])))
        return frozenset(found)


def _generated_secret(path: Path) -> str:
    """Read the secret in ``path``, or make one that only its owner can read; two starters agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        with open(os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
            handle.write(secrets.token_urlsafe(48))
    try:
        os.link(staged, path)
    except FileExistsError:
        pass  # another process was first; its secret counts
    finally:
        staged.unlink()
    return path.read_text().strip()
