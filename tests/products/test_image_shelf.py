"""The shelf of pictures: what is kept of them on disk, and which go first."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import pytest

from app.products.images.fetching import Picture
from app.products.images.shelf import Shelf

KEEP_S: Final = 3600.0


def picture(size: int = 1000) -> Picture:
    return Picture("image/png", b"\x89" * size)


def shelf(folder: Path, most_bytes: int = 100_000) -> Shelf:
    return Shelf(folder, most_bytes=most_bytes, keep_s=KEEP_S)


def age(folder: Path, url: str, seconds: float) -> None:
    path = shelf(folder)._path(url)
    os.utime(path, (time.time() - seconds,) * 2)


def test_what_is_kept_is_found_by_another_process(tmp_path: Path) -> None:
    kept = shelf(tmp_path).keep("http://a.example/1", picture())
    assert shelf(tmp_path).find("http://a.example/1") == kept
    assert shelf(tmp_path).find("http://a.example/2") is None
    assert kept.etag == shelf(tmp_path).keep("http://b.example", picture()).etag
    assert kept.etag != shelf(tmp_path).keep("http://b.example", picture(1001)).etag


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"2 image/png x 1\n", b"1 image/png x y\n", b"1 image/png", b"\xff\xfe"]
)
def test_a_file_that_is_not_ours_is_no_picture(tmp_path: Path, content: bytes) -> None:
    shelf(tmp_path).keep("http://a.example/", picture())
    shelf(tmp_path)._path("http://a.example/").write_bytes(content)
    assert shelf(tmp_path).find("http://a.example/") is None


def test_its_size_is_bounded_and_what_was_not_shown_for_longest_goes_first(tmp_path: Path) -> None:
    kept = shelf(tmp_path, most_bytes=10_000)
    for at in range(9):
        kept.keep(f"http://a.example/{at}", picture())
        age(tmp_path, f"http://a.example/{at}", 100 - at)
    age(tmp_path, "http://a.example/0", 0)
    for at in range(9, 40):
        kept.keep(f"http://a.example/{at}", picture())
        stored = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        assert stored <= 11_500  # the limit and a tenth, by which it is checked
        age(tmp_path, f"http://a.example/{at}", 50 - at)
        age(tmp_path, "http://a.example/0", 0)
    kept.purge()
    assert kept.find("http://a.example/0") is not None
    assert kept.find("http://a.example/1") is None
    assert kept.find("http://a.example/39") is not None


def test_what_nobody_looks_at_goes_and_what_is_looked_at_stays(tmp_path: Path) -> None:
    kept = shelf(tmp_path)
    for name in ("seen", "unseen"):
        kept.keep(name, picture())
        age(tmp_path, name, KEEP_S + 100)
    assert kept.find("seen") is not None
    assert kept.purge() == 1
    assert (kept.find("seen") is None, kept.find("unseen") is None) == (False, True)


def test_what_a_process_left_unfinished_is_cleared_away(tmp_path: Path) -> None:
    kept = shelf(tmp_path)
    kept.keep("http://a.example/", picture())
    unfinished = shelf(tmp_path)._path("http://a.example/").parent / ".half"
    unfinished.write_bytes(b"x")
    kept.purge()
    assert unfinished.exists()
    os.utime(unfinished, (time.time() - 7200,) * 2)
    assert kept.purge() == 1
    assert not unfinished.exists()
