"""Starting and killing one chromedriver with its Chrome: a process group of its own that dies with the worker."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import re
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any, Final

import psutil
import urllib3
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ChromeOptions, Remote
from selenium.webdriver.chromium.remote_connection import ChromiumRemoteConnection
from selenium.webdriver.remote.client_config import ClientConfig

from app.rpa.profiles.profile import Profile
from app.rpa.rules.codes import Code
from app.rpa.rules.naming import browser_agent
from workers.chrome.frames import ON_DEMAND
from workers.chrome.processes import ProcessGroup, memory_bytes
from workers.chrome.settings import MEBIBYTE, BrowserSettings
from workers.chrome.slot import Slot, SlotError, setpriv
from workers.errors import TaskError

CLIENT_MARGIN_S: Final = 15.0
"""How much longer than the page load we wait for the driver's answer to any command."""
_KILL_S: Final = 5.0
_POLL_S: Final = 0.01
_LONGEST_SCRATCH: Final = 62
"""Full Chrome makes a socket 45 characters below TMPDIR, and a socket's path has 107 at most."""
_LISTENING: Final = re.compile(r"was started successfully on port (\d+)")
_PORT_TAKEN: Final = "Address already in use"
_DRIVER_STARTS: Final = 3
"""The driver takes a free IPv6 port and then wants the same for IPv4, which now and then is taken."""
_VERSION_S: Final = 15.0
_NUMBER: Final = re.compile(r"\d+(?:\.\d+){3}")
_SMALL_SHM: Final = 256 * MEBIBYTE

_ARGUMENTS: Final = (
    "--block-new-web-contents",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-quic",
    # WebRTC's UDP asks no resolver, so the address rules would not hold for it; each build has its own name for this.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-pings",
    "--no-proxy-server",
    "--window-size=1366,900",
)
_START_ERRORS: Final = (OSError, WebDriverException, urllib3.exceptions.HTTPError, http.client.HTTPException)
_UNWANTED_SWITCHES: Final = ("disable-popup-blocking", "enable-logging")


def arguments(profile: Profile, settings: BrowserSettings, resolver_rules: str, *, draws: bool) -> list[str]:
    """Chrome's command line for one storefront; without ``draws`` (a shell only) frames are run on demand."""
    given = [*_ARGUMENTS, f"--host-resolver-rules={resolver_rules}", f"--accept-lang={_languages(profile.locale)}"]
    if profile.engine == "chrome":
        given.append("--headless=new")
    if not draws:
        given += ON_DEMAND
    if not profile.load_images:
        given.append("--blink-settings=imagesEnabled=false")
    if settings.no_sandbox:
        given.append("--no-sandbox")
    if shutil.disk_usage("/dev/shm").total < _SMALL_SHM:  # noqa: S108 - the kernel's name for shared memory
        given.append("--disable-dev-shm-usage")
    return given


class _PortTakenError(Exception):
    """The driver ended because somebody else had its port."""


class ChromeProcess:
    """A running chromedriver with its Chrome; ``driver`` is a Selenium session on the browser's first tab."""

    def __init__(self, slot: Slot, process: subprocess.Popen[bytes]) -> None:
        self._slot = slot
        self._process = process
        self.group = ProcessGroup.led_by(process.pid)
        slot.record(self.group)
        self.driver: Remote
        self.websocket_url: str

    @classmethod
    def start(cls, settings: BrowserSettings, profile: Profile, switches: list[str]) -> ChromeProcess:
        """Start driver and browser, this with ``switches`` (see ``arguments``), within ``profile.timeouts.start_s``.

        Call it from a thread that lives as long as the browser shall: the kernel kills the driver when the thread that
        started it ends. Raises TaskError(CHROME_START), and then nothing is left running.
        """
        deadline = time.monotonic() + profile.timeouts.start_s
        try:
            slot = Slot.create(settings.root, settings.run_as)
        except (OSError, KeyError, SlotError) as error:
            raise TaskError(Code.CHROME_START, f"No folder for the browser: {error}") from error
        for left in reversed(range(_DRIVER_STARTS)):
            try:
                return cls._started(slot, settings, profile, switches, deadline)
            except _PortTakenError as error:
                if not left:
                    slot.remove()
                    raise TaskError(Code.CHROME_START, str(error)) from error
            except (*_START_ERRORS, SlotError) as error:
                detail = _why(error, slot)
                slot.remove()
                raise TaskError(Code.CHROME_START, detail) from error
        raise AssertionError("the last start either succeeds or raises")

    @classmethod
    def _started(
        cls, slot: Slot, settings: BrowserSettings, profile: Profile, switches: list[str], deadline: float
    ) -> ChromeProcess:
        options = _options(profile, settings, slot, switches)
        chrome = cls(slot, _start_driver(settings, slot))
        try:
            chrome._connect(options, profile, deadline)
        except BaseException:
            chrome._kill_processes()
            raise
        return chrome

    def _connect(self, options: ChromeOptions, profile: Profile, deadline: float) -> None:
        port = _port(self._process, self._slot, deadline)
        self.driver = _session(port, options, profile, deadline)
        self.websocket_url = _websocket_url(self.driver, deadline)

    def kill_tree(self) -> None:
        """Kill the driver and every process of Chrome, make sure that they are gone, delete their folder.

        Raises RuntimeError, and keeps the folder for the next sweep, when something survives. May be called twice.
        """
        self._kill_processes()
        self._slot.remove()

    def _kill_processes(self) -> None:
        left = self._slot.kill_processes()
        if left:
            raise RuntimeError(f"processes {left} of group {self.group.id} survived SIGKILL")
        self._process.wait(_KILL_S)

    def memory_bytes(self) -> int:
        """Memory of all the processes."""
        return memory_bytes(self.group.members())


