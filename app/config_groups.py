"""Groups of settings: what each holds, and how it is read from the environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from limits import parse_many

from app.core.money import Money
from app.core.percents import parse_percent
from app.environment import Reader, is_origin

CHROME_SHELL: Final = "/usr/lib/chromium/chromium-headless-shell"
CHROME_FULL: Final = "/usr/bin/chromium"
CHROMEDRIVER: Final = "/usr/bin/chromedriver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm:
    """How the farm works; seconds, and short in tests."""

    lease_s: float = 60
    renew_s: float = 5
    cancel_check_s: float = 2
    """How often a worker asks whether the job of its task is cancelled: one read by primary key."""
    dispatch_s: float = 0.2
    leader_s: float = 10
    release_window: int = 4
    """Tasks released ahead per live worker."""
    interactive_stale_s: float = 2
    batch_stale_s: float = 30
    worker_silent_s: float = 60
    contact: str = ""
    """Whom shops may ask about our visits: an address of the web or of mail, which the user agent names."""
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
    lanes: int = 1
    """Workers of one process, each with a page of its own in the same browsers."""
    per_worker: int = 2
    max_contexts: int = 2000
    max_memory_mb: int = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often something may be asked for, in the limits library's words (``5 per minute;20 per hour``)."""

    login: str = "10 per minute"
    registration: str = "5 per minute;20 per hour"
    mail: str = "5 per minute;20 per hour"
    """Asking for a mail (reset, verification), per client address."""
    mail_to_one: str = "5 per hour"
    """The same, per address that it would be sent to."""
    refresh: str = "30 per minute"
    cart: str = "20 per minute;300 per hour"
    """New carts of guests, per client address."""
    write: str = "600 per minute"
    """Everything that changes something, per principal."""
    coupon: str = "20 per hour"
    """Codes of coupons that there are not, and asking which customers have used one, per client address."""
    decline: str = "20 per hour"
    """Cards that were declined, per client address."""
    payment: str = "300 per minute"
    """Looking up one's own payments at the provider, per client address."""
    order_to_one: str = "20 per hour"
    """Orders that guests make for one mailbox, wherever they are."""
    tracking: str = "60 per minute"
    """Orders that are opened by the links of mails, per client address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """How long logins and links last, and who needs a second factor."""

    access_minutes: int = 15
    refresh_days: int = 30
    session_hours: int = 12
    """How long a browser session lasts unused; with "stay logged in" it is ``refresh_days``."""
    fresh_minutes: int = 15
    """For how long after a login sensitive acts need no new confirmation."""
    staff_second_factor: bool = False
    """Whether roles of staff need a second factor where the role itself does not say."""
    registration_open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Where mail goes: a server, or without one the folder ``mail`` of the instance."""

    url: str = field(default="", repr=False)
    """``smtp://user:password@host:587`` (STARTTLS where offered) or ``smtps://`` (TLS from the start)."""
    sender: str = "Cartwright <cartwright@localhost>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where files are stored, and how large one may be that somebody sends."""

    url: str = ""
    """A folder (``file:///srv/files``) or an object store (``s3://bucket/folder``); empty: below the instance."""
    max_upload_mb: int = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where the farm keeps pictures and HTML of the pages it saw, how much of it, and for how long."""

    url: str = ""
    """Like that of files; empty: beside them."""
    max_mb: int = 2048
    job_mb: int = 256
    """How much of it one job may have."""
    days: int = 14
    """Of failures, changes and carts."""
    sample_days: int = 3
    """Of plain successes."""
    replay_samples: int = 25
    """Pages that were read well and are kept of each storefront, for replays of its profile."""
    observation_days: int = 90
    """Of what single visits read; what it comes to by day is kept for ever."""
    alert_days: int = 90
    """Of what alert rules told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search server (Elasticsearch or OpenSearch) that answers searches instead of the database; none without URL."""

    url: str = field(default="", repr=False)
    """``https://user:password@search.example.org:9200``; the database answers while it does not."""
    index: str = "cartwright-products"
    """The alias that is asked; the indexes behind it have its name and the time of their making."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """How many of the products' pictures this machine keeps, and for how long."""

    cache_mb: int = 512
    cache_days: int = 7
    """How old a picture is when it is fetched again, and for how long one stays that nobody looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What an order costs besides its goods, and for how long a checkout keeps stock from others."""

    hold_s: float = 600
    tax_rate_ppm: int = 0
    """Millionths: 190000 is 19 %."""
    tax_included: bool = True
    """Whether prices and the shipping fee contain the tax."""
    shipping_minor: int = 0
    """The fee of every order, in minor units of the shop's currency."""
    free_shipping_minor: int | None = None
    """The subtotal, less discount, from which on there is no fee; None: never."""
    guest_cart_days: int = 30
    """For how long a cart is kept that nobody touches."""
    user_cart_days: int = 90
    keep_days: int = 30
    """For how long a checkout is kept that expired; a payment of it that is captured late makes it an order again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payments:
    """How customers pay: by what staff collect themselves, and by card where a provider is configured."""

    methods: tuple[str, ...] = ("invoice", "cash")
    timeout_s: float = 15
    """How long a provider may take to answer; the stock of a payment is held for longer."""
    stripe_secret_key: str = field(default="", repr=False)
    """None: no card payments."""
    stripe_webhook_secret: str = field(default="", repr=False)
    stripe_url: str = "https://api.stripe.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The live dashboard: where browsers find the process that keeps connections open, and how it treats them."""

    url: str = ""
    """Its own scheme and host; empty: where the pages are, or with ``port`` the same host at that port."""
    port: int | None = None
    max_clients: int = 2500
    """Open connections of one process; whoever comes after them is told to come later."""
    user_clients: int = 20
    """Open connections of one person, with all of their keys, to one process."""
    tick_s: float = 1
    """How often the figures are read, by one process for all."""
    recheck_s: float = 20
    """How often it is asked whether those who are connected still may be."""


