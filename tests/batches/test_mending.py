"""Rows that cannot be read are told one by one; every other row of the file is used."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from computebill.batches import mending
from computebill.batches.mending import LONGEST_ROW, NO_TEXT, OPEN_QUOTE, TOO_LONG, Mending, Stream
from computebill.batches.pieces import ROWS, Batch, Layout, find_pieces
from computebill.batches.reading import read_batches


def read(path: Path, rows: int = ROWS, layout: Layout | None = None) -> list[Batch]:
    (piece,) = find_pieces(path, rows, layout or Layout(separators=",;|"))
    return list(read_batches(piece, rows))


def rows_of(batches: list[Batch], column: str = "a") -> list[str]:
    return [cell for batch in batches for cell in batch.table[column].to_pylist()]


def unread(batches: list[Batch]) -> list[tuple[int, str, str]]:
    """The number of each row that was not read, its text and the reason."""
    return [
        (place + batch.first, *line)
        for batch in batches
        for place, line in zip(batch.unread_places, batch.unread, strict=True)
    ]


def unescaped(text: str) -> bytes:
    """What `escaped` was given."""
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


@pytest.mark.parametrize("rows", [2, ROWS])
def test_a_byte_that_is_no_text_costs_its_row_alone(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1,x\n2,J\xfcrgen \\x41\n3,y\n4,5,\xff\n6\n7,z\n")
    found = read(path, rows)
    assert rows_of(found) == ["1", "3", "7"]
    assert [(line, why) for line, _, why in unread(found)] == [
        (3, NO_TEXT),
        (5, NO_TEXT),
        (6, "has 1 cells, where there are 2 headings"),
    ]
    # Nothing is lost: the bytes are in the text.
    assert unescaped(unread(found)[0][1]) == b"2,J\xfcrgen \\x41"
    assert np.concatenate([batch.numbers() for batch in found]).tolist() == [2, 4, 7]


def test_text_of_another_code_is_read_where_it_is_ascii(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    lines = ["a,Größe", *(f"{n},{'ä' if n % 3 == 0 else 'e'}" for n in range(300))]
    path.write_bytes("\n".join(lines).encode("latin-1"))
    found = read(path)
    assert rows_of(found) == [str(n) for n in range(300) if n % 3]
    assert [line for line, *_ in unread(found)] == [n + 2 for n in range(0, 300, 3)]
    assert found[0].table.column_names == ["a", r"Gr\xf6\xdfe"]


@pytest.mark.parametrize("code", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl"])
def test_text_of_several_bytes_a_letter_is_read(tmp_path: Path, code: str, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    text = '{"a": "1", "b": "ü"}\n{"a": "2", "b": "😀"}\n'
    if "csv" in ending:
        text = "a,b\r\n1,ü\r\n2,😀\r\n"
    raw = text.encode(code)
    path.write_bytes(gzip.compress(raw) if ending.endswith("gz") else raw)
    found = read(path)
    assert rows_of(found, "b") == ["ü", "😀"]
    assert not unread(found)


def test_half_a_letter_costs_its_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("a,b\n1,\ud800\n2,y\n".encode("utf-16", "surrogatepass") + b"\x37")
    found = read(path)
    assert rows_of(found) == ["2"]
    assert [line for line, *_ in unread(found)] == [2, 4]


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_row_that_is_too_long_costs_itself_alone(tmp_path: Path, quote: bytes) -> None:
    path = tmp_path / "x.csv"
    long = quote + b"x" * (LONGEST_ROW + 5) + quote
    path.write_bytes(b"a,b\n1,x\n" + long + b",2\n3,y\n" + long + b"\n")
    found = read(path)
    assert rows_of(found) == ["1", "3"]
    assert [(line, why) for line, _, why in unread(found)] == [(3, TOO_LONG), (5, TOO_LONG)]
    assert unread(found)[0][1] == long[: mending.LONGEST].decode()


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        # A quote that never ends would take in the rest of the file.
        ('a,b\n1,x\n"2,x\n3,y\n4,z\n', "134", [(3, '"2,x')]),
        ('a,b\n1,x\n2,"x\n3,y\n4,z\n', "134", [(3, '2,"x')]),
        # One that the next row's quote seems to end takes in that row.
        ('a,b\n1,"x\n2,"y"\n3,z\n', "23", [(2, '1,"x')]),
        ('a,b,c\n1,2,"x\n3,"y",4\n5,6,7\n', "35", [(2, '1,2,"x')]),
        # Cells of several lines, and quotes that are letters, stay what they are.
        ('a,b\n1,"x\ny ""z"" 7,8"\n2,5" disk\n3,"q"r\n', "123", []),
        ('a,b\n1,"x\n9,""y"\n2,z\n', "12", []),
    ],
    ids=["first", "last", "ended by the next", "in the middle", "letters", "a row in a cell"],
)
def test_a_quote_that_does_not_end_costs_its_line_alone(
    tmp_path: Path, text: str, good: str, bad: list[tuple[int, str]]
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text, newline="")
    found = read(path)
    assert "".join(rows_of(found)) == good
    assert unread(found) == [(line, row, OPEN_QUOTE) for line, row in bad]


def test_rows_before_and_behind_are_the_same_whatever_the_batch(tmp_path: Path) -> None:
    """Property: each line is used or told, once, in its place, however small blocks are."""
    draw = random.Random(7)
    ways = [b"%d,x", b'%d,"x"', b"%d,\xe9", b"%d", b'%d,"y\nz"', b'"%d,x', b'%d,5" x']
    lines = [draw.choice(ways) % n for n in range(400)]
    path = tmp_path / "x.csv"
    path.write_bytes(b"\n".join([b"a,b", *lines]))
    want = [n for n, line in enumerate(lines) if line.count(b",") == 1 and b"\xe9" not in line]
    want = [n for n in want if not lines[n].startswith(b'"')]
    for rows in (7, 100, ROWS):
        found = read(path, rows)
        assert [int(each) for each in rows_of(found)] == want
        numbers = [line for line, *_ in unread(found)]
        both = np.concatenate([*(batch.numbers() for batch in found), numbers])
        assert sorted(both.tolist()) == list(range(2, 402))
        # Every line of the text is told, a cell of two lines once, by its first.
        starts = np.cumsum([2, *(1 + line.count(b"\n") for line in lines)]).tolist()[:-1]
        told = []
        for batch in found:
            assert batch.line_of is not None
            told += batch.line_of([*np.asarray(batch.places).tolist(), *batch.unread_places])
        assert sorted(told) == starts


def test_blocks_end_anywhere() -> None:
    """The mended text is the same for every size of block."""
    raw = b'a,b\r\n1,"x\r\ny"\r\n2,\xff\r\n"3,x\r\n4,z\r\n' + b"5,w"
    made = set()
    for size in range(1, 40):
        pieces = [raw[at : at + size] for at in range(0, len(raw), size)]

        class Short:
            def __init__(self, pieces: list[bytes]) -> None:
                self._pieces = iter(pieces)

            def read(self, _: int) -> bytes:
                return next(self._pieces, b"")

        mended = Mending(Short(pieces), ",", 2, is_quoted=True)
        made.add(mended.stream().read())
    assert len(made) == 1
    text = made.pop()
    assert text.count(mending.MARK) == 2
    assert b'1,"x\r\ny"\r\n' in text
    assert text.endswith(b"4,z\r\n5,w")


def test_a_stream_gives_as_much_as_it_is_asked_for() -> None:
    stream = Stream([b"ab", b"", b"cdef", b"g"])
    assert [stream.read(3), stream.read(3), stream.read(), stream.read(2)] == [
        b"abc",
        b"def",
        b"g",
        b"",
    ]


def test_a_cell_of_parquet_that_is_no_text_costs_its_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    texts = pa.array([b"x", b"\xff\\", b"z"]).view(pa.string())
    pq.write_table(pa.table({"a": ["1", "2", "3"], "n": [1, 2, 3], "b": texts}), path)
    found = read(path)
    assert rows_of(found) == ["1", "3"]
    assert unread(found) == [(2, r"2|2|\xff\\", NO_TEXT)]


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
def test_a_record_of_json_that_is_no_text_costs_itself_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = [b'{"a": "1"}', b'{"a": "\xff\\\\"}', b'{"a": "\xc3\xbc"}']
    whole = b"\n".join(rows) if name == "x.jsonl" else b"[" + b",\n".join(rows) + b"]"
    path.write_bytes(whole)
    found = read(path, layout=Layout(other="csv"))
    assert rows_of(found) == ["1", "ü"]
    ((line, text, why),) = unread(found)
    assert (line, why) == (2, NO_TEXT)
    assert unescaped(text) == rows[1]


def test_a_table_without_a_good_row_tells_every_row(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1;2\n3;4\n")
    found = read(path)
    assert [len(batch.table) for batch in found] == [0]
    assert [(line, text) for line, text, _ in unread(found)] == [(2, "1;2"), (3, "3;4")]


def test_what_divides_cells_is_told_by_the_headings(tmp_path: Path) -> None:
    """Not by the longest row, which may have signs of its own in a cell."""
    path = tmp_path / "x.txt"
    path.write_text("a|b\n1|cpu=1,gpu=2,mem=3\n2|x,y,z,w,v\n")
    layout = Layout(is_heading=lambda cell: cell in ("a", "b"), other="csv", separators=",|")
    assert rows_of(read(path, layout=layout)) == ["1", "2"]
