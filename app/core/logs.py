"""Logs: one line an event, JSON in production, with the request, job and task it belongs to."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, Final

import structlog

from app.config import Settings

_CONTROLS: Final = re.compile(
    # C0, DEL and C1 (escape sequences of terminals among them), what else ends a line, and what turns text around
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def configure_logging(settings: Settings) -> None:
    """Send every logger of the process through structlog to stderr; safe to call again."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if settings.log_json
        else [
            # Plain tracebacks: the pretty ones print local variables, secrets among them.
            structlog.processors.format_exc_info,
            _on_one_line,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for noisy in ("rq.worker", "selenium", "urllib3", "alembic.runtime.migration"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _on_one_line(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Show what strangers may have written as what it is: a page's text makes no line of its own and no colours.

    A traceback keeps its lines, each with a mark that no line of ours begins with.
    """
    shown = {key: _escaped(value) for key, value in event.items() if key != "exception"}
    if "exception" in event:
        shown["exception"] = "\n".join(f"  | {_escaped(line)}" for line in str(event["exception"]).split("\n"))
    return shown


def _escaped(value: Any) -> Any:
    if not isinstance(value, str):
        value = value if isinstance(value, int | float | bool | None) else repr(value)
    return _CONTROLS.sub(_as_code, value) if isinstance(value, str) else value


def _as_code(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
