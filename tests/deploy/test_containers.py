"""The container files agree with the rest of the repository; deploy/test/up.sh is the test that runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from scripts.supervisor import read_procfile

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_every_process_of_the_procfile_is_a_service() -> None:
    services = re.findall(r"^  (\w+):\n(?:    .*\n)*?    command: \[(\w+)\]$", COMPOSE, flags=re.MULTILINE)
    assert [name for name, command in services if name == command] == list(read_procfile(ROOT / "Procfile"))


def test_every_needed_secret_stands_in_the_example_and_has_no_value_there() -> None:
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    needed = set(re.findall(r"\$\{([A-Z_]+):\?", COMPOSE))
    assert needed
    assert example == dict.fromkeys(needed, "")


def test_the_image_is_built_with_the_same_uv_as_a_checkout() -> None:
    version = re.search(r"^UV_VERSION=(\S+)$", (ROOT / "scripts/bootstrap").read_text(), flags=re.MULTILINE)
    assert version is not None
    assert f" uv=={version[1]}\n" in DOCKERFILE


def test_the_image_holds_all_that_a_process_of_the_procfile_needs() -> None:
    copied = " ".join(re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE))
    admitted = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE))
    for needed in ("app", "workers", "migrations", "templates", "wsgi.py", "Procfile", "scripts/role"):
        assert re.search(rf"(^| ){re.escape(needed)}( |$)", copied), needed
        assert needed in admitted


def test_chromes_profile_allows_its_sandbox_and_neither_mounts_nor_tracing() -> None:
    profile = json.loads((ROOT / "deploy/seccomp/chrome.json").read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {name for group in profile["syscalls"] if group["action"] == "SCMP_ACT_ALLOW" for name in group["names"]}
    assert {"clone", "unshare", "chroot", "seccomp", "execve", "futex"} <= allowed
    assert not allowed & {
        "mount",
        "umount2",
        "pivot_root",
        "ptrace",
        "setns",
        "bpf",
        "keyctl",
        "init_module",
        "io_uring_setup",
    }


def test_the_compose_file_sets_what_the_settings_know_and_operations_explain_all_of_it() -> None:
    files = ("app/config.py", "app/config_groups.py")
    known = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', "".join((ROOT / file).read_text() for file in files)))
    known |= set(re.findall(r'get\("([A-Z_]+)"', (ROOT / "app/environment.py").read_text())) | {"MAIL_FROM"}
    explained = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs/operations.md").read_text()))
    assert {
        "ENCRYPTION_KEY",
        "PUBLIC_URL",
        "MAIL_URL",
        "WRITE_RATE",
        "LEASE_S",
        "TAX_RATE",
        "STRIPE_SECRET_KEY",
    } <= known
    assert known - explained == set()
    shared = COMPOSE.partition("x-environment:")[2].partition("\n\n")[0]
    assert set(re.findall(r"^  ([A-Z_]+):", shared, flags=re.MULTILINE)) - known == set()


def test_every_variable_of_the_compose_file_stands_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE)) - {"BASE", "CARTWRIGHT_IMAGE", "MYSQL_IMAGE", "REDIS_IMAGE"}
    assert [name for name in sorted(used) if not re.search(rf"^(# )?{name}=", example, flags=re.MULTILINE)] == []