def read_rates(read: Reader) -> Rates:
    def rate(name: str, default: str) -> str:
        return read.parsed(name, default, _rate, "is no rate such as 10 per minute")

    known = Rates()
    return Rates(
        login=rate("LOGIN_RATE", known.login),
        registration=rate("REGISTRATION_RATE", known.registration),
        mail=rate("MAIL_RATE", known.mail),
        mail_to_one=rate("MAIL_TO_ONE_RATE", known.mail_to_one),
        refresh=rate("REFRESH_RATE", known.refresh),
        cart=rate("CART_RATE", known.cart),
        write=rate("WRITE_RATE", known.write),
        coupon=rate("COUPON_RATE", known.coupon),
        decline=rate("DECLINE_RATE", known.decline),
        payment=rate("PAYMENT_RATE", known.payment),
        order_to_one=rate("ORDER_TO_ONE_RATE", known.order_to_one),
        tracking=rate("TRACKING_RATE", known.tracking),
    )


def _rate(text: str) -> str:
    parse_many(text)
    return text


def read_accounts(read: Reader, *, production: bool) -> Accounts:
    return Accounts(
        access_minutes=read.integer("JWT_ACCESS_MINUTES", 15, 1, 24 * 60),
        refresh_days=read.integer("JWT_REFRESH_DAYS", 30, 1, 365),
        session_hours=read.integer("SESSION_HOURS", 12, 1, 24 * 30),
        fresh_minutes=read.integer("FRESH_MINUTES", 15, 1, 24 * 60),
        staff_second_factor=read.flag("STAFF_SECOND_FACTOR", default=production),
        registration_open=read.flag("REGISTRATION_OPEN", default=True),
    )


def read_mail(read: Reader, *, required: bool) -> Mail:
    return Mail(url=read.mail_url(required=required), sender=read.mail_sender("MAIL_FROM", required=required))


def read_files(read: Reader) -> Files:
    return Files(url=read.files_url("FILES_URL"), max_upload_mb=read.integer("UPLOAD_MAX_MB", 2048, 1, 1024 * 1024))


def read_evidence(read: Reader) -> Evidence:
    return Evidence(
        url=read.files_url("EVIDENCE_URL"),
        max_mb=read.integer("EVIDENCE_MAX_MB", 2048, 1, 16 * 1024 * 1024),
        job_mb=read.integer("EVIDENCE_JOB_MB", 256, 1, 16 * 1024 * 1024),
        days=read.integer("EVIDENCE_DAYS", 14, 1, 3650),
        sample_days=read.integer("EVIDENCE_SAMPLE_DAYS", 3, 1, 3650),
        replay_samples=read.integer("REPLAY_SAMPLES", 25, 0, 40),
        observation_days=read.integer("OBSERVATION_DAYS", 90, 2, 3650),
        alert_days=read.integer("ALERT_DAYS", 90, 1, 3650),
    )


def read_search(read: Reader) -> Search:
    return Search(url=read.search_url("SEARCH_URL"), index=read.search_index("SEARCH_INDEX", Search().index))


def read_images(read: Reader) -> Images:
    return Images(
        cache_mb=read.integer("IMAGE_CACHE_MB", 512, 10, 1024 * 1024),
        cache_days=read.integer("IMAGE_CACHE_DAYS", 7, 1, 365),
    )


