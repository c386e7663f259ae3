"""``make run``: one process owns all the others, says why it cannot start, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from scripts.supervisor import read_procfile

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60


class Running:
    """A system started as ``make run`` starts it, in a folder and on ports of its own."""

    def __init__(self, instance: Path, **environ: str) -> None:
        self.instance = instance
        self.port, self.live_port = free_port(), free_port()
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("REDIS_")},
            "INSTANCE_DIR": str(instance),
            "PORT": str(self.port),
            "LIVE_PORT": str(self.live_port),
            "WORKER_COUNT": "1",
            **environ,
        }
        instance.parent.mkdir(parents=True, exist_ok=True)
        self._log = instance.parent / f"{instance.name}.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "scripts/run.py"],
                env=self.environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_until_running(self) -> None:
        wait_for(lambda: "Cartwright is running" in self.output or self.process.poll() is not None, START_TIMEOUT_S)
        assert "Cartwright is running" in self.output, self.output

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def pid_of(self, word: str) -> int | None:
        """The child with ``word`` among the words of its command."""
        for child in psutil.Process(self.process.pid).children():
            if word in child.cmdline():
                return child.pid
        return None

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def alive(processes: list[psutil.Process]) -> list[str]:
    """Those that still run; a zombie has ended, whoever forgets to bury it."""
    found = []
    for process in processes:
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return found


def of_instance(instance: Path) -> list[psutil.Process]:
    """Every process that was told of the instance or names it, also one that has left its family."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("INSTANCE_DIR") == str(instance) or str(instance) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    system = Running(tmp_path_factory.mktemp("run") / "instance")
    try:
        system.wait_until_running()
        yield system
    finally:
        system.end()


def test_it_answers_where_it_says(running: Running) -> None:
    address = f"http://127.0.0.1:{running.port}/docs"
    assert address in running.output
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.status == 200


def test_what_it_keeps_is_for_its_owner_only(running: Running) -> None:
    modes = {path.name: path.stat().st_mode & 0o077 for path in running.instance.iterdir()}
    assert {"secret_key", "jwt_secret_key", "redis.sock", "cartwright.db"} <= modes.keys()
    assert modes == dict.fromkeys(modes, 0)


def test_a_second_run_on_the_same_instance_is_refused(running: Running) -> None:
    second = Running(running.instance)
    second.process.wait(20)
    assert second.process.returncode == 1
    assert f"in use by another run (process {running.process.pid})" in second.output
    assert running.process.poll() is None


def test_a_taken_port_is_refused_before_anything_starts(running: Running, tmp_path: Path) -> None:
    second = Running(tmp_path / "instance", PORT=str(running.port))
    second.process.wait(20)
    assert second.process.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {running.port}: Address already in use" in second.output
    assert of_instance(tmp_path / "instance") == []


def test_a_bad_port_is_refused(tmp_path: Path) -> None:
    refused = Running(tmp_path / "instance", LIVE_PORT="eight")
    refused.process.wait(20)
    assert refused.process.returncode == 1
    assert "LIVE_PORT must be a whole number from 1 to 65535." in refused.output


def test_production_refuses_to_start_on_embedded_defaults(tmp_path: Path) -> None:
    refused = Running(tmp_path / "instance", APP_ENV="production")
    refused.process.wait(20)
    assert refused.process.returncode == 1
    for name in ("SECRET_KEY", "JWT_SECRET_KEY", "DATABASE_URL", "REDIS_QUEUE_URL", "REDIS_CACHE_URL"):
        assert f"{name} is missing" in refused.output


def test_a_process_that_dies_is_reported_and_started_again(running: Running) -> None:
    former = running.pid_of("workers.dispatcher")
    assert former is not None
    os.kill(former, signal.SIGKILL)
    wait_for(lambda: running.pid_of("workers.dispatcher") not in {None, former}, 10)
    assert running.pid_of("workers.dispatcher") not in {None, former}
    assert "dispatcher was ended by SIGKILL; it is started again in 1 s" in running.output


def test_the_private_redis_has_what_it_was_given_after_it_was_killed(running: Running) -> None:
    with redis.Redis(unix_socket_path=str(running.instance / "redis.sock"), socket_timeout=2) as client:
        client.set("kept", "1")
        former = client.info("server")["process_id"]
        os.kill(former, signal.SIGKILL)
        wait_for(lambda: answers_as_another(client, former), 15)
        assert client.get("kept") == b"1"


def answers_as_another(client: redis.Redis, former: int) -> bool:
    try:
        return bool(client.info("server")["process_id"] != former)
    except redis.RedisError:
        return False


def test_an_interrupt_ends_every_process_within_twenty_seconds_and_a_password_is_shown_once(tmp_path: Path) -> None:
    # so deep that the socket of Redis must lie elsewhere
    instance = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 4) / "instance"
    first = Running(instance)
    try:
        first.wait_until_running()
        assert len(first.output.split("Password, shown only now")) == 2, first.output
        assert "is too deep for a unix socket" in first.output
        family = first.descendants()
        assert len(family) >= 6
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(20) == 0
    finally:
        first.end()
    wait_for(lambda: not alive(family), 5)  # the warden looks around once more before it goes
    assert alive(family) == []
    assert alive(of_instance(instance)) == []
    again = Running(instance)
    try:
        again.wait_until_running()
        assert len(again.output.split("Password, shown only now")) == 2, "the log of both runs"
    finally:
        again.end()


def test_nothing_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    system = Running(tmp_path / "instance")
    try:
        system.wait_until_running()
        family = system.descendants()
        assert len(family) >= 6
    finally:
        system.process.kill()
        system.process.wait(10)
    wait_for(lambda: not alive(family) and not alive(of_instance(system.instance)), 10)
    assert alive(family) == []
    assert alive(of_instance(system.instance)) == []


def test_a_process_that_dies_at_the_start_is_named_with_its_last_lines(tmp_path: Path) -> None:
    program = "import sys, time; sys.argv[1:] and sys.exit('no disk'); time.sleep(60)"
    script = f"""
import sys
from pathlib import Path
from scripts.supervisor import ProcessDiedError, Supervisor
supervisor = Supervisor({{"PATH": "/usr/bin:/bin"}}, cwd=Path({str(tmp_path)!r}), say=lambda name, line: None)
supervisor.start("steady", [sys.executable, "-c", {program!r}])
supervisor.start("broken", [sys.executable, "-c", {program!r}, "fail"])
try:
    supervisor.require("steady", lambda: False, timeout_s=20)
except ProcessDiedError as problem:
    print(problem, problem.last_lines)
supervisor.stop(supervisor.names(), timeout_s=5)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "broken ended with exit code 1 ['no disk']\n"


def test_a_line_of_a_procfile_that_is_none_is_refused_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: serve\n# a remark\njust words\n")
    with pytest.raises(ValueError, match="Procfile, line 3: expected 'name: command'"):
        read_procfile(tmp_path / "Procfile")
