"""Files as they come from anywhere: whatever is in one row, byte or archive, the others are read, and nothing grows."""

from __future__ import annotations

import contextlib
import csv
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.operations.files import workbook
from app.operations.files.reading import Reading, open_table
from app.operations.files.table import MAX_RECORD, FileRefused, Row, Table

HEADER: Final = "asin,name,price\n"
MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

Read = Callable[..., tuple[Table, list[Row]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file: ``read(content, "x.csv", encoding="utf-16")``."""

    def do(content: str | bytes, name: str = "x.csv", **stated: Any) -> tuple[Table, list[Row]]:
        path = tmp_path / "file"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with open_table(str(path), name, Reading(**stated)) as table:
            return table, list(table.rows)

    return do


def archive(parts: dict[str, bytes | str], **options: Any) -> bytes:
    """A ZIP archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, **options) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return target.getvalue()


def sheet(rows: str, **parts: bytes | str) -> bytes:
    """A workbook whose first sheet has these rows, as XML."""
    relations = '<Relationships><Relationship Id="r1" Target="worksheets/s.xml"/></Relationships>'
    book = '<workbook xmlns:r="r"><sheets><sheet name="S" r:id="r1"/></sheets></workbook>'
    named: dict[str, bytes | str] = {
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": relations,
        "xl/worksheets/s.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
    }
    return archive(named | {name.replace("_", "/"): part for name, part in parts.items()})


def text_row(*cells: str) -> str:
    return "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells) + "</row>"


# --- Texts -----------------------------------------------------------------------------------------------------------


def test_every_usual_delimiter_is_found(read: Read) -> None:
    for sign in (",", ";", "\t", "|"):
        table, rows = read(f"asin{sign}name{sign}price\nB1{sign}Kettle, small{sign}1.00\n".replace(", ", " "))
        assert (table.columns, table.delimiter) == (["asin", "name", "price"], sign)
        assert rows == [Row(2, ["B1", "Kettle small", "1.00"], None)]


def test_every_encoding_with_a_mark_is_found_and_windows_1252_only_where_it_is_said(read: Read) -> None:
    text = HEADER + "B1,Käfer €,1.00\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert read(text.encode(encoding))[1] == [Row(2, ["B1", "Käfer €", "1.00"], None)], encoding
    western = text.encode("cp1252")
    assert read(western)[1][0].reason == "is not UTF-8."
    assert read(western, encoding="windows-1252")[1] == [Row(2, ["B1", "Käfer €", "1.00"], None)]
    with pytest.raises(FileRefused, match="UTF-16 without a byte order mark"):
        read(text.encode("utf-16-le"))


@pytest.mark.parametrize(
    ("encoding", "broken", "name"),
    [("utf-8", b"\xff", "UTF-8"), ("cp1252", b"\x81", "Windows-1252"), ("utf-16", b"\x00\xd8", "UTF-16")],
)
def test_a_row_that_is_in_another_encoding_is_refused_alone(
    read: Read, encoding: str, broken: bytes, name: str
) -> None:
    stated = "windows-1252" if encoding == "cp1252" else None
    inner = "utf-16-le" if encoding == "utf-16" else encoding
    begin = (HEADER + "B1,Kettle ").encode(encoding)
    rest = ",1.00\nB2,Pan,2.00\n".encode(inner)
    _, rows = read(begin + broken + rest, encoding=stated)
    assert [(row.line, row.reason) for row in rows] == [(2, f"is not {name}."), (3, None)]
    assert "\ufffd" in rows[0].cells[1]
    assert rows[1].cells == ["B2", "Pan", "2.00"]


def test_an_unclosed_quotation_mark_costs_its_own_row_only(read: Read) -> None:
    lines = [f"B{at},Kettle {at},1.00\n" for at in range(20_000)]
    lines[3] = 'B3,"Kettle,1.00\n'
    lines[-1] = 'B19999,"Kettle,1.00\n'
    _, rows = read(HEADER + "".join(lines))
    refused = [row for row in rows if row.reason]
    assert [row.line for row in refused] == [5, 20_001]
    assert all("quotation mark that is not closed" in str(row.reason) for row in refused)
    assert refused[0].cells == ['B3,"Kettle,1.00']
    assert [row.line for row in rows] == list(range(2, 20_002))


def test_a_row_knows_the_line_it_begins_on(read: Read) -> None:
    _, rows = read(HEADER + 'B1,"1\n2\n3",1\n\nB2,x,2\n')
    assert rows == [Row(2, ["B1", "1\n2\n3", "1"], None), Row(6, ["B2", "x", "2"], None)]


def test_a_row_with_too_few_or_too_many_fields_says_so_and_empty_ones_at_the_end_do_no_harm(read: Read) -> None:
    _, rows = read(HEADER + "B1,x\nB2,x,1,y\nB3,x,1,,\n,,\n")
    assert [(row.line, row.reason) for row in rows] == [
        (2, "has 2 fields instead of 3."), (3, "has 4 fields instead of 3."), (4, None), (5, None)
    ]  # fmt: skip
    assert rows[2].cells == ["B3", "x", "1"]


def test_a_field_of_a_megabyte_and_a_line_without_end_are_refused_alone(read: Read) -> None:
    long = "x" * 1_000_000
    _, rows = read(HEADER + f"B1,{long},1\nB2,{'y' * (MAX_RECORD + 5)},1\nB3,Kettle,3\n")
    assert [row.line for row in rows] == [2, 3, 4]
    assert rows[0].reason is not None
    assert "field larger than field limit" in rows[0].reason
    assert rows[1].reason == f"has more than {MAX_RECORD} characters."
    assert rows[2] == Row(4, ["B3", "Kettle", "3"], None)


def test_memory_stays_small_whatever_stands_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(HEADER.encode())
        for _ in range(64):
            file.write(b"x" * 1024 * 1024)
        file.write(b"\nB1,Kettle,1\n")
    tracemalloc.start()
    with open_table(str(path), "x.csv", Reading()) as table:
        rows = list(table.rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.line for row in rows] == [2, 3]
    assert peak < 16 * 1024 * 1024


def test_nul_bytes_are_read_as_they_are(read: Read) -> None:
    assert read(HEADER + "B1,Ket\0tle,1\n")[1] == [Row(2, ["B1", "Ket\0tle", "1"], None)]


def test_an_apostrophe_before_a_formula_is_taken_off_once(read: Read) -> None:
    _, rows = read(HEADER + "'=B1,'+1,'-1\n'@x,''=x,'x\n")
    assert [row.cells for row in rows] == [["=B1", "+1", "-1"], ["@x", "'=x", "'x"]]


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "x.csv", "EMPTY_FILE"),
        (b"\n \n", "x.csv", "EMPTY_FILE"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 600, "x.xls", "OLD_WORKBOOK"),
        (b"[{}]", "x.json", "NOT_JSON_LINES"),
        (b"\0\0\0\0\0\1", "x.csv", "NOT_TEXT"),
        (b",,\n", "x.csv", "NO_HEADER"),
        (",".join(f"c{at}" for at in range(1000)).encode(), "x.csv", "TOO_MANY_COLUMNS"),
        (b"a" * 201, "x.csv", "HEADER_TOO_LONG"),
        (b"a" * (MAX_RECORD + 1), "x.csv", "HEADER_TOO_LONG"),
        (b"\xe4\n", "x.csv", "WRONG_ENCODING"),
        (b'"a\n', "x.csv", "HEADER_BROKEN"),
        (b"PK\x03\x04", "x.xlsx", "NOT_A_WORKBOOK"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_by_name(read: Read, content: bytes, name: str, code: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read(content, name)
    assert refused.value.code == code


def test_a_header_alone_is_a_table_without_rows(read: Read) -> None:
    table, rows = read(HEADER)
    assert (table.columns, rows) == (["asin", "name", "price"], [])


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab\",;\n\r\0 \t'=é\ufeff", max_size=80))
def test_any_text_gives_rows_or_a_refusal_and_never_an_error(text: str) -> None:
    path = Path(f"/dev/shm/reading-{id(text)}")  # a file that lives for a moment, many times
    path.write_bytes(text.encode())
    try:
        with contextlib.suppress(FileRefused), open_table(str(path), "x.csv", Reading()) as table:
            lines = [row.line for row in table.rows]
            assert lines == sorted(set(lines))
    finally:
        path.unlink()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.lists(st.text(alphabet="ab\",;\n\t'=-x é", max_size=8), min_size=3, max_size=3).filter(any),
        max_size=8,
    )
)
def test_what_the_csv_module_writes_is_read_as_it_was(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["asin", "name", "price"], *rows])
    path = Path(f"/dev/shm/reading-{id(rows)}")  # likewise
    path.write_text(text.getvalue(), newline="")
    try:
        with open_table(str(path), "x.csv", Reading(delimiter=",")) as table:
            found = [row.cells for row in table.rows]
    finally:
        path.unlink()
    signs = set("=+-@\t\r\n＝＋－＠")  # what a spreadsheet runs, also of full width
    assert [[str(cell) for cell in row] for row in found] == [
        [cell[1:] if cell.startswith("'") and cell.lstrip("'")[:1] in signs else cell for cell in row] for row in rows
    ]


