"""Where pages are told of what changes: ``live_channel()`` of templates, which show figures that keep up to date."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, request

from app.analytics.services.snapshots import is_live
from app.core.api import current_principal
from app.core.headers import allow_connections
from app.core.running import settings
from app.environment import is_origin

_PERMISSION = "dashboard:read"


@dataclass(frozen=True, slots=True)
class LiveChannel:
    """What a page must know to be told."""

    origin: str
    """Of the process that keeps connections open."""
    is_live: bool
    """Whether it has said lately that it is there."""
    is_open: bool
    """Whether the reader may be told at all."""


def register_live_channel(app: Flask) -> None:
    """Give templates ``live_channel()``."""
    app.jinja_env.globals["live_channel"] = live_channel


def live_channel() -> LiveChannel:
    """Where connections are kept open; the page may connect to there, and to nowhere else but its own origin."""
    return LiveChannel(_allowed_origin(), is_live(), current_principal().may(_PERMISSION))


def _allowed_origin() -> str:
    configured, own = settings().live, request.host_url.rstrip("/")
    origin = configured.url or (_at_port(own, configured.port) if configured.port else own)
    if not is_origin(origin):
        return own
    socket = origin.replace("http", "ws", 1)
    allow_connections(*([socket] if origin == own else [origin, socket]))
    return origin


def _at_port(origin: str, port: int) -> str:
    parts = urlsplit(origin)
    host = parts.netloc.removesuffix(f":{parts.port}")
    return f"{parts.scheme}://{host}:{port}"
