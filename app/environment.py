"""Reading the environment: each variable by its rule, every problem kept for the end."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

T = TypeVar("T")

MIN_SECRET_LENGTH: Final = 32
_TARGET: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")

_FILES: Final = re.compile(r"file:///[^?#]+|(?!file:)[a-z][a-z0-9+]*://[^/?#]+(/[^?#]+)?")

_ORIGIN: Final = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?")

_CONTACT: Final = re.compile(
    r"(?=.{1,200}\Z)(?:https?://[A-Za-z0-9][A-Za-z0-9._~:/?&=%#@+-]*|[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
)
"""What stands in a user agent's comment as it is (RFC 9110, 5.6.5)."""


class SettingsError(Exception):
    """The environment is unusable; ``problems`` names every missing or bad variable."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("Settings:\n" + "\n".join(f"  - {problem}" for problem in problems))


_INDEX: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


class Reader:
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

    def secrets(self, name: str) -> tuple[str, ...]:
        found = tuple(filter(None, (part.strip() for part in self.text(name, "").split(","))))
        short = any(len(value) < MIN_SECRET_LENGTH for value in found)
        self.rule(not short, f"{name} must list secrets of at least {MIN_SECRET_LENGTH} characters, comma separated.")
        return found

    def public_url(self, *, required: bool) -> str:
        value = self._environ.get("PUBLIC_URL", "").rstrip("/")
        if not value:
            self.rule(not required, "PUBLIC_URL is missing: the https:// address at which people reach the pages.")
            return f"http://localhost:{self.text('PORT', '8000')}"
        self.rule(is_origin(value), "PUBLIC_URL must be a scheme and a host, such as https://shop.example.org.")
        secure = value.startswith("https://") or not required
        self.rule(secure, "PUBLIC_URL must begin with https:// in production.")
        return value

    def contact(self, name: str, *, required: bool) -> str:
        value = self.text(name, "").strip()
        if not value:
            self.rule(not required, f"{name} is missing: the web or mail address that shops find in the user agent.")
        self.rule(
            not value or _CONTACT.fullmatch(value) is not None,
            f"{name} must be an address such as https://example.org/bot or bot@example.org, at most 200 characters.",
        )
        return value

    def origins(self, name: str) -> tuple[str, ...]:
        found = tuple(filter(None, (part.strip() for part in self.text(name, "").split(","))))
        for origin in found:
            self.rule(is_origin(origin), f"{name} must list origins (https://app.example.org); {origin!r} is none.")
        return found

    def mail_url(self, *, required: bool) -> str:
        value = self._environ.get("MAIL_URL", "")
        if not value:
            self.rule(not required, "MAIL_URL is missing: smtp:// or smtps:// with user, password and host.")
            return ""
        try:
            parts = urlsplit(value)
            known = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        self.rule(known, "MAIL_URL must begin with smtp:// or smtps:// and name a server.")
        return value

    def mail_sender(self, name: str, *, required: bool) -> str:
        value = self._environ.get(name, "")
        if not value:
            self.rule(not required, f"{name} is missing: the sender of mails, such as Shop <shop@example.org>.")
            return "Cartwright <cartwright@localhost>"
        _, address = parseaddr(value)
        self.rule("@" in address and value.isprintable(), f"{name} must be an address such as Shop <shop@example.org>.")
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

    def files_url(self, name: str) -> str:
        value = self._environ.get(name, "").rstrip("/")
        if value:
            known = _FILES.fullmatch(value) is not None
            self.rule(known, f"{name} must be such as file:///srv/files or s3://bucket/folder.")
        return value

    def search_url(self, name: str) -> str:
        value = self._environ.get(name, "").rstrip("/")
        if value:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and parts.hostname and not parts.query and not parts.fragment
            self.rule(bool(usable), f"{name} must be such as https://user:password@search.example.org:9200.")
        return value

    def search_index(self, name: str, default: str) -> str:
        value = self.text(name, default)
        self.rule(
            _INDEX.fullmatch(value) is not None, f"{name} must be small letters, digits, - and _, as in {default}."
        )
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


def is_origin(text: str) -> bool:
    """Whether a text is scheme, host and perhaps a port, and nothing else."""
    found = _ORIGIN.fullmatch(text)
    return found is not None and 0 < int(found["port"] or 1) < 65536


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
