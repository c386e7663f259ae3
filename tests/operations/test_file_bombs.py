"""Small files that want to become large: read or refused, in bounded memory, and the work is known to go on."""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from flask import Flask

from app.core.orm import utc_now
from app.core.permissions import system
from app.operations.files import workbook
from app.operations.files.reading import Reading, open_table
from app.operations.files.table import MAX_RECORD, FileRefused, Row
from app.operations.services import leases, operations
from app.operations.services.imports import reading as import_reading
from app.operations.services.imports.reading import CHUNK_TEXT
from tests.products.operating import begin, row_of, work
from tests.servers import on_sqlite

BOOK: Final = b'<workbook xmlns:r="r"><sheets><sheet r:id="a"/></sheets></workbook>'
RELATIONS: Final = b'<Relationships><Relationship Id="a" Target="s.xml"/></Relationships>'
HEAD: Final = b'<worksheet><sheetData><row><c t="str"><v>asin</v></c></row>'
MEGABYTE: Final = 1024**2


def bomb(path: Path, sheet: Iterable[bytes], shared: Iterable[bytes] = (), relations: bytes = RELATIONS) -> None:
    """A workbook whose parts are written piece by piece."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("xl/workbook.xml", BOOK)
        archive.writestr("xl/_rels/workbook.xml.rels", relations)
        for name, pieces in (("xl/s.xml", sheet), ("xl/sharedStrings.xml", shared)):
            with archive.open(name, "w", force_zip64=True) as part:
                for piece in pieces or [b"<sst/>"]:
                    part.write(piece)


def measured(path: Path, name: str, read: Callable[[Iterator[Row]], Any]) -> tuple[Any, str | None, int]:
    """What reading gives, the code of a refusal, and how many bytes were in memory at once."""
    tracemalloc.start()
    found, code = None, None
    try:
        with open_table(str(path), name, Reading()) as table:
            found = read(table.rows)
    except FileRefused as refused:
        code = refused.code
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found, code, peak


def reasons(rows: Iterator[Row]) -> list[str | None]:
    return [row.reason for row in rows]


STAGED: Final = """
import json, sys
from app.operations.files.reading import Reading, open_table
from app.operations.services.imports import checking as import_checking
from app.operations.services.imports import reading as import_reading

def most():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

before, path, name = most(), sys.argv[1], sys.argv[2]
with open_table(path, name, Reading()) as table, open(path + ".staged", "wb") as target:
    for chunk in import_reading._chunks(table):
        target.write(b"\\n".join(chunk) + b"\\n")
chunks, offset = [], 0
with open(path + ".staged", "rb") as source:
    while lines := import_checking._read(source, offset):
        chunks.append([len(line) for _, line in lines])
        offset = lines[-1][0] + len(lines[-1][1])
