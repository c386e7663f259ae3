"""The set-up: quick when there is nothing to do, exact about what is missing where it cannot help."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def bootstrap(checkout: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts/bootstrap", *arguments],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def fresh_checkout(tmp_path: Path) -> Path:
    """What a clone has that the set-up reads, and nothing that an earlier run left."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/bootstrap", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def another_system(tmp_path: Path) -> dict[str, str]:
    """The variables of a machine without apt and sudo: a PATH with everything but them."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name not in {"apt-get", "sudo"}:
            (programs / program.name).symlink_to(program)
    return {"PATH": str(programs)}


def test_a_second_run_says_nothing_and_takes_less_than_three_seconds() -> None:
    bootstrap(ROOT, "test")
    started = time.monotonic()
    again = bootstrap(ROOT, "test")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert time.monotonic() - started < 3


def test_elsewhere_a_missing_browser_is_named_with_the_way_to_get_it(
    fresh_checkout: Path, another_system: dict[str, str]
) -> None:
    refused = bootstrap(fresh_checkout, CHROME_BINARY="/opt/no/chrome", CHROMEDRIVER="/opt/no/driver", **another_system)
    assert refused.returncode == 1
    assert "headless Chrome (/opt/no/chrome)" in refused.stderr
    assert "its driver (/opt/no/driver)" in refused.stderr
    assert "apt-get install --no-install-recommends chromium-headless-shell" in refused.stderr
    assert "CHROME_BINARY and CHROMEDRIVER say where" in refused.stderr
    assert not (fresh_checkout / ".venv").exists()


def test_elsewhere_an_unsupported_python_is_named(fresh_checkout: Path, another_system: dict[str, str]) -> None:
    refused = bootstrap(
        fresh_checkout, CHROME_BINARY="/bin/true", CHROMEDRIVER="/bin/true", PYTHON="/bin/false", **another_system
    )
    assert refused.returncode == 1
    assert "Python" in refused.stderr
    assert "venv" in refused.stderr


def test_offline_the_packages_that_are_missing_are_named(fresh_checkout: Path) -> None:
    refused = bootstrap(
        fresh_checkout,
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_RETRIES="0",
        PIP_NO_INDEX="",
        PIP_EXTRA_INDEX_URL="",
        PIP_FIND_LINKS="",
        PIP_CONFIG_FILE=os.devnull,
    )
    assert refused.returncode == 1
    assert "Missing: uv==" in refused.stderr
    assert "UV_DEFAULT_INDEX" in refused.stderr


def test_an_unknown_purpose_is_refused(fresh_checkout: Path) -> None:
    refused = bootstrap(fresh_checkout, "everything")
    assert refused.returncode == 1
    assert "usage: scripts/bootstrap [run|test]" in refused.stderr