def _start_driver(settings: BrowserSettings, slot: Slot) -> subprocess.Popen[bytes]:
    command = [setpriv(), "--pdeathsig", "KILL"]
    if settings.run_as is not None:
        user = pwd.getpwnam(settings.run_as)
        command += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    with slot.log.open("wb") as log:
        return subprocess.Popen(
            [*command, str(settings.chromedriver), "--port=0"],
            env=_environment(slot),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )


def _environment(slot: Slot) -> dict[str, str]:
    """Only what the driver and Chrome need: the worker's own environment holds secrets."""
    scratch = str(slot.scratch)
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "TMPDIR": scratch,
        "HOME": scratch,
        "XDG_CONFIG_HOME": scratch,
        "XDG_CACHE_HOME": scratch,
    }


def _port(process: subprocess.Popen[bytes], slot: Slot, deadline: float) -> int:
    """The port the driver chose, as it says in its log."""
    while time.monotonic() < deadline:
        found = _LISTENING.search(slot.log_tail())
        if found:
            return int(found[1]) or _listening_port(process.pid)
        if process.poll() is not None:
            if _PORT_TAKEN in slot.log_tail():
                raise _PortTakenError("the driver found no free port")
            raise WebDriverException(f"the driver ended with status {process.returncode}")
        time.sleep(_POLL_S)
    raise WebDriverException("the driver did not say its port in time")


def _listening_port(pid: int) -> int:
    """The port that the driver listens on; where there is no IPv6 it takes one for IPv4 and says 0."""
    for connection in psutil.Process(pid).net_connections("tcp4"):
        if connection.status == psutil.CONN_LISTEN:
            return int(connection.laddr.port)
    raise WebDriverException("the driver listens on no port")


def _options(profile: Profile, settings: BrowserSettings, slot: Slot, switches: list[str]) -> ChromeOptions:
    binary = settings.chrome_full if profile.engine == "chrome" else settings.chrome_shell
    if binary is None or not binary.is_file():
        raise FileNotFoundError(f"{binary or 'full Chrome'} is not there")
    if profile.engine == "chrome" and len(os.fsencode(slot.scratch)) > _LONGEST_SCRATCH:
        raise OSError(f"{slot.scratch} is too long a path for full Chrome's socket; choose a shorter root")
    options = ChromeOptions()
    options.add_argument(f"--user-agent={browser_agent(_version(binary), settings.contact)}")
    options.binary_location = str(slot.wrapper(binary))
    options.page_load_strategy = "eager"
    options.unhandled_prompt_behavior = "dismiss"
    options.timeouts = {
        "implicit": 0,
        "pageLoad": round(profile.timeouts.page_load_s * 1000),
        "script": round(profile.timeouts.script_s * 1000),
    }
    # No PDF is opened: a viewer is one more thing to attack, and its page would be read as the shop's.
    options.add_experimental_option("prefs", {"plugins.always_open_pdf_externally": True})
    options.add_experimental_option("excludeSwitches", list(_UNWANTED_SWITCHES))
    for argument in switches:
        options.add_argument(argument)
    return options


@cache
def _version(binary: Path) -> str:
    """The version that a browser says it has; asked once in a process, as an update restarts the workers."""
    try:
        asked = [str(binary), "--version"]
        environment = {"PATH": os.defpath}
        told = subprocess.run(
            asked, env=environment, capture_output=True, text=True, timeout=_VERSION_S, check=False
        ).stdout
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{binary} did not say its version within {_VERSION_S:g} s") from error
    found = _NUMBER.search(told)
    if found is None:
        raise OSError(f"{binary} says no version of its own")
    return found[0]


def _session(port: int, options: ChromeOptions, profile: Profile, deadline: float) -> Remote:
    """A WebDriver session; afterwards no command waits longer than the page load and a margin."""
    client = ClientConfig(
        remote_server_addr=f"http://127.0.0.1:{port}",
        init_args_for_pool_manager={"init_args_for_pool_manager": {"retries": False}},
        timeout=max(1, round(deadline - time.monotonic())),
    )
    executor = ChromiumRemoteConnection(
        remote_server_addr="", vendor_prefix="goog", browser_name="chrome", ignore_proxy=True, client_config=client
    )
    driver = Remote(command_executor=executor, options=options)
    client.timeout = profile.timeouts.page_load_s + CLIENT_MARGIN_S
    return driver


def _websocket_url(driver: Remote, deadline: float) -> str:
    address: str = driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
    connection = http.client.HTTPConnection(address, timeout=max(1.0, deadline - time.monotonic()))
    try:
        connection.request("GET", "/json/version")
        answer: dict[str, Any] = json.loads(connection.getresponse().read(65536))
    finally:
        connection.close()
    return str(answer["webSocketDebuggerUrl"])


def _languages(locale: str) -> str:
    """``de_DE`` as browsers ask for it: ``de-DE,de``."""
    tag = locale.replace("_", "-")
    return tag if "-" not in tag else f"{tag},{tag.partition('-')[0]}"


def _why(error: BaseException, slot: Slot) -> str:
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    return f"{first} {slot.log_tail(500)}".strip()