print(json.dumps([chunks, most() - before]))
"""


def staged_by_itself(path: Path, name: str) -> tuple[list[list[int]], int]:
    """How long the rows of each chunk are, and by how much a process grew that read and staged and read them again."""
    command = [sys.executable, "-c", STAGED, str(path), name]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    chunks, grown = orjson.loads(done.stdout)
    return chunks, grown


def test_a_row_whose_cells_share_long_texts_is_refused_when_it_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "wide.xlsx"
    head = b"<worksheet><sheetData><row>" + b"".join(b'<c t="str"><v>c%d</v></c>' % at for at in range(256)) + b"</row>"
    row = b"<row>" + b'<c t="s"><v>0</v></c>' * 256 + b"</row>"
    last = b'<row><c t="str"><v>B2</v></c></row></sheetData></worksheet>'
    bomb(path, [head, row * 200, last], [b"<sst><si><t>", b"x" * 32_767, b"</t></si></sst>"])
    assert path.stat().st_size < 10_000
    found, code, peak = measured(path, "x.xlsx", reasons)
    assert (found, code) == ([f"has more than {MAX_RECORD} characters."] * 200 + [None], None)
    assert peak < 40 * MEGABYTE


def test_rows_that_are_as_long_as_they_may_be_are_few_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "wide.xlsx"
    head = b"<worksheet><sheetData><row>" + b"".join(b'<c t="str"><v>c%d</v></c>' % at for at in range(60)) + b"</row>"
    row = b"<row>" + b'<c t="s"><v>0</v></c>' * 60 + b"</row>"
    text = "\U0001f600" * 32_767  # four bytes each
    bomb(path, [head, row * 100, b"</sheetData></worksheet>"], [b"<sst><si><t>", text.encode(), b"</t></si></sst>"])

    chunks, grown = staged_by_itself(path, "x.xlsx")
    assert (sum(len(chunk) for chunk in chunks), max(map(sum, chunks)) < 2 * CHUNK_TEXT) == (100, True)
    assert grown < 250 * MEGABYTE


@pytest.mark.parametrize(
    ("piece", "times"),
    [
        (lambda _: b"<a>" * 100_000, 40),
        (lambda at: b"".join(b"<a%x/>" % number for number in range(at * 20_000, (at + 1) * 20_000)), 10),
        (lambda at: b"".join(b'<c a%x=""/>' % number for number in range(at * 20_000, (at + 1) * 20_000)), 10),
        (lambda at: b"<c " + b"".join(b'a%x="" ' % number for number in range(400_000)) + b"/>", 1),
        (lambda _: b"<c>" + b"<t>ab</t>" * 100_000, 20),
        (lambda at: b"".join(b'<row><c r="%b1"/></row>' % letters(at, number) for number in range(20_000)), 10),
    ],
    ids=["deep", "elements", "attributes", "attributes of one", "pieces of a text", "columns"],
)
def test_what_a_parser_would_keep_is_refused_before_it_is_much(
    tmp_path: Path, piece: Callable[[int], bytes], times: int
) -> None:
    path = tmp_path / "bomb.xlsx"
    bomb(path, (HEAD if at < 0 else piece(at) for at in range(-1, times)))
    found, code, peak = measured(path, "x.xlsx", reasons)
    assert found is None
    assert code in {"NOT_A_WORKBOOK", "WORKBOOK_TOO_LARGE"}
    assert peak < 16 * MEGABYTE


def letters(at: int, number: int) -> bytes:
    """A name of a column that no other cell has, and no sheet."""
    return (f"{at:02}{number:05}").translate(str.maketrans("0123456789", "ABCDEFGHIJ")).encode()


def test_relations_are_not_kept_however_many_there_are(tmp_path: Path) -> None:
    path = tmp_path / "relations.xlsx"
    others = b"".join(b'<Relationship Id="%x" Target="%b"/>' % (at, b"x" * 100) for at in range(11, 100_000))
    relations = RELATIONS.replace(b"</", others + b"</")
    bomb(path, [HEAD, b'<row><c t="str"><v>B1</v></c></row></sheetData></worksheet>'], relations=relations)
    assert measured(path, "x.xlsx", reasons)[0] == [None]
    assert measured(path, "x.xlsx", reasons)[2] < 4 * MEGABYTE


def test_more_shared_texts_than_are_counted_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_SHARED", 1_000)
    path = tmp_path / "texts.xlsx"
    end = [b"</sheetData></worksheet>"]
    bomb(path, [HEAD, *end], [b"<sst>", b"<si/>" * 1_000, b"</sst>"])
    assert measured(path, "x.xlsx", reasons)[:2] == ([], None)
    bomb(path, [HEAD, *end], [b"<sst>", b"<si/>" * 1_001, b"</sst>"])
    assert measured(path, "x.xlsx", reasons)[1] == "WORKBOOK_TOO_LARGE"


def test_a_list_of_parts_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path, count = tmp_path / "parts.xlsx", 200_000
    numbers = (20, 0, 20, *[0] * 8, 1, *[0] * 6)
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", *numbers) + b"a"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04" + bytes(30))
        start = file.tell()
        file.write(entry * count)
        size = file.tell() - start
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start))
        file.write(struct.pack("<4sLQL", b"PK\x06\x07", 0, start + size, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
    _, code, peak = measured(path, "x.xlsx", reasons)
    assert code == "WORKBOOK_TOO_LARGE"
    assert peak < 2 * MEGABYTE


def test_long_rows_of_json_are_few_in_memory_while_they_are_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    line = orjson.dumps({"asin": "B0CW1A0001", "x": "y" * 1_500_000}) + b"\n"
    with path.open("wb") as file:
        for _ in range(300):
            file.write(line)

    chunks, grown = staged_by_itself(path, "x.jsonl")
    assert sum(len(chunk) for chunk in chunks) == 300
    assert grown < 250 * MEGABYTE


def test_samples_keep_the_beginnings_of_long_values() -> None:
    samples = import_reading._Samples()
    rows = [orjson.dumps((at, {"0": "y" * 200_000, "1": ["z" * 200_000]})) for at in range(100)]
    tracemalloc.start()
    samples.look_at(rows)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < MEGABYTE
    assert [text[:3] for text in samples.shown(0)] == ["yyy"] * 5
    assert [text[:3] for text in samples.shown(1)] == ['["z'] * 5
    assert [len(values) for values in samples.values(2)] == [100, 0]


@pytest.mark.parametrize("line", ['{"x":' + "[" * 300 + "]" * 300 + "}", '{"x":' + '{"a":' * 300 + "1" + "}" * 301])
@on_sqlite
def test_a_row_that_is_nested_too_deeply_is_refused_alone(app: Flask, line: str) -> None:
    good = '{"asin":"B00000000%d","name":"x","price":"1.00"}\n'
    flat = '{"asin":"B000000003","name":"x","price":"1.00","description":"' + "[{" * 300 + '"}\n'
    operation_id = begin(app, good % 1 + line + "\n" + good % 2 + flat, name="x.jsonl", run=True)
    assert work(app, operation_id) == "COMPLETED_WITH_ERRORS"
    row = row_of(app, operation_id)
    assert (row["new_count"], row["refused_count"]) == (3, 1)
    (refused,) = row["report"]["samples"]["refused"]
    assert (refused["line"], refused["reasons"][0]["detail"]) == (2, "is nested too deeply.")


@pytest.mark.parametrize("kind", ["shared", "sheet", "csv"])
@on_sqlite
def test_a_file_that_has_no_rows_for_long_is_known_to_be_worked_on(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "file"
    long, end = [b"<si/>" * 100_000], b"</sheetData></worksheet>"
    if kind == "csv":
        path.write_bytes(b"asin\n" + b"\n" * 500_000)
    elif kind == "sheet":
        bomb(path, [HEAD, b"<x/>" * 100_000, end])
    else:
        bomb(path, [HEAD, end], [b"<sst>", *long, b"</sst>"])
    operation_id = begin(app, path.read_bytes(), name="x.csv")
    beats: list[int] = []
    monkeypatch.setattr(import_reading, "BEAT_S", 0.0)
    real = leases.beat

    def beat(**said: Any) -> None:
        beats.append(said["done"])
        real(**said)

    monkeypatch.setattr(leases, "beat", beat)
    assert work(app, operation_id) == "FAILED"
    assert row_of(app, operation_id)["error_code"] == "NO_ROWS"
    assert len(beats) > 4


@on_sqlite
def test_a_file_is_not_read_on_when_its_import_was_cancelled(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    operation_id = begin(app, "asin\n" + "\n" * 500_000)
    monkeypatch.setattr(import_reading, "BEAT_S", 0.0)
    real, beats = leases.beat, []

    def beat(**said: Any) -> None:
        beats.append(1)
        if len(beats) == 1:
            operations.cancel_operation(actor=system(), now=utc_now(), operation_id=operation_id)
        real(**said)

    monkeypatch.setattr(leases, "beat", beat)
    assert work(app, operation_id) == "CANCELLED"
    assert len(beats) == 1
