"""Settings: one frozen value, read from the environment once and checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.numbers import list_currencies

from app.config_groups import (
    Accounts,
    Browsers,
    Checkout,
    Evidence,
    Farm,
    Files,
    Images,
    Live,
    Mail,
    Payments,
    Rates,
    Search,
    read_accounts,
    read_browsers,
    read_checkout,
    read_evidence,
    read_farm,
    read_files,
    read_images,
    read_live,
    read_mail,
    read_payments,
    read_rates,
    read_search,
)
from app.environment import Reader, SettingsError

__all__ = [
    "Accounts",
    "Browsers",
    "Checkout",
    "Evidence",
    "Farm",
    "Files",
    "Images",
    "Live",
    "Mail",
    "Payments",
    "Rates",
    "Search",
    "Settings",
    "SettingsError",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the processes need to know, checked; build it with ``from_env`` or by hand in tests."""

    production: bool
    instance_dir: Path
    secret_key: str = field(repr=False)
    jwt_secret_key: str = field(repr=False)
    encryption_key: str = field(repr=False)
    old_secret_keys: tuple[str, ...] = field(default=(), repr=False)
    """Keys of the past: what they signed or encrypted is still accepted, nothing new is made with them."""
    old_jwt_secret_keys: tuple[str, ...] = field(default=(), repr=False)
    old_encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    public_url: str = "http://localhost:8000"
    """Where people reach the pages, without a slash at the end; links in mails begin with it."""
    allowed_origins: tuple[str, ...] = ()
    """Origins whose scripts may call the API (CORS)."""
    private_targets: frozenset[tuple[str, int]] = frozenset()
    """(host, port) pairs off the internet that browsers and our own requests to other servers may reach."""
    database_url: str = field(repr=False)
    redis_queue_url: str = field(repr=False)
    redis_cache_url: str = field(repr=False)
    currency: str = "USD"
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    worker_count: int = 2
    background_count: int = 2
    """Processes of one background pool: two, so that an import keeps no mail waiting."""
    stop_grace_s: float = 10
    """How long a pool lets its workers finish after SIGTERM; a task may need as long as its own limit."""
    web_threads: int = 16
    log_level: str = "INFO"
    log_json: bool = True
    trusted_proxies: int = 0
    redis_socket_dir: Path = Path("instance")
    farm: Farm = field(default_factory=Farm)
    browsers: Browsers = field(default_factory=Browsers)
    rates: Rates = field(default_factory=Rates)
    accounts: Accounts = field(default_factory=Accounts)
    mail: Mail = field(default_factory=Mail)
    images: Images = field(default_factory=Images)
    search: Search = field(default_factory=Search)
    files: Files = field(default_factory=Files)
    evidence: Evidence = field(default_factory=Evidence)
    checkout: Checkout = field(default_factory=Checkout)
    payments: Payments = field(default_factory=Payments)
    live: Live = field(default_factory=Live)

    @property
    def files_url(self) -> str:
        """Where files are stored."""
        return self.files.url or f"file://{self.instance_dir.absolute()}/files"

    @property
    def evidence_url(self) -> str:
        """Where pictures and HTML of visits are stored."""
        return self.evidence.url or self.files_url

    @property
    def is_https(self) -> bool:
        """Whether people come over TLS, so that cookies and headers may insist on it."""
        return self.public_url.startswith("https://")

    @property
    def embedded_redis(self) -> bool:
        """True where the process that starts everything must also start a private Redis."""
        return self.redis_queue_url.startswith(f"unix://{self.redis_socket}")

    @property
    def redis_socket(self) -> Path:
        """The unix socket of the private Redis; ``REDIS_SOCKET_DIR`` moves it where paths are too deep."""
        return self.redis_socket_dir / "redis.sock"

    @property
    def warnings(self) -> list[str]:
        """What is allowed and may not be meant."""
        is_test = self.payments.stripe_secret_key.startswith(("sk_test_", "rk_test_"))
        return (
            ["STRIPE_SECRET_KEY is one of Stripe's test mode: no money moves."] if self.production and is_test else []
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read and check the environment.

        No variables at all is the embedded default: SQLite, a private Redis and generated secrets, all below
        ``INSTANCE_DIR``. ``APP_ENV=production`` refuses each of those. Raises SettingsError, which names all that is
        missing or bad at once.
        """
        read = Reader(os.environ if environ is None else environ)
        production = read.choice("APP_ENV", "development", ("development", "production")) == "production"
        instance = Path(read.text("INSTANCE_DIR", "instance")).absolute()
        sockets = Path(read.text("REDIS_SOCKET_DIR", str(instance))).absolute()
        currency = read.choice("SHOP_CURRENCY", "USD", sorted(list_currencies()))
        settings = cls(
            production=production,
            instance_dir=instance,
            secret_key=read.secret("SECRET_KEY", instance, required=production),
            jwt_secret_key=read.secret("JWT_SECRET_KEY", instance, required=production),
            encryption_key=read.secret("ENCRYPTION_KEY", instance, required=production),
            old_secret_keys=read.secrets("OLD_SECRET_KEYS"),
            old_jwt_secret_keys=read.secrets("OLD_JWT_SECRET_KEYS"),
            old_encryption_keys=read.secrets("OLD_ENCRYPTION_KEYS"),
            public_url=read.public_url(required=production),
            allowed_origins=read.origins("ALLOWED_ORIGINS"),
            private_targets=read.targets("ALLOWED_PRIVATE_TARGETS"),
            database_url=read.database_url(instance, required=production),
            redis_queue_url=read.redis_url("REDIS_QUEUE_URL", sockets, database=0, required=production),
            redis_socket_dir=sockets,
            redis_cache_url=read.redis_url("REDIS_CACHE_URL", sockets, database=1, required=production),
            currency=currency,
            timezone=read.parsed("SHOP_TIMEZONE", "UTC", ZoneInfo, "is no IANA time zone such as Europe/Berlin"),
            background_count=read.integer("BACKGROUND_COUNT", 2, 1, 16),
            worker_count=read.integer("WORKER_COUNT", min(os.cpu_count() or 2, 64), 1, 64),
            stop_grace_s=read.number("STOP_GRACE_S", 150 if production else 10, 0, 3600),
            web_threads=read.integer("WEB_THREADS", 16, 4, 256),
            log_level=read.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
            log_json=read.flag("LOG_JSON", default=production),
            trusted_proxies=read.integer("TRUSTED_PROXIES", 0, 0, 5),
            farm=read_farm(read, production=production),
            browsers=read_browsers(read),
            rates=read_rates(read),
            accounts=read_accounts(read, production=production),
            mail=read_mail(read, required=production),
            images=read_images(read),
            search=read_search(read),
            files=read_files(read),
            evidence=read_evidence(read),
            checkout=read_checkout(read, currency),
            payments=read_payments(read, production=production),
            live=read_live(read, production=production),
        )
        keys = [key for key in (settings.secret_key, settings.jwt_secret_key, settings.encryption_key) if key]
        read.rule(len(keys) == len(set(keys)), "SECRET_KEY, JWT_SECRET_KEY and ENCRYPTION_KEY must differ.")
        read.finish()
        return settings
