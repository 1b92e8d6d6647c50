"""Hostile, broken and absurd files: each is a right reading or one clear sentence, within ten seconds and a gigabyte.

Each is read in a process of its own with limits of address space and time, so that a crash, a hang or a bomb is seen as such.
"""

from __future__ import annotations

import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bulkstart.model import ErrorCell
from tests.conftest import ROOT
from tests.old_files import (
    META,
    Formula,
    biff8,
    bitrix_html,
    compound,
    ods,
    ods_content,
    ods_row,
    record,
    table,
    xls,
    xlsb,
    xlsb_record,
)
from tests.sheet_files import HEADER, STYLES, workbook, worksheet

SECONDS, BYTES = 10, 1 << 30
Reader = Callable[[Path], dict[str, Any]]
CELLS = table(("ID", "Title"), (5141, "a"), (5142, "b"))
GOOD = [5141, 5142]
DATA = '<row r="2"><c r="A2"><v>5141</v></c></row><row r="3"><c r="A3"><v>5142</v></c></row>'


def _ten(number: int) -> str:
    return f"&a{number};" * 10


LAUGHS = '<!DOCTYPE x [<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{_ten(n - 1)}">' for n in range(1, 10)) + "]>"
DATA_ODS = ods_row("ID") + ods_row("office:value-type='float' office:value='5141'>5141") + ods_row("5142")


def _sheet(rows: str, **kept: object) -> Callable[[Path], None]:
    return lambda path: void(workbook(path, HEADER + rows, **kept))  # type: ignore[arg-type]  # keywords of workbook


def _part(name: str, content: str | bytes, rows: str = DATA) -> Callable[[Path], None]:
    return _sheet(rows, parts={name: content})


def _bytes(content: bytes) -> Callable[[Path], None]:
    return lambda path: void(path.write_bytes(content))


def void(_: object) -> None:
    """Nothing: writers give paths and numbers that nobody needs."""