# --- JSON Lines ------------------------------------------------------------------------------------------------------


def test_json_lines_are_read_with_their_names_as_columns(read: Read) -> None:
    text = '{"asin":"B1","price":"1.00"}\n\n{"name":null,"asin":"B2","images":["x"]}\n'
    table, rows = read(text, "x.jsonl")
    assert table.columns == ["asin", "price", "name", "images"]
    assert rows == [Row(1, {0: "B1", 1: "1.00"}, None), Row(3, {2: None, 0: "B2", 3: ["x"]}, None)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "is not JSON"),
        ('{"price": NaN}', "is not JSON"),
        ('{"a": "\\ud800"}', "is not JSON"),
        ("[1]", "is not a JSON object."),
        ("{" + '"a":' * 3, "is not JSON"),
        ('{"a":' + "[" * 3000 + "]" * 3000 + "}", "is not JSON"),
        ("{" + ",".join(f'"c{at}":1' for at in range(300)) + "}", "has more than 256 different names"),
        ('{"a":"' + "x" * MAX_RECORD + '"}', f"has more than {MAX_RECORD} bytes."),
    ],
)
def test_a_line_that_is_no_object_is_refused_alone(read: Read, line: str, reason: str) -> None:
    _, rows = read('{"asin":"B1"}\n' + line + '\n{"asin":"B2"}\n', "x.jsonl")
    assert [row.line for row in rows] == [1, 2, 3]
    assert [row.reason is None for row in rows] == [True, False, True]
    assert str(rows[1].reason).startswith(reason)


