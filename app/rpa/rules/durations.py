"""Durations as options of commands."""

from __future__ import annotations

from typing import Any, Final

import click

from app.rpa.rules.planning import LONGEST, read_duration


class _Duration(click.ParamType[int]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            seconds = value if isinstance(value, int) else read_duration(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}.", param, ctx)
        if not 60 <= seconds <= LONGEST.total_seconds():
            self.fail(f"{value!r} must be from one minute to {LONGEST.days} days.", param, ctx)
        return seconds


DURATION: Final = _Duration()
"""Seconds, written as 30m, 6h or 1d12h."""
