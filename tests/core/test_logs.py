"""Lines of the log: what strangers wrote makes no line of its own, in either form."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
from collections.abc import Iterator

import pytest

from app.config import Settings
from app.core.logs import configure_logging

HOSTILE = "Kettle\r\n2026-11-22T00:00:00Z [info     ] all is well\x1b[2J\x9b31m\u2028\u202e\0"


@pytest.fixture(params=[False, True], ids=["console", "json"])
def is_json(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def written(is_json: bool, settings: Settings) -> Iterator[io.StringIO]:
    """What is logged."""
    root, written = logging.getLogger(), io.StringIO()
    before = root.handlers[:]
    configure_logging(dataclasses.replace(settings, log_json=is_json))
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written
    root.handlers[:] = before


def _lines(written: io.StringIO) -> list[str]:
    """What stands there, as a terminal or a reader of lines takes it."""
    text = written.getvalue()
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    return text.split("\n")[:-1]


def test_a_pages_text_stays_on_the_line_that_quotes_it(written: io.StringIO, is_json: bool) -> None:
    logging.getLogger("farm").warning("the page says %s", HOSTILE, extra={"asin": HOSTILE})
    (line,) = _lines(written)
    if is_json:
        told = json.loads(line)
        assert (told["event"], told["asin"]) == (f"the page says {HOSTILE}", HOSTILE)
    else:
        assert r"Kettle\r\n2026" in line


def test_a_pages_text_in_an_exception_looks_like_no_line_of_ours(written: io.StringIO, is_json: bool) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("farm").exception("an error of our own")
    first, *rest = _lines(written)
    assert "an error of our own" in first
    assert bool(rest) is not is_json
    assert all(line.startswith("  | ") for line in rest)
