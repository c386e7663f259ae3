"""The environment is checked before anything starts, and everything wrong with it is said at once."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from app import create_base
from app.config import Accounts, Browsers, Checkout, Farm, Payments, Rates, Settings, SettingsError
from app.core.extensions import db
from tests.servers import on_sqlite

PRODUCTION = {
    "APP_ENV": "production",
    "SECRET_KEY": "s" * 32,
    "JWT_SECRET_KEY": "j" * 32,
    "ENCRYPTION_KEY": "e" * 32,
    "PUBLIC_URL": "https://shop.example.org",
    "DATABASE_URL": "mysql://cartwright:secret@db/cartwright",
    "REDIS_QUEUE_URL": "redis://:secret@queue:6379/0",
    "REDIS_CACHE_URL": "rediss://:secret@cache:6379/0",
    "FARM_CONTACT": "https://shop.example.org/bot",
    "MAIL_URL": "smtp://shop:secret@mail:587",
    "MAIL_FROM": "Shop <shop@example.org>",
}


RATES = [
    "LOGIN_RATE",
    "REGISTRATION_RATE",
    "MAIL_RATE",
    "MAIL_TO_ONE_RATE",
    "REFRESH_RATE",
    "WRITE_RATE",
    "COUPON_RATE",
    "DECLINE_RATE",
    "PAYMENT_RATE",
    "ORDER_TO_ONE_RATE",
    "CART_RATE",
    "TRACKING_RATE",
]
NO_ORIGINS = [
    "shop.example.org",
    "ftp://shop.example.org",
    "https://",
    "https://shop.example.org/path",
    "https://shop.example.org?x",
    "https://shop.example.org#x",
    "https://user@shop.example.org",
    "https://shop.example.org:port",
    "https://shop.example.org:99999",
    "https://shop .example.org",
    "javascript:alert(1)",
]


@pytest.fixture
def embedded(tmp_path: Path) -> dict[str, str]:
    """An environment without anything but the place for the instance."""
    return {"INSTANCE_DIR": str(tmp_path / "instance")}


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_env(environ)
    assert str(refusal.value).count("\n") == len(refusal.value.problems)
    return refusal.value.problems


def secrets_of(settings: Settings) -> tuple[str, ...]:
    return settings.secret_key, settings.jwt_secret_key, settings.encryption_key


def test_without_any_variable_everything_is_embedded_in_the_instance_folder(
    embedded: dict[str, str], tmp_path: Path
) -> None:
    settings = Settings.from_env(embedded)
    instance = tmp_path / "instance"
    assert settings.database_url == f"sqlite:///{instance}/cartwright.db"
    assert settings.redis_queue_url == f"unix://{instance}/redis.sock?db=0"
    assert settings.redis_cache_url == f"unix://{instance}/redis.sock?db=1"
    assert settings.embedded_redis
    assert not settings.production
    assert (settings.currency, str(settings.timezone), settings.farm, settings.browsers) == (
        "USD",
        "UTC",
        Farm(),
        Browsers(),
    )


def test_generated_secrets_are_private_stable_and_not_each_other(embedded: dict[str, str], tmp_path: Path) -> None:
    first, second = Settings.from_env(embedded), Settings.from_env(embedded)
    assert secrets_of(first) == secrets_of(second)
    assert len(set(secrets_of(first))) == 3
    assert min(map(len, secrets_of(first))) >= 32
    files = sorted((tmp_path / "instance").iterdir())
    assert [file.name for file in files] == ["encryption_key", "jwt_secret_key", "secret_key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_secrets_stay_private_under_a_careless_umask(embedded: dict[str, str], tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Settings.from_env(embedded)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "instance").iterdir()} == {0o600}


def test_processes_that_start_at_once_agree_on_their_secrets(embedded: dict[str, str], tmp_path: Path) -> None:
    processes = multiprocessing.get_context("fork")
    barrier, answers = processes.Barrier(4), processes.SimpleQueue()

    def start() -> None:
        barrier.wait(10)
        settings = Settings.from_env(embedded)
        answers.put(secrets_of(settings))

    starters = [processes.Process(target=start) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(20)
    assert [starter.exitcode for starter in starters] == [0] * 4
    assert len({answers.get() for _ in starters}) == 1
    made = sorted(file.name for file in (tmp_path / "instance").iterdir())
    assert made == ["encryption_key", "jwt_secret_key", "secret_key"]


def test_a_damaged_secret_is_refused(embedded: dict[str, str], tmp_path: Path) -> None:
    Settings.from_env(embedded)
    (tmp_path / "instance" / "secret_key").write_text("\n")
    (found,) = problems(embedded)
    assert found.startswith("SECRET_KEY: ")
    assert "damaged" in found


def test_an_instance_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = problems({"INSTANCE_DIR": str(tmp_path / "file" / "instance")})
    assert [problem.split()[0] for problem in found] == ["SECRET_KEY", "JWT_SECRET_KEY", "ENCRYPTION_KEY"]


def test_production_starts_with_real_servers_and_secrets_and_writes_nothing(tmp_path: Path) -> None:
    settings = Settings.from_env(PRODUCTION | {"INSTANCE_DIR": str(tmp_path / "instance")})
    assert settings.production
    assert not settings.embedded_redis
    assert settings.database_url == "mysql+pymysql://cartwright:secret@db/cartwright"
    assert (settings.redis_queue_url, settings.redis_cache_url) == (
        PRODUCTION["REDIS_QUEUE_URL"],
        PRODUCTION["REDIS_CACHE_URL"],
    )
    assert settings.log_json
    assert settings.stop_grace_s == 150
    assert (settings.public_url, settings.is_https) == ("https://shop.example.org", True)
    assert (settings.mail.url, settings.mail.sender) == (PRODUCTION["MAIL_URL"], PRODUCTION["MAIL_FROM"])
    assert settings.accounts.staff_second_factor
    assert not (tmp_path / "instance").exists()


def test_production_refuses_every_embedded_default_at_once(tmp_path: Path) -> None:
    found = problems({"APP_ENV": "production", "INSTANCE_DIR": str(tmp_path / "instance")})
    assert [problem.split()[0] for problem in found] == [name for name in PRODUCTION if name != "APP_ENV"]
    assert all(" is missing" in problem for problem in found)
    assert not (tmp_path / "instance").exists()


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name != "APP_ENV"])
def test_production_refuses_each_embedded_default_alone(name: str) -> None:
    for environ in ({key: value for key, value in PRODUCTION.items() if key != name}, PRODUCTION | {name: ""}):
        (found,) = problems(environ)
        assert found.startswith(f"{name} is missing")


def test_production_is_reached_over_tls_only() -> None:
    (found,) = problems(PRODUCTION | {"PUBLIC_URL": "http://shop.example.org"})
    assert found == "PUBLIC_URL must begin with https:// in production."


def test_production_refuses_sqlite() -> None:
    assert problems(PRODUCTION | {"DATABASE_URL": "sqlite:////data/cartwright.db"}) == [
        "DATABASE_URL must name a MySQL, MariaDB or PostgreSQL server in production."
    ]


def test_one_redis_may_serve_as_queue_and_cache(embedded: dict[str, str]) -> None:
    settings = Settings.from_env(embedded | {"REDIS_URL": "redis://here:6379/3"})
    assert settings.redis_queue_url == settings.redis_cache_url == "redis://here:6379/3"
    assert not settings.embedded_redis


def test_all_problems_are_said_at_once(embedded: dict[str, str]) -> None:
    wrong = {
        "APP_ENV": "prod",
        "SECRET_KEY": "short",
        "DATABASE_URL": "oracle://db/x",
        "REDIS_URL": "http://cache",
        "SHOP_CURRENCY": "DOLLARS",
        "SHOP_TIMEZONE": "Europe/Atlantis",
        "WORKER_COUNT": "many",
        "LOG_LEVEL": "loud",
        "LOG_JSON": "maybe",
        "LEASE_S": "0",
        "ALLOWED_PRIVATE_TARGETS": "localhost",
    }
    named = {problem.split()[0] for problem in problems(embedded | wrong)}
    assert named == (set(wrong) - {"REDIS_URL"}) | {"REDIS_QUEUE_URL", "REDIS_CACHE_URL"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("APP_ENV", ["prod", "Production", "test"]),
        ("SECRET_KEY", ["short", "x" * 31]),
        (
            "DATABASE_URL",
            ["oracle://db/x", "mysql://", "cartwright.db", "mysql://db:port/x", "postgresql+psycopg2://db/x"],
        ),
        ("REDIS_QUEUE_URL", ["here:6379", "http://here", "redis://[::1", "redis://here:port/0", "redis://here:99999"]),
        ("SHOP_CURRENCY", ["usd", "EURO", "XXZ"]),
        ("SHOP_TIMEZONE", ["Europe", "../../etc/passwd", "/etc/passwd", "Mars/Base", "UTC+1"]),
        ("WORKER_COUNT", ["0", "65", "2.5", "two", "-1"]),
        ("STOP_GRACE_S", ["-1", "3601", "nan", "inf", "1e9"]),
        ("WEB_THREADS", ["3", "257"]),
        ("JWT_SECRET_KEY", ["short", "x" * 31]),
        ("ENCRYPTION_KEY", ["short", "x" * 31]),
        ("OLD_SECRET_KEYS", ["short", f"{'x' * 32},short"]),
        ("OLD_JWT_SECRET_KEYS", ["short", f"{'x' * 32} {'y' * 31},z"]),
        ("OLD_ENCRYPTION_KEYS", ["short", f"short,{'x' * 32}"]),
        ("PUBLIC_URL", NO_ORIGINS),
        ("ALLOWED_ORIGINS", [*NO_ORIGINS, "null", "*", "https://*.example.org", "https://a.example, https://b/x"]),
        (
            "FARM_CONTACT",
            [
                "nobody",
                "ftp://x.example",
                "a@b",
                "https://",
                "https://x.example/(a)",
                "https://x.example/ y",
                "x@y.example)\r\nA: b",
                "https://x.example/" + "a" * 200,
            ],
        ),
        ("JWT_ACCESS_MINUTES", ["0", "1441"]),
        ("JWT_REFRESH_DAYS", ["0", "366", "1.5"]),
        ("SESSION_HOURS", ["0", "721"]),
        ("FRESH_MINUTES", ["0", "1441"]),
        ("STAFF_SECOND_FACTOR", ["yes", "2"]),
        ("REGISTRATION_OPEN", ["no", "on"]),
        ("FILES_URL", ["files", "/srv/files", "file://srv/files", "s3://", "s3://bucket?x=1"]),
        ("UPLOAD_MAX_MB", ["0", "-1", "2 GB"]),
        ("EVIDENCE_URL", ["files", "/srv/files", "file://srv/files", "s3://", "s3://bucket?x=1"]),
        ("EVIDENCE_MAX_MB", ["0", "-1", "2 GB"]),
        ("EVIDENCE_JOB_MB", ["0", "-1"]),
        ("EVIDENCE_DAYS", ["0", "3651", "1.5"]),
        ("EVIDENCE_SAMPLE_DAYS", ["0", "3651"]),
        ("OBSERVATION_DAYS", ["1", "3651"]),
        ("ALERT_DAYS", ["0", "3651"]),
        ("MAIL_URL", ["mail", "http://mail", "smtp://", "smtp://mail:port", "smtp://mail:99999", "smtps://:25"]),
        ("MAIL_FROM", ["nobody", "Shop <shop>", "Shop <shop@example.org>\nBcc: x@example.org", "Shop <@>"]),
        *((name, ["often", "10", "ten per minute", "10 per lunch"]) for name in RATES),
        ("TRUSTED_PROXIES", ["-1", "6"]),
        ("CHECKOUT_HOLD_S", ["0", "-1", "86401", "nan", "ten"]),
        ("TAX_RATE", ["-1", "100.0001", "19%", "0.19001", "1e1", "19,5", "½", ".5"]),
        ("PRICES_INCLUDE_TAX", ["yes", "2"]),
        ("SHIPPING_FEE", ["-1", "4.999", "4,90", "1e3", "USD 5", "4.90 "]),
        ("FREE_SHIPPING_FROM", ["-1", "49.999", "never"]),
        ("GUEST_CART_DAYS", ["0", "366", "1.5"]),
        ("USER_CART_DAYS", ["0", "3651"]),
        ("CHECKOUT_KEEP_DAYS", ["6", "366", "never"]),
        ("PAYMENT_METHODS", ["card", "paypal", "invoice;cash", ",", "Invoice"]),
        ("PAYMENT_TIMEOUT_S", ["0", "81", "soon"]),
        ("STRIPE_URL", NO_ORIGINS),
        ("LOG_JSON", ["yes", "TRUE", "2"]),
        ("DISPATCH_S", ["0", "61"]),
        ("LEASE_RENEW_S", ["31", "0"]),
        ("CANCEL_CHECK_S", ["0", "61"]),
        ("LEADER_S", ["0.5", "601"]),
        ("RELEASE_WINDOW", ["0", "101"]),
        ("CHROME_NO_SANDBOX", ["no"]),
        ("BROWSERS_PER_WORKER", ["0", "17"]),
        ("CONTEXTS_PER_BROWSER", ["0", "17", "many"]),
        (
            "ALLOWED_PRIVATE_TARGETS",
            [
                "localhost",
                "localhost:",
                ":80",
                "a:0",
                "a:65536",
                "a:²",
                "http://a:80",
                "*:80",
                "a b:80",
                "a:80/x",
                "a@b:80",
            ],
        ),
    ],
)
def test_a_bad_value_is_named_and_nothing_else_is(embedded: dict[str, str], name: str, values: list[str]) -> None:
    for value in values:
        found = problems(embedded | {name: value})
        assert [problem.split()[0].rstrip(":") for problem in found] == [name], value


def test_a_lease_that_would_run_out_between_renewals_is_refused(embedded: dict[str, str]) -> None:
    assert len(problems(embedded | {"LEASE_S": "4", "LEASE_RENEW_S": "3"})) == 1
    assert len(problems(embedded | {"LEADER_S": "1", "DISPATCH_S": "2"})) == 1
    assert Settings.from_env(embedded | {"LEASE_S": "4", "LEASE_RENEW_S": "2"}).farm.renew_s == 2


@pytest.mark.parametrize("twice", [("SECRET_KEY", "JWT_SECRET_KEY"), ("JWT_SECRET_KEY", "ENCRYPTION_KEY")])
def test_one_secret_for_two_uses_is_refused(twice: tuple[str, str]) -> None:
    assert problems(PRODUCTION | dict.fromkeys(twice, "x" * 32)) == [
        "SECRET_KEY, JWT_SECRET_KEY and ENCRYPTION_KEY must differ."
    ]


def test_old_keys_and_origins_are_lists(embedded: dict[str, str]) -> None:
    one, other = "1" * 32, "2" * 40
    given = {"ALLOWED_ORIGINS": " https://a.example ,,http://localhost:5173 "}
    given |= dict.fromkeys(("OLD_SECRET_KEYS", "OLD_JWT_SECRET_KEYS", "OLD_ENCRYPTION_KEYS"), f" {one}, {other},")
    settings = Settings.from_env(embedded | given)
    assert settings.old_secret_keys == settings.old_jwt_secret_keys == settings.old_encryption_keys == (one, other)
    assert settings.allowed_origins == ("https://a.example", "http://localhost:5173")


def test_links_lead_to_the_port_that_pages_are_served_at(embedded: dict[str, str]) -> None:
    assert Settings.from_env(embedded | {"PORT": "24080"}).public_url == "http://localhost:24080"
    settings = Settings.from_env(embedded | {"PUBLIC_URL": "https://shop.example.org/"})
    assert (settings.public_url, settings.is_https) == ("https://shop.example.org", True)


def test_rates_and_lives_of_logins_are_read(embedded: dict[str, str]) -> None:
    given = dict.fromkeys(RATES, "7 per hour; 9 per day")
    given |= {"JWT_ACCESS_MINUTES": "1", "JWT_REFRESH_DAYS": "2", "SESSION_HOURS": "3", "FRESH_MINUTES": "4"}
    settings = Settings.from_env(embedded | given | {"STAFF_SECOND_FACTOR": "1", "REGISTRATION_OPEN": "0"})
    rate = given["LOGIN_RATE"]
    assert settings.rates == Rates(**dict.fromkeys((each.name for each in dataclasses.fields(Rates)), rate))
    assert settings.accounts == Accounts(
        access_minutes=1,
        refresh_days=2,
        session_hours=3,
        fresh_minutes=4,
        staff_second_factor=True,
        registration_open=False,
    )


STRIPE = {"STRIPE_SECRET_KEY": "sk_live_51", "STRIPE_WEBHOOK_SECRET": "whsec_51"}


def test_without_any_variable_an_order_costs_its_goods_and_is_paid_as_staff_collect_it(
    embedded: dict[str, str],
) -> None:
    settings = Settings.from_env(embedded)
    assert settings.checkout == Checkout()
    assert (settings.checkout.hold_s, settings.checkout.tax_rate_ppm, settings.checkout.tax_included) == (600, 0, True)
    assert (settings.checkout.shipping_minor, settings.checkout.free_shipping_minor) == (0, None)
    assert settings.payments == Payments()
    assert settings.payments.methods == ("invoice", "cash")


def test_what_an_order_costs_besides_its_goods_is_read(embedded: dict[str, str]) -> None:
    given = {
        "SHOP_CURRENCY": "EUR",
        "CHECKOUT_HOLD_S": "1.5",
        "TAX_RATE": "8.875",
        "PRICES_INCLUDE_TAX": "0",
        "SHIPPING_FEE": "4.90",
        "FREE_SHIPPING_FROM": "49",
        "GUEST_CART_DAYS": "1",
        "USER_CART_DAYS": "2",
        "CHECKOUT_KEEP_DAYS": "7",
    }
    assert Settings.from_env(embedded | given).checkout == Checkout(
        hold_s=1.5,
        tax_rate_ppm=88_750,
        tax_included=False,
        shipping_minor=490,
        free_shipping_minor=4900,
        guest_cart_days=1,
        user_cart_days=2,
        keep_days=7,
    )


def test_shipping_may_be_free_from_nothing_on(embedded: dict[str, str]) -> None:
    assert Settings.from_env(embedded | {"FREE_SHIPPING_FROM": "0"}).checkout.free_shipping_minor == 0
    assert Settings.from_env(embedded | {"FREE_SHIPPING_FROM": ""}).checkout.free_shipping_minor is None


@pytest.mark.parametrize(
    ("written", "ppm"), [("0", 0), ("19", 190_000), ("7.7", 77_000), ("0.0001", 1), ("100", 1_000_000)]
)
def test_a_tax_rate_is_exact(embedded: dict[str, str], written: str, ppm: int) -> None:
    assert Settings.from_env(embedded | {"TAX_RATE": written}).checkout.tax_rate_ppm == ppm


def test_amounts_have_the_decimals_of_the_shops_currency(embedded: dict[str, str]) -> None:
    fees = dict.fromkeys(("JPY", "EUR", "KWD"), "500")
    minor = {
        currency: Settings.from_env(embedded | {"SHOP_CURRENCY": currency, "SHIPPING_FEE": fee}).checkout.shipping_minor
        for currency, fee in fees.items()
    }
    assert minor == {"JPY": 500, "EUR": 50_000, "KWD": 500_000}
    (found,) = problems(embedded | {"SHOP_CURRENCY": "JPY", "SHIPPING_FEE": "4.90"})
    assert found.startswith("SHIPPING_FEE ")


def test_card_payments_come_with_the_secrets_of_stripe(embedded: dict[str, str]) -> None:
    given = STRIPE | {"STRIPE_URL": "http://127.0.0.1:8420/", "PAYMENT_TIMEOUT_S": "2"}
    assert Settings.from_env(embedded | given).payments == Payments(
        timeout_s=2,
        stripe_secret_key="sk_live_51",
        stripe_webhook_secret="whsec_51",
        stripe_url="http://127.0.0.1:8420",
    )
    assert "51" not in repr(Settings.from_env(embedded | given).payments)


@pytest.mark.parametrize("missing", list(STRIPE))
def test_one_secret_of_stripe_without_the_other_is_refused(embedded: dict[str, str], missing: str) -> None:
    (found,) = problems(embedded | {name: value for name, value in STRIPE.items() if name != missing})
    assert found.startswith(f"{missing} is missing")


@pytest.mark.parametrize(
    ("written", "methods"), [("cash", ("cash",)), (" cash , invoice ", ("invoice", "cash")), ("card", ()), ("", None)]
)
def test_what_staff_collect_is_chosen(embedded: dict[str, str], written: str, methods: tuple[str, ...] | None) -> None:
    payments = Settings.from_env(embedded | STRIPE | {"PAYMENT_METHODS": written}).payments
    assert payments.methods == (Payments().methods if methods is None else methods)


def test_in_production_stripe_is_reached_over_tls_only() -> None:
    (found,) = problems(PRODUCTION | STRIPE | {"STRIPE_URL": "http://api.stripe.com"})
    assert found == "STRIPE_URL must begin with https:// in production."


@pytest.mark.parametrize("key", ["sk_test_51", "rk_test_51"])
def test_a_key_of_stripes_test_mode_is_warned_of_in_production_only(embedded: dict[str, str], key: str) -> None:
    test_mode = STRIPE | {"STRIPE_SECRET_KEY": key}
    (warning,) = Settings.from_env(PRODUCTION | test_mode).warnings
    assert warning.startswith("STRIPE_SECRET_KEY ")
    assert key not in warning
    assert Settings.from_env(embedded | test_mode).warnings == []
    assert Settings.from_env(PRODUCTION | STRIPE).warnings == []


@on_sqlite
def test_warnings_are_in_the_log_when_a_process_starts(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    payments = Payments(stripe_secret_key="sk_test_51", stripe_webhook_secret="whsec_51")
    app = create_base(dataclasses.replace(settings, production=True, payments=payments))
    with app.app_context():
        db.engine.dispose()
    assert "STRIPE_SECRET_KEY is one of Stripe's test mode" in capsys.readouterr().err


def test_no_problem_repeats_a_secret(embedded: dict[str, str]) -> None:
    wrong = {
        "SECRET_KEY": "hunter2",
        "DATABASE_URL": "mysql://root:hunter2@db:port/x",
        "OLD_JWT_SECRET_KEYS": "hunter2",
        "MAIL_URL": "smtp://shop:hunter2@mail:port",
        "REDIS_URL": "http://:hunter2@x",
        "STRIPE_WEBHOOK_SECRET": "hunter2",
    }
    assert "hunter2" not in str(problems(embedded | wrong))


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("mysql://u@h/d", "mysql+pymysql://u@h/d"),
        ("mariadb://u@h/d", "mysql+pymysql://u@h/d"),
        ("mysql+mysqldb://u@h/d", "mysql+mysqldb://u@h/d"),
        ("postgres://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql://u:p%40ss@h:5432/d?sslmode=require", "postgresql+psycopg://u:p%40ss@h:5432/d?sslmode=require"),
        ("sqlite:////data/x.db", "sqlite:////data/x.db"),
    ],
)
def test_the_usual_spellings_of_a_database_are_understood(embedded: dict[str, str], written: str, used: str) -> None:
    assert Settings.from_env(embedded | {"DATABASE_URL": written}).database_url == used


def test_private_targets_are_exact_pairs(embedded: dict[str, str]) -> None:
    given = " Shop.Example:8080, 127.0.0.1:9 ,, [::1]:443 "
    settings = Settings.from_env(embedded | {"ALLOWED_PRIVATE_TARGETS": given})
    assert settings.private_targets == {("shop.example", 8080), ("127.0.0.1", 9), ("[::1]", 443)}


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with more cores than workers are allowed."""
    monkeypatch.setattr(os, "cpu_count", lambda: 128)


def test_a_very_large_machine_starts_as_many_workers_as_are_allowed(embedded: dict[str, str], many_cores: None) -> None:
    assert Settings.from_env(embedded).worker_count == 64


def test_settings_are_frozen(embedded: dict[str, str]) -> None:
    settings = Settings.from_env(embedded)
    with pytest.raises(AttributeError):
        settings.currency = "EUR"  # type: ignore[misc]
