"""The environment is checked before anything starts, and everything wrong with it is said at once."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from app.config import Browsers, Farm, Settings, SettingsError

PRODUCTION = {
    "APP_ENV": "production",
    "SECRET_KEY": "s" * 32,
    "JWT_SECRET_KEY": "j" * 32,
    "DATABASE_URL": "mysql://cartwright:secret@db/cartwright",
    "REDIS_QUEUE_URL": "redis://:secret@queue:6379/0",
    "REDIS_CACHE_URL": "rediss://:secret@cache:6379/0",
}


@pytest.fixture
def embedded(tmp_path: Path) -> dict[str, str]:
    """An environment without anything but the place for the instance."""
    return {"INSTANCE_DIR": str(tmp_path / "instance")}


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_env(environ)
    assert str(refusal.value).count("\n") == len(refusal.value.problems)
    return refusal.value.problems


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
    assert (first.secret_key, first.jwt_secret_key) == (second.secret_key, second.jwt_secret_key)
    assert first.secret_key != first.jwt_secret_key
    assert min(len(first.secret_key), len(first.jwt_secret_key)) >= 32
    files = sorted((tmp_path / "instance").iterdir())
    assert [file.name for file in files] == ["jwt_secret_key", "secret_key"]
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
        answers.put((settings.secret_key, settings.jwt_secret_key))

    starters = [processes.Process(target=start) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(20)
    assert [starter.exitcode for starter in starters] == [0] * 4
    assert len({answers.get() for _ in starters}) == 1
    assert sorted(file.name for file in (tmp_path / "instance").iterdir()) == ["jwt_secret_key", "secret_key"]


def test_a_damaged_secret_is_refused(embedded: dict[str, str], tmp_path: Path) -> None:
    Settings.from_env(embedded)
    (tmp_path / "instance" / "secret_key").write_text("\n")
    (found,) = problems(embedded)
    assert found.startswith("SECRET_KEY: ")
    assert "damaged" in found


def test_an_instance_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = problems({"INSTANCE_DIR": str(tmp_path / "file" / "instance")})
    assert [problem.split()[0] for problem in found] == ["SECRET_KEY", "JWT_SECRET_KEY"]


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
    assert not (tmp_path / "instance").exists()


def test_production_refuses_every_embedded_default_at_once(tmp_path: Path) -> None:
    found = problems({"APP_ENV": "production", "INSTANCE_DIR": str(tmp_path / "instance")})
    names = ["SECRET_KEY", "JWT_SECRET_KEY", "DATABASE_URL", "REDIS_QUEUE_URL", "REDIS_CACHE_URL"]
    assert found == [f"{name} is missing." for name in names]
    assert not (tmp_path / "instance").exists()


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name != "APP_ENV"])
def test_production_refuses_each_embedded_default_alone(name: str) -> None:
    assert problems({key: value for key, value in PRODUCTION.items() if key != name}) == [f"{name} is missing."]
    assert problems(PRODUCTION | {name: ""}) == [f"{name} is missing."]


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
        ("JWT_ACCESS_MINUTES", ["0", "1441"]),
        ("LOGIN_RATE", ["often", "10", "ten per minute", "10 per lunch"]),
        ("TRUSTED_PROXIES", ["-1", "6"]),
        ("LOG_JSON", ["yes", "TRUE", "2"]),
        ("DISPATCH_S", ["0", "61"]),
        ("LEASE_RENEW_S", ["31", "0"]),
        ("LEADER_S", ["0.5", "601"]),
        ("RELEASE_WINDOW", ["0", "101"]),
        ("CHROME_NO_SANDBOX", ["no"]),
        ("BROWSERS_PER_WORKER", ["0", "17"]),
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
        assert [problem.split()[0] for problem in found] == [name], value


def test_a_lease_that_would_run_out_between_renewals_is_refused(embedded: dict[str, str]) -> None:
    assert len(problems(embedded | {"LEASE_S": "4", "LEASE_RENEW_S": "3"})) == 1
    assert len(problems(embedded | {"LEADER_S": "1", "DISPATCH_S": "2"})) == 1
    assert Settings.from_env(embedded | {"LEASE_S": "4", "LEASE_RENEW_S": "2"}).farm.renew_s == 2


def test_no_problem_repeats_a_secret(embedded: dict[str, str]) -> None:
    wrong = {
        "SECRET_KEY": "hunter2",
        "DATABASE_URL": "mysql://root:hunter2@db:port/x",
        "REDIS_URL": "http://:hunter2@x",
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
    assert settings.browsers.private_targets == {("shop.example", 8080), ("127.0.0.1", 9), ("[::1]", 443)}


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