def test_a_line_of_json_that_is_not_utf_8_is_refused_alone(read: Read) -> None:
    _, rows = read(b'{"asin":"B1"}\n{"asin":"\xff"}\n{"asin":"B2"}\n', "x.jsonl")
    assert [row.reason is None for row in rows] == [True, False, True]


# --- Workbooks -------------------------------------------------------------------------------------------------------


def test_a_workbook_of_another_program_is_read(read: Read) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(["asin", "name", "price", "is_active", None])
    page.append(["B1", "Kettle & <co>", 12.5, True])
    page.append(["B2", "0042", 1299.9, False])
    page.append([None, None, None])
    page.append(["B3", "=1+1", 0.1 + 0.2, None])
    page.append(["B4", "two\nlines", 1000, None, "beyond"])
    target = io.BytesIO()
    book.save(target)
    table, rows = read(target.getvalue(), "x.xlsx")
    assert table.columns == ["asin", "name", "price", "is_active"]
    assert rows[0] == Row(2, ["B1", "Kettle & <co>", "12.5", "true"], None)
    assert rows[1] == Row(3, ["B2", "0042", "1299.9", "false"], None)
    assert rows[2] == Row(5, ["B3", "", "0.3", ""], None)  # a formula has no value before somebody computed it
    assert rows[3].line == 6
    assert rows[3].reason == "has 5 fields instead of 4."