def _changed(make: Callable[[Path], object], change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        make(path)
        path.write_bytes(change(path.read_bytes()))

    return write


def _shuffled(raw: bytes, seed: int = 6) -> bytes:
    chance, changed = random.Random(seed), bytearray(raw)
    for _ in range(max(len(raw) // 200, 8)):
        changed[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(changed)


def _quoted_overlap(path: Path) -> None:
    """A thousand names for the same packed bytes."""
    workbook(path, HEADER + DATA, parts={"big.xml": bytes(15_000_000)})
    raw = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(raw)) as package:
        entry = package.getinfo("big.xml")
    end = raw.rindex(b"PK\5\6")
    (size, start) = struct.unpack_from("<II", raw, end + 12)
    central = raw[start : start + size]
    at = central.index(b"big.xml") - 46
    one = central[at : at + 46 + len("big.xml")]
    assert entry.file_size == 15_000_000
    path.write_bytes(
        raw[:start]
        + central
        + one * 1_000
        + raw[end : end + 8]
        + struct.pack("<HHIIH", 1_010, 1_010, size + len(one) * 1_000, start, 0)
    )


def _encrypted(path: Path) -> None:
    path.write_bytes(compound({"EncryptedPackage": os.urandom(9000), "EncryptionInfo": b"\4\0\4\0" + bytes(2000)}))


def _ods(content: str, manifest: str = "<x/>") -> Callable[[Path], None]:
    return lambda path: void(ods(path, content=content, manifest=manifest))


def _ods_row(cell: str, more: str = "") -> Callable[[Path], None]:
    return _ods(ods_content(DATA_ODS + ods_row(cell, more=more)))


def _xlsb(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda path: void(xlsb(path, CELLS, parts={name: content}))


def _xls(stream: bytes) -> Callable[[Path], None]:
    return _bytes(compound({"Workbook": stream}))


_SPARSE = b"".join(
    record(0x203, struct.pack("<HHHd", row, 255, 0, 1.0)) for row in range(2, 65_000)
)  # fmt: skip

FILES: dict[str, tuple[str, Callable[[], Callable[[Path], None]], list[object] | None]] = {
    # ------------------------------------------------------------------ .xlsx: bombs
    "xlsx: a worksheet of 60 MB": ("xlsx", lambda: _part("xl/worksheets/sheet1.xml", worksheet(HEADER + DATA + " " * 60_000_000)), None),
    "xlsx: a picture of 60 MB": ("xlsx", lambda: _part("xl/media/a.png", bytes(60_000_000)), None),
    "xlsx: a shared text of 60 MB": ("xlsx", lambda: _sheet(DATA, strings=f"<si><t>{'A' * 60_000_000}</t></si>"), None),
    "xlsx: a text of two million characters": ("xlsx", lambda: _sheet(f'{DATA}<row r="4"><c r="A4" t="str"><v>{"A" * 2_000_000}</v></c></row>'), None),
    "xlsx: billion laughs in the worksheet": ("xlsx", lambda: _part("xl/worksheets/sheet1.xml", worksheet(HEADER + DATA + "<x>&a9;</x>", before=LAUGHS)), None),
    "xlsx: billion laughs in the shared texts": ("xlsx", lambda: _sheet(DATA, strings="<si/>", parts={"xl/sharedStrings.xml": LAUGHS + "<sst><si><t>&a9;</t></si></sst>"}), None),
    "xlsx: an entity of one level, quadratic": ("xlsx", lambda: _part("xl/workbook.xml", f'<!DOCTYPE x [<!ENTITY a "{"x" * 50_000}">]><workbook>{"&a;" * 50_000}</workbook>'), None),
    "xlsx: a million overlapping bytes a thousand times": ("xlsx", lambda: _quoted_overlap, None),
    "xlsx: thirty thousand parts": ("xlsx", lambda: _sheet(DATA, parts={f"xl/x{n}.xml": "" for n in range(30_000)}), None),
    "xlsx: two million cell formats": ("xlsx", lambda: _part("xl/styles.xml", STYLES.replace("</cellXfs>", "<xf/>" * 2_000_000 + "</cellXfs>")), None),
    "xlsx: a million hidden column ranges": ("xlsx", lambda: _part("xl/worksheets/sheet1.xml", worksheet(HEADER + DATA).replace("<sheetData>", "<cols>" + '<col min="1" max="16384" hidden="1"/>' * 500_000 + "</cols><sheetData>")), GOOD),
    "xlsx: elements a hundred thousand deep": ("xlsx", lambda: _part("xl/worksheets/sheet1.xml", worksheet(HEADER + DATA + "<x>" * 100_000 + "</x>" * 100_000)), GOOD),
    "xlsx: an attribute of ten million characters": ("xlsx", lambda: _part("xl/worksheets/sheet1.xml", worksheet(HEADER + DATA + f'<x a="{"y" * 10_000_000}"/>')), GOOD),
    # ------------------------------------------------------------------ .xlsx: elsewhere
    "xlsx: an external entity on this machine": ("xlsx", lambda: _sheet(DATA, strings="<si/>", parts={"xl/sharedStrings.xml": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><sst><si><t>&a;</t></si></sst>'}), None),
    "xlsx: an external entity in the worksheet": ("xlsx", lambda: _part("xl/worksheets/sheet1.xml", worksheet(HEADER + DATA, before='<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x">')), None),
    "xlsx: links to other workbooks": ("xlsx", lambda: _part("xl/externalLinks/externalLink1.xml", '<externalLink><externalBook id="http://127.0.0.1:9/"/></externalLink>'), GOOD),
    "xlsx: a worksheet part outside of the archive": ("xlsx", lambda: _part("xl/_rels/workbook.xml.rels", '<R><Relationship Id="rId1" Type="x/worksheet" TargetMode="External" Target="http://127.0.0.1:9/s.xml"/></R>'), None),
    "xlsx: part names that climb": ("xlsx", lambda: _part("xl/_rels/workbook.xml.rels", '<R><Relationship Id="rId1" Type="x/worksheet" Target="../../../../etc/passwd"/></R>'), None),
    # ------------------------------------------------------------------ .xlsx: absurd, broken
    "xlsx: a stray cell at the far corner": ("xlsx", lambda: _sheet(DATA + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'), [*GOOD, None]),
    "xlsx: a formatted tail of a million rows": ("xlsx", lambda: _sheet(DATA + "".join(f'<row r="{n}" s="1"/>' for n in range(4, 1_048_577))), GOOD),
    "xlsx: stray cells in the last column of all rows": ("xlsx", lambda: _sheet(DATA + "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(4, 30_000))), None),
    "xlsx: cut off in the middle": ("xlsx", lambda: _changed(_sheet(DATA), lambda raw: raw[: len(raw) // 2]), None),
    "xlsx: bytes changed here and there": ("xlsx", lambda: _changed(_sheet(DATA), _shuffled), None),
    "xlsx: line ends converted on the way": ("xlsx", lambda: _changed(_sheet(DATA * 1), lambda raw: raw.replace(b"\n", b"\r\n")), None),
    "xlsx: a row number of a googol": ("xlsx", lambda: _sheet(f'<row r="1{"0" * 100}"/>'), None),
    "xlsx: a column that no sheet has": ("xlsx", lambda: _sheet('<row r="2"><c r="AAAA2"><v>1</v></c></row>'), None),
    "xlsx: a shared text that is not there": ("xlsx", lambda: _sheet('<row r="2"><c r="A2" t="s"><v>99999999999</v></c></row>'), None),
    "xlsx: encrypted": ("xlsx", lambda: _encrypted, None),
    "xlsx: a zip in a zip": ("xlsx", lambda: lambda path: void((workbook(path, HEADER + DATA), path.write_bytes(_zipped(path.read_bytes())))), None),
    # ------------------------------------------------------------------ .ods
    "ods: billion laughs": ("ods", lambda: _ods(ods_content(DATA_ODS + ods_row("&a9;"), before=LAUGHS)), None),
    "ods: an external entity": ("ods", lambda: _ods(ods_content(DATA_ODS, before='<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x">')), None),
    "ods: a value in more than a million rows": ("ods", lambda: _ods_row("x", "table:number-rows-repeated='1048576'"), None),
    "ods: a value in four billion rows": ("ods", lambda: _ods_row("x", "table:number-rows-repeated='4294967295'"), None),
    "ods: a value in all columns of many rows": ("ods", lambda: _ods_row("office:value-type='string' table:number-columns-repeated='16384'>x", "table:number-rows-repeated='99999'"), None),
    "ods: rows repeated minus one times": ("ods", lambda: _ods_row("x", "table:number-rows-repeated='-1'"), None),
    "ods: a million times a thousand spaces": ("ods", lambda: _ods_row("office:value-type='string'>" + "<text:s text:c='1000'/>" * 200_000), None),
    "ods: encrypted": ("ods", lambda: _ods("\x00\x01", "<m:manifest xmlns:m='x'><m:encryption-data/></m:manifest>"), None),
    "ods: a blank tail to the last row and column": ("ods", lambda: _ods(ods_content(DATA_ODS + '<table:table-row table:number-rows-repeated="1048573"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>')), [5141, "5142"]),
    # ------------------------------------------------------------------ .xlsb
    "xlsb: a record of two gigabytes": ("xlsb", lambda: _xlsb("xl/worksheets/sheet1.bin", xlsb_record(145) + b"\x00\xff\xff\xff\x7f"), None),
    "xlsb: a text of four billion characters": ("xlsb", lambda: _xlsb("xl/sharedStrings.bin", xlsb_record(19, b"\0\xfe\xff\xff\xff")), None),
    "xlsb: a cell in column four billion": ("xlsb", lambda: _xlsb("xl/worksheets/sheet1.bin", xlsb_record(0, bytes(25)) + xlsb_record(5, b"\xff\xff\xff\xff" + bytes(12))), None),
    "xlsb: records without bodies": ("xlsb", lambda: _xlsb("xl/worksheets/sheet1.bin", b"\x00\x00\x05\x00\x07\x00" * 1000), None),
    "xlsb: cut off": ("xlsb", lambda: _changed(lambda path: xlsb(path, CELLS), lambda raw: raw[:-300]), None),
    "xlsb: a sheet of 60 MB": ("xlsb", lambda: _xlsb("xl/worksheets/sheet1.bin", xlsb_record(1, bytes(8)) * 6_000_000), None),
    "xlsb: noise": ("xlsb", lambda: _xlsb("xl/worksheets/sheet1.bin", random.Random(1).randbytes(200_000)), None),
    # ------------------------------------------------------------------ .xls
    "xls: sectors in a circle": ("xls", lambda: _changed(lambda path: xls(path, CELLS), lambda raw: raw.replace(struct.pack("<II", 1, 2), struct.pack("<II", 1, 1))), None),
    "xls: cut off": ("xls", lambda: _changed(lambda path: xls(path, CELLS), lambda raw: raw[:3000]), None),
    "xls: cut off within the first bytes": ("xls", lambda: _changed(lambda path: xls(path, CELLS), lambda raw: raw[:40]), None),
    "xls: four billion shared texts": ("xls", lambda: _xls(biff8({"Deals": CELLS}).replace(struct.pack("<II", 4, 4), b"\xff" * 8)), None),
    "xls: a sheet that begins nowhere": ("xls", lambda: _xls(biff8({"Deals": CELLS}).replace(b"\x85\0\x12\0", b"\x85\0\x12\0\xff\xff\xff\x7f", 1)), None),
    "xls: a cell in the last column of every row": ("xls", lambda: _xls(biff8({"Deals": CELLS})[:-4] + _SPARSE + record(0x0A)), [*GOOD, *[None] * 64_997]),
    "xls: a password": ("xls", lambda: _xls(biff8({"Deals": CELLS}, settings=record(0x2F, bytes(54)))), None),
    "xls: a stream within itself": ("xls", lambda: _bytes(compound({"Workbook": compound({"Workbook": biff8({"Deals": CELLS})})})), None),
    "xls: noise behind a good beginning": ("xls", lambda: _bytes(compound({"Workbook": b""})[:512] + random.Random(2).randbytes(300_000)), None),
    "xls: errors and empty formulas": ("xls", lambda: lambda path: void(xls(path, table(("ID",), (ErrorCell("#N/A"),), (Formula(None),)), calculated=False)), [ErrorCell("#N/A"), "=…"]),
    # ------------------------------------------------------------------ HTML
    "html: a million tags that never end": ("xls", lambda: _bytes(META.encode() + b"<table><tr><td>" + b"<a " * 1_000_000), None),
    "html: a million quotes that never end": ("xls", lambda: _bytes(META.encode() + b"<table><tr><td>" + b"<a b='" * 500_000), None),
    "html: a million comments that never end": ("xls", lambda: _bytes(META.encode() + b"<table><tr><td>" + b"<!--" * 1_000_000), None),
    "html: twenty thousand tables in each other": ("xls", lambda: _bytes(META.encode() + b"<table><tr><td>" * 20_000), None),
    "html: spans of a thousand times a million": ("xls", lambda: _bytes(META.encode() + b"<table>" + b"<tr><td colspan=1000 rowspan=1000000>x</td></tr>" * 30_000), None),
    "html: a million entities": ("xls", lambda: _bytes(bitrix_html(("ID", "C"), [["5141", "&#1046;" * 100_000], ["5142", "&amp"]]).encode()), ["5141", "5142"]),
    "html: a frame and a script from elsewhere": ("xls", lambda: _bytes(bitrix_html(("ID", "C"), [["5141", '<iframe src="http://127.0.0.1:9/"></iframe><script src="http://127.0.0.1:9/"></script>']]).encode()), ["5141"]),
    # ------------------------------------------------------------------ CSV
    "csv: a quote that never closes": ("csv", lambda: _bytes(b'ID,T\n5141,"' + b"x\n" * 5_000_000), None),
    "csv: ten million delimiters": ("csv", lambda: _bytes(b"ID" + b";" * 21_000_000 + b"\n5141\n"), None),
    "csv: zero bytes": ("csv", lambda: _bytes(b"ID;T\n5141;a\n" + bytes(1_000_000)), None),
    "csv: one line of fifty million characters": ("csv", lambda: _bytes(b"ID;T\n5141;" + b"a" * 50_000_000), None),
    "csv: noise": ("csv", lambda: _bytes(random.Random(3).randbytes(1_000_000)), None),
}  # fmt: skip
"""Name → ending, writer, and the ids that are read; ``None``: it is refused (or, for noise, may be)."""


def _zipped(raw: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("deals.xlsx", raw)
    return target.getvalue()


SERVER = """
import json, os, resource, sys, traceback
import pandas, bulkstart
from bulkstart.errors import SheetError

for line in sys.stdin:
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        used = int(sum(os.times()[:2])) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (used + {seconds}, used + {seconds}))
        resource.setrlimit(resource.RLIMIT_AS, ({size}, {size}))
        try:
            frame = bulkstart.read_sheet(line.rstrip())
            said = {{"ids": frame.iloc[:, 0].tolist()}}
        except SheetError as error:
            said = {{"refused": str(error)}}
        except BaseException:
            said = {{"fault": traceback.format_exc()}}
        said["seconds"] = sum(os.times()[:2])
        said["bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(said, default=str), flush=True)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if status:
        print(json.dumps({{"fault": "ended with status " + str(status)}}), flush=True)
"""
SLACK = 700 << 20  # address space that pandas and its threads reserve and never touch


@pytest.fixture(scope="module")
def reader() -> Iterator[Callable[[Path], dict[str, Any]]]:
    """Reads a file in a fork of a process that has loaded pandas once."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SERVER.format(seconds=SECONDS, size=BYTES + SLACK)]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        to, back = server.stdin, server.stdout

        def read(path: Path) -> dict[str, Any]:
            to.write(f"{path}\n")
            to.flush()
            return dict(json.loads(back.readline()))

        yield read
        to.close()


def test_there_are_as_many_as_the_issue_asks_for() -> None:
    assert len(FILES) >= 40


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_read_right_or_refused_clearly(tmp_path: Path, reader: Reader, name: str) -> None:
    ending, write, ids = FILES[name]
    path = tmp_path / f"deals.{ending}"
    write()(path)
    said = reader(path)
    assert "fault" not in said, said["fault"]
    assert (said["seconds"] < SECONDS, said["bytes"] < BYTES) == (True, True), "of a processor, whatever else it does"
    if ids is not None:
        assert said.get("ids") == ids, said
    else:
        message = str(said.get("refused"))
        assert message.startswith(str(path)), said
        assert len(message) < 500
        assert "Traceback" not in message


def test_no_request_leaves_because_a_sheet_says_so(tmp_path: Path, reader: Reader) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        there = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        outside = f'<!DOCTYPE x [<!ENTITY % a SYSTEM "{there}">%a;<!ENTITY b SYSTEM "{there}">]>'
        linked = f'<R><Relationship Id="rId1" Type="x/worksheet" TargetMode="External" Target="{there}"/></R>'
        rows = [["5141", f'<iframe src="{there}"></iframe><script src="{there}"></script>&b;']]
        written = [
            workbook(
                tmp_path / "a.xlsx", HEADER + DATA, parts={"xl/worksheets/sheet1.xml": worksheet(HEADER + DATA, before=outside)}
            ),
            workbook(tmp_path / "b.xlsx", HEADER + DATA, parts={"xl/_rels/workbook.xml.rels": linked}),
            ods(tmp_path / "c.ods", content=ods_content(DATA_ODS + ods_row("&b;"), before=outside)),
            ods(
                tmp_path / "d.ods",
                content=ods_content(DATA_ODS).replace(
                    "table:style-name", f'xlink:href="{there}" xmlns:xlink="x" table:style-name'
                ),
            ),
        ]
        (tmp_path / "e.xls").write_text(f'<link href="{there}">' + bitrix_html(("ID", "C"), rows), encoding="utf-8")
        for path in (*written, tmp_path / "e.xls"):
            assert "fault" not in reader(path)
        with pytest.raises(BlockingIOError):
            server.accept()
