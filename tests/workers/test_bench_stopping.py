"""Programs of bench leave nothing behind when they are asked to end in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.workers.farm import ROOT

_SOME = ["--tasks", "40", "--storefronts", "2", "--workers", "1", "--page", "0.1", "--seconds", "600"]
_PATIENCE_S = 120
_GONE_S = 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_simulation_that_is_asked_to_end_takes_its_processes_and_files_along(
    tmp_path: Path, number: signal.Signals
) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "bench.simulate", *_SOME],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not list(tmp_path.glob("cartwright-*/crew.log")):  # the workers are the last to come
            assert program.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(_started_with(tmp_path)) > 1
        program.send_signal(number)
        assert program.wait(timeout=_PATIENCE_S) == 128 + number
        assert _left_of(tmp_path) == []
        assert list(tmp_path.iterdir()) == []
    finally:
        for process in _started_with(tmp_path):
            process.kill()
        program.wait(timeout=30)


def _left_of(folder: Path) -> list[psutil.Process]:
    """Which of its processes live on; one that was killed may need a moment of a busy machine to be gone."""
    deadline = time.monotonic() + _GONE_S
    while (left := _started_with(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _started_with(folder: Path) -> list[psutil.Process]:
    """Living processes whose temporary files are in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            inside = process.environ().get("TMPDIR", "").startswith(str(folder))
            if inside and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found
