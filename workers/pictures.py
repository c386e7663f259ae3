"""Pictures of charts for the mails of reports: drawn by a process of its own, photographed by a browser.

Both are started for one picture, have their time, and are gone after it; the browser has no network.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from app.analytics.services.report_runs import NoPicture
from app.core.running import settings
from workers.chrome.processes import ProcessGroup
from workers.chrome.slot import Slot, SlotError, setpriv, sweep

DRAWING_S: Final = 20.0
PICTURE_S: Final = 15.0
"""Both together are less than the lease of the message that asked for it."""
_KILL_S: Final = 5.0
_PAGE: Final = "chart.html"
_PICTURE: Final = "chart.png"
_WIDTH_PX: Final = 960
_MOST_PX: Final = 4000
"""More than the charts of all currencies that are drawn."""
_CODE: Final = Path(__file__).resolve().parent.parent
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SWITCHES: Final = (
    "--disable-background-networking", "--disable-breakpad", "--disable-component-update", "--disable-extensions",
    "--disable-quic", "--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--no-pings", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars", "--disable-dev-shm-usage",
    "--run-all-compositor-stages-before-draw", "--virtual-time-budget=4000", "--force-device-scale-factor=2",
)  # fmt: skip

log = logging.getLogger(__name__)


def take_picture(drawing: dict[str, Any]) -> bytes:
    """Draw a chart as a PNG; raises NoPicture, whose sentence stands in the mail."""
    browser = Path(settings().browsers.shell)
    if not browser.is_file():
        raise NoPicture("There is no browser where mails are sent, so no chart could be drawn.")
    page, height = _page_of(drawing)
    root = Path(tempfile.gettempdir()) / f"cartwright-pictures-{os.geteuid()}"
    try:
        sweep(root)
        return _photograph(browser, page, height, root)
    except (OSError, KeyError, ValueError, SlotError, subprocess.SubprocessError) as problem:
        log.warning("the chart of a report could not be photographed: %s", problem)
        raise NoPicture("The browser that draws charts did not work.") from problem


def _page_of(drawing: dict[str, Any]) -> tuple[bytes, int]:
    """The charts as a page, and how high it is.

    Bokeh is in another process, which knows no secret and is gone with its memory.
    """
    command = [sys.executable, "-m", "app.analytics.report_drawing"]
    told = json.dumps(drawing).encode()
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": tempfile.gettempdir()}
    try:
        done = subprocess.run(
            command, input=told, cwd=_CODE, env=environment, capture_output=True, timeout=DRAWING_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as problem:
        tail = (getattr(problem, "stderr", None) or b"")[-500:].decode(errors="replace")
        log.warning("the chart of a report could not be drawn: %s %s", problem, tail)
        raise NoPicture("The chart could not be drawn.") from problem
    page = json.loads(done.stdout)
    return page["html"].encode(), min(int(page["height"]), _MOST_PX)


def _photograph(browser: Path, page: bytes, height: int, root: Path) -> bytes:
    run_as = settings().browsers.run_as if os.geteuid() == 0 else None
    slot = Slot.create(root, run_as)
    try:
        shown = slot.scratch / _PAGE
        shown.write_bytes(page)
        shown.chmod(0o644)
        _run(
            slot,
            [
                *_started_as(run_as),
                str(browser),
                *_switches(slot),
                f"--window-size={_WIDTH_PX},{height}",
                shown.as_uri(),
            ],
        )
        picture = (slot.scratch / _PICTURE).read_bytes()
    finally:
        slot.kill_processes()
        slot.remove()
    if not picture.startswith(_PNG):
        raise OSError("what the browser wrote is no PNG")
    return picture


def _run(slot: Slot, command: list[str]) -> None:
    scratch = str(slot.scratch)
    names = ("TMPDIR", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"} | dict.fromkeys(names, scratch)
    with slot.log.open("wb") as written:
        process = subprocess.Popen(
            command, env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=written, stderr=written, process_group=0
        )
        slot.record(ProcessGroup.led_by(process.pid))
        try:
            process.wait(PICTURE_S)
        finally:
            slot.kill_processes()
            process.wait(_KILL_S)
    if process.returncode != 0:
        raise OSError(f"the browser ended with status {process.returncode}: {slot.log_tail(300)}")


def _started_as(run_as: str | None) -> list[str]:
    """Dies with this process, and is never root."""
    command = [setpriv(), "--pdeathsig", "KILL"]
    if run_as is None:
        return command
    user = pwd.getpwnam(run_as)
    return [*command, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _switches(slot: Slot) -> list[str]:
    switches = [*_SWITCHES, f"--screenshot={slot.scratch / _PICTURE}", f"--user-data-dir={slot.scratch / 'profile'}"]
    return [*switches, "--no-sandbox"] if settings().browsers.no_sandbox else switches