def read_checkout(read: Reader, currency: str) -> Checkout:
    """The settings of checkout; amounts are in ``currency``, the shop's, and may have no more decimals than it."""

    def amount(text: str) -> int:
        return Money.parse(text, currency).minor

    said = "is no amount of the shop's currency such as 4.90"
    free = read.parsed("FREE_SHIPPING_FROM", "0", amount, said)
    return Checkout(
        hold_s=read.number("CHECKOUT_HOLD_S", 600, 1, 24 * 3600),
        tax_rate_ppm=read.parsed(
            "TAX_RATE", "0", parse_percent, "is no percentage within 0 and 100 such as 19 or 8.875"
        ),
        tax_included=read.flag("PRICES_INCLUDE_TAX", default=True),
        shipping_minor=read.parsed("SHIPPING_FEE", "0", amount, said),
        free_shipping_minor=free if read.text("FREE_SHIPPING_FROM", "") else None,
        guest_cart_days=read.integer("GUEST_CART_DAYS", 30, 1, 365),
        user_cart_days=read.integer("USER_CART_DAYS", 90, 1, 3650),
        keep_days=read.integer("CHECKOUT_KEEP_DAYS", 30, 7, 365),
    )


def read_payments(read: Reader, *, production: bool) -> Payments:
    """How customers pay. Card payments need Stripe; where only they are wanted, PAYMENT_METHODS is ``card``."""
    known = Payments()
    named = {part.strip() for part in read.text("PAYMENT_METHODS", ",".join(known.methods)).split(",")}
    payments = Payments(
        methods=tuple(method for method in known.methods if method in named),
        timeout_s=read.number("PAYMENT_TIMEOUT_S", 15, 1, 80),
        stripe_secret_key=read.text("STRIPE_SECRET_KEY", ""),
        stripe_webhook_secret=read.text("STRIPE_WEBHOOK_SECRET", ""),
        stripe_url=read.text("STRIPE_URL", known.stripe_url).rstrip("/"),
    )
    has_key, has_secret = bool(payments.stripe_secret_key), bool(payments.stripe_webhook_secret)
    read.rule(named <= {*known.methods, "card"}, "PAYMENT_METHODS must list some of invoice, cash, card.")
    read.rule(has_key or "card" not in named, "PAYMENT_METHODS: card needs STRIPE_SECRET_KEY.")
    read.rule(has_key or not has_secret, "STRIPE_SECRET_KEY is missing beside STRIPE_WEBHOOK_SECRET.")
    read.rule(has_secret or not has_key, "STRIPE_WEBHOOK_SECRET is missing beside STRIPE_SECRET_KEY.")
    read.rule(is_origin(payments.stripe_url), "STRIPE_URL must be a scheme and a host, such as https://api.stripe.com.")
    secure = payments.stripe_url.startswith("https://") or not production
    read.rule(secure, "STRIPE_URL must begin with https:// in production.")
    return payments


def read_live(read: Reader, *, production: bool) -> Live:
    """With neither an own address nor a public one of the pages, connections go to the port where ``live`` listens."""
    url = read.text("LIVE_URL", "").rstrip("/")
    read.rule(not url or is_origin(url), "LIVE_URL must be a scheme and a host, such as https://live.example.org.")
    read.rule(not production or not url.startswith("http://"), "LIVE_URL must begin with https:// in production.")
    is_embedded = not (production or url or read.text("PUBLIC_URL", ""))
    return Live(
        url=url,
        port=read.integer("LIVE_PORT", 8001, 1, 65535) if is_embedded else None,
        max_clients=read.integer("LIVE_MAX_CLIENTS", 2500, 1, 100_000),
        user_clients=read.integer("LIVE_USER_CLIENTS", 20, 1, 10_000),
        tick_s=read.number("LIVE_TICK_S", 1, 0.1, 60),
        recheck_s=read.number("LIVE_RECHECK_S", 20, 0.2, 45),
    )


def read_farm(read: Reader, *, production: bool) -> Farm:
    farm = Farm(
        contact=read.contact("FARM_CONTACT", required=production),
        lease_s=read.number("LEASE_S", 60, 1, 3600),
        renew_s=read.number("LEASE_RENEW_S", 5, 0.1, 600),
        cancel_check_s=read.number("CANCEL_CHECK_S", 2, 0.1, 60),
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


def read_browsers(read: Reader) -> Browsers:
    return Browsers(
        shell=read.text("CHROME_BINARY", CHROME_SHELL),
        full=read.text("CHROME_FULL_BINARY", CHROME_FULL),
        driver=read.text("CHROMEDRIVER", CHROMEDRIVER),
        no_sandbox=read.flag("CHROME_NO_SANDBOX", default=False),
        run_as=read.text("WORKER_USER", "cartwright"),
        lanes=read.integer("CONTEXTS_PER_BROWSER", 1, 1, 16),
        per_worker=read.integer("BROWSERS_PER_WORKER", 2, 1, 16),
        max_contexts=read.integer("BROWSER_MAX_CONTEXTS", 2000, 1, 1_000_000),
        max_memory_mb=read.integer("BROWSER_MAX_MEMORY_MB", 900, 100, 64_000),
    )