def test_shared_texts_rich_texts_and_escapes_are_read(read: Read) -> None:
    shared = (
        f'<sst xmlns="{MAIN}"><si><t>asin</t></si><si><r><t>Ket</t></r><r><t>tle</t></r>'
        "<rPh><t>ケトル</t></rPh></si><si><t>a_x000D_b_x005F_x0041_</t></si><si><t/></si></sst>"
    )
    cells = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="str"><v>name</v></c></row>'
    cells += '<row r="7"><c r="A7" t="s"><v>1</v></c><c r="C7" t="s"><v>2</v></c></row>'
    _, rows = read(sheet(cells, **{"xl_sharedStrings.xml": shared}), "x.xlsx")
    assert rows == [Row(7, ["Kettle", "", "a\rb_x0041_"], None)]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ('<c t="e"><v>#REF!</v></c>', "has the error value #REF!."),
        ("<c><v>1.2.3</v></c>", "has a number that is none: 1.2.3."),
        (f'<c t="inlineStr"><is><t>{"x" * 40_000}</t></is></c>', "has a cell of more than 32767 characters."),
        ('<c r="ZZ2" t="str"><v>x</v></c>', "has a value beyond column 256."),
    ],
)
def test_a_cell_that_cannot_be_taken_refuses_its_row(read: Read, cell: str, reason: str) -> None:
    _, rows = read(sheet(text_row("asin") + f"<row>{cell}</row>" + text_row("B2")), "x.xlsx")
    assert [row.reason for row in rows] == [reason, None]


@pytest.mark.parametrize(
    "rows",
    [
        text_row("asin") + '<row r="5"/><row r="4"/>',
        text_row("asin") + '<row r="99999999999"/>',
        text_row("asin") + '<row><c r="B2" t="str"><v>x</v></c><c r="A2" t="str"><v>y</v></c></row>',
        text_row("asin") + '<row><c t="s"><v>77</v></c></row>',
        text_row("asin") + '<row><c t="s"><v>-1</v></c></row>',
        text_row("asin") + "<row>",
        text_row("asin") + '<row r="x"/>',
    ],
)
def test_a_workbook_that_contradicts_itself_is_refused(read: Read, rows: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read(sheet(rows), "x.xlsx")
    assert refused.value.code == "NOT_A_WORKBOOK"


def test_a_zip_bomb_is_refused_before_it_is_unpacked(read: Read) -> None:
    bomb = sheet(text_row("asin"), **{"xl_media_bomb.bin": b"\0" * (40 * 1024 * 1024)})
    assert len(bomb) < 100_000
    with pytest.raises(FileRefused) as refused:
        read(bomb, "x.xlsx")
    assert refused.value.code == "WORKBOOK_TOO_LARGE"


def test_an_archive_that_lies_about_its_size_is_not_read_beyond_what_it_says(read: Read) -> None:
    rows = text_row("asin") + text_row("B1") * 400_000
    honest = sheet(rows)
    size = len(f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>')
    lying = honest.replace(size.to_bytes(4, "little"), (5_000).to_bytes(4, "little"))
    assert lying != honest
    tracemalloc.start()
    with pytest.raises(FileRefused) as refused:
        read(lying, "x.xlsx")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.code == "NOT_A_WORKBOOK"
    assert peak < 16 * 1024 * 1024


def test_more_parts_than_a_workbook_has_are_refused(read: Read) -> None:
    many = {f"part{at}_x": b"" for at in range(workbook.MAX_ENTRIES + 1)}
    with pytest.raises(FileRefused) as refused:
        read(sheet(text_row("asin"), **many), "x.xlsx")
    assert refused.value.code == "WORKBOOK_TOO_LARGE"


def test_entities_are_refused_and_never_expanded(read: Read) -> None:
    laughs = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><sst><si><t>&b;</t></si></sst>'
    outside = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><sst><si><t>&a;</t></si></sst>'
    for text in (laughs, outside):
        with pytest.raises(FileRefused, match="declares a document type"):
            read(sheet(text_row("asin"), **{"xl_sharedStrings.xml": text}), "x.xlsx")


@pytest.mark.parametrize("text", ['<row r="{}"/>', "<row><c><v>{}</v></c></row>", "<row><!--{}--></row>"])
def test_a_text_without_end_is_refused_before_it_fills_the_memory(read: Read, text: str) -> None:
    content = sheet(text_row("asin") + text.format("9" * 25 * 1024 * 1024))
    tracemalloc.start()
    with pytest.raises(FileRefused):
        read(content, "x.xlsx")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 1024 * 1024


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_workbook_is_read_or_refused_and_never_an_error(data: st.DataObject) -> None:
    content = bytearray(sheet(text_row("asin", "name") + text_row("B1", "Kettle") * 5))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = Path(f"/dev/shm/reading-{id(content)}")  # likewise
    path.write_bytes(content)
    try:
        with contextlib.suppress(FileRefused), open_table(str(path), "x.xlsx", Reading()) as table:
            assert all(row.line > 0 for row in table.rows)
    finally:
        path.unlink()
