"""The demonstration leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from demo.errors import DemoError
from demo.processes import Processes

SLEEP = "import time; time.sleep(600)"
OWNER_OF_TWO = f"""
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "{SLEEP}"]).pid, flush=True)
print(subprocess.Popen([sys.executable, "-c", "{SLEEP}"], start_new_session=True).pid, flush=True)
time.sleep(600)
"""


def wait_for_lines(processes: Processes, name: str, count: int) -> list[str]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = processes.log(name).read_text().splitlines()
        if len(lines) == count:
            return lines
        time.sleep(0.02)
    raise AssertionError(processes.tail(name))


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while not gone(pid):
        assert time.monotonic() < deadline, f"{pid} still runs"
        time.sleep(0.02)


def test_a_process_that_ends_with_its_owner_is_not_reported(tmp_path: Path) -> None:
    processes = Processes(tmp_path, tmp_path, {})
    processes.start("sleeper", [sys.executable, "-c", SLEEP])
    assert processes.stop() == []


def test_what_a_process_leaves_behind_is_named_and_killed(tmp_path: Path) -> None:
    processes = Processes(tmp_path, tmp_path, {})
    processes.start("owner", [sys.executable, "-c", OWNER_OF_TWO])
    children = [int(line) for line in wait_for_lines(processes, "owner", 2)]
    left = processes.stop(grace_s=0.2)
    assert sorted(int(line.split()[0]) for line in left) == sorted(children)
    for child in children:
        wait_until_gone(child)


def test_what_was_orphaned_before_the_stop_is_found_by_its_mark(tmp_path: Path) -> None:
    processes = Processes(tmp_path, tmp_path, {})
    orphaning = OWNER_OF_TWO.replace("time.sleep(600)\n", "\n")
    processes.start("owner", [sys.executable, "-c", orphaning])
    children = [int(line) for line in wait_for_lines(processes, "owner", 2)]
    left = processes.stop(grace_s=0.2)
    assert sorted(int(line.split()[0]) for line in left) == sorted(children)


def test_a_process_that_does_not_listen_to_term_is_killed(tmp_path: Path) -> None:
    processes = Processes(tmp_path, tmp_path, {})
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
    processes.start("deaf", [sys.executable, "-c", deaf])
    wait_for_lines(processes, "deaf", 1)
    assert processes.stop(timeout_s=0.5) == []


def test_processes_end_when_the_demonstration_is_killed(tmp_path: Path) -> None:
    sleeper = f"import os; print(os.getpid(), flush=True); {SLEEP}"
    owner = f"""
import sys, time
from pathlib import Path
from demo.processes import Processes
Processes(Path("."), Path({str(tmp_path)!r}), {{}}).start("sleeper", [sys.executable, "-c", {sleeper!r}])
time.sleep(600)
"""
    killed = subprocess.Popen([sys.executable, "-c", owner], cwd=Path(__file__).parents[2])
    processes = Processes(tmp_path, tmp_path, {})
    deadline = time.monotonic() + 10
    while not processes.log("sleeper").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    pid = int(wait_for_lines(processes, "sleeper", 1)[0])
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)
    wait_until_gone(pid)


def test_a_database_or_redis_of_the_caller_is_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://production")
    monkeypatch.setenv("CHROME_BINARY", "/somewhere/chrome")
    processes = Processes(tmp_path, tmp_path, {"PORT": "23001"})
    show = "import os; print(os.environ.get('DATABASE_URL'), os.environ['CHROME_BINARY'], os.environ['PORT'])"
    assert processes.run("show", [sys.executable, "-c", show], timeout_s=20) == "None /somewhere/chrome 23001"
    assert os.environ["DATABASE_URL"] == "mysql://production"


def test_a_command_that_fails_or_hangs_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    processes = Processes(tmp_path, tmp_path, {})
    with pytest.raises(DemoError, match=r"(?s)The import failed:.*no such file"):
        processes.run("The import", [sys.executable, "-c", "raise SystemExit('no such file')"], timeout_s=20)
    with pytest.raises(DemoError, match=r"The import took longer than 0\.3 s"):
        processes.run("The import", [sys.executable, "-c", SLEEP], timeout_s=0.3)


def test_a_process_that_died_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    processes = Processes(tmp_path, tmp_path, {})
    processes.start("web", [sys.executable, "-c", "print('port is taken'); raise SystemExit(3)"])
    wait_for_lines(processes, "web", 1)
    with pytest.raises(DemoError, match=r"(?s)web ended with status 3.*port is taken"):
        wait_until_it_ended(processes, "web")


def wait_until_it_ended(processes: Processes, name: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        processes.check(name)
        time.sleep(0.02)
