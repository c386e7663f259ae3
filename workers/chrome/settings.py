"""What the browser part of a worker must be told; the worker maps the application's settings onto these values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSettings:
    """Where the browsers are and under which rules they run on this machine."""

    chrome_shell: Path
    """The chrome-headless-shell binary itself (a wrapper that does not ``exec`` leaves the browser behind)."""
    chromedriver: Path
    root: Path
    """Folder for the slots of running browsers; made when missing, must not be on a ``noexec`` mount."""
    chrome_full: Path | None = None
    """Full Chrome, for storefronts with ``engine: chrome``."""
    run_as: str | None = None
    """System user the driver and Chrome run as; needs root. None keeps the worker's own user."""
    no_sandbox: bool = False
    """Give up Chrome's sandbox (only where neither user namespaces nor another user are to be had)."""
    contact: str = ""
    """Whom a shop may ask about our visits: an address of the web or of mail, shown in the user agent."""
    private_targets: frozenset[tuple[str, int]] = field(default_factory=frozenset)
    """Exact (host, port) pairs that may be reached although their address is not on the public internet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecyclingLimits:
    """When a warm browser is replaced by a new one."""

    contexts: int = 1000
    """Contexts served; no ageing was measured over 1,500, so this is a safety net."""
    memory_bytes: int = 800 * MEBIBYTE
    """Memory of the driver's and Chrome's processes together."""
    age_s: float = 900
    """Seconds since the start: the storefront's addresses are resolved only then."""
