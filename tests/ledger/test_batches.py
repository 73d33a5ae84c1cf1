"""However records are cut into batches, kept or coded, the answer is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest

from computebill.batches import reading
from computebill.batches.pieces import find_pieces
from computebill.batches.reading import read_batches
from computebill.ledger import read_ledger
from computebill.ledger.account import Options, Running
from computebill.ledger.gather import TWICE
from computebill.ledger.plan import Asked, layout_of
from computebill.ledger.pricing import Prices

HEAD = "JobID|JobName|User|State|Start|End|Elapsed|AllocTRES"
TIMES = "2024-01-01T01:00:00|2024-01-01T03:00:00"


def job(number: object, name: str = "train", elapsed: str = "02:00:00", kind: str = ":h100") -> str:
    return f"{number}|{name}|ann|FAILED|{TIMES}|{elapsed}|gres/gpu{kind}=8"


def sacct(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return path


def answer(path: Path, running: Running) -> dict[str, Any]:
    """Return a ledger's JSON but for what hangs on how it was read."""
    found = read_ledger([path], None, Options(running=running)).to_dict()
    return {**found, "seconds": 0.0, "rejects_file": None}


def test_any_batches_give_the_same_kept_or_not(tmp_path: Path) -> None:
    rows = [job(number // 2, name=f"run{number % 5}") for number in range(40)]
    rows += [job("19.batch"), job("", name="nobody's"), "cut|short"]
    path = sacct(tmp_path / "a.txt", *rows)
    whole = answer(path, Running())
    assert whole["joined"] == {TWICE: 20, "steps of a job": 1}
    assert whole["reasons"].keys() == {"has no JobID", "has 2 cells, where there are 8 headings"}
    for number, running in enumerate((Running(rows=2), Running(rows=7), Running())):
        for keep in (None, tmp_path / f"kept{number}"):
            assert answer(path, replace(running, keep=keep)) == whole


def test_batches_of_a_row_each(tmp_path: Path) -> None:
    path = sacct(tmp_path / "a.txt", *(job(number % 7, name=f"run{number}") for number in range(9)))
    assert answer(path, Running(rows=1)) == answer(path, Running())


@pytest.mark.parametrize("rows", [1, 3, 250_000])
@pytest.mark.parametrize(
    ("ids", "twice"),
    [
        ([(1, 2, 3, 4), (5, 6, 7)], 0),
        ([(1, 2, 3, 4), (4, 5, 6)], 1),
        ([(5, 6, 7), (1, 2, 6)], 1),
        ([(1, 2, 2, 3), (4, 5)], 1),
        ([(1, 5, 9), (2, 5, 8)], 1),
        ([("1_1", "1_2"), ("1_1", 2)], 1),
        ([(1, 2, 3), ("",), (3, 4)], 1),
    ],
)
def test_rows_are_found_twice_whatever_the_order_of_ids(
    tmp_path: Path, rows: int, ids: list[tuple[object, ...]], twice: int
) -> None:
    """Ids that ascend, part after part, are not looked at one by one."""
    for number, each in enumerate(ids):
        sacct(tmp_path / f"{number}.txt", *map(job, each))
    found = read_ledger([tmp_path / "*.txt"], None, Options(running=Running(rows=rows)))
    assert found.joined.get(TWICE, 0) == twice
    assert found.total.jobs == len({one for each in ids for one in each} - {""})


def test_rows_that_are_all_of_no_use_have_an_answer(tmp_path: Path) -> None:
    told = read_ledger([sacct(tmp_path / "a.txt", job(""), job(""))]).to_dict()
    assert (told["rows_in"], told["rows_used"], told["gpu_hours"]) == (2, 0, 0.0)
    assert told["by_project_and_kind"] == told["largest"] == []


def test_a_row_longer_than_what_a_form_is_told_from(tmp_path: Path) -> None:
    found = read_ledger([sacct(tmp_path / "a.txt", job(1, name="n" * (3 << 20)), job(2))])
    assert (found.rows_used, found.rows_rejected) == (2, 0)


def test_batches_of_long_rows_are_of_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 128 << 10)
    texts = [f"{number}" + "x" * (1 << 10) for number in range(300)]
    batches = [pa.record_batch({"text": texts[first : first + 50]}) for first in range(0, 300, 50)]
    tables = list(reading.rebatched(batches, 200))
    assert [text for table in tables for text in table["text"].to_pylist()] == texts
    assert max(table.nbytes for table in tables) <= 130 << 10
    assert min(map(len, tables[:-1])) > 100


def test_what_no_record_names_ran_on_the_accelerator_that_is_given(tmp_path: Path) -> None:
    path = sacct(tmp_path / "a.txt", job(1, kind=""), job(2), job(3, kind=""))
    found = read_ledger([path], None, Options(prices=Prices(accelerator="a100-sxm-80gb")))
    hours = {name: each.gpu_hours for name, each in found.parts["accelerator"].items()}
    assert hours == {"a100-sxm-80gb": 32.0, "h100-sxm": 16.0}


def test_texts_of_parquet_are_those_of_csv(tmp_path: Path) -> None:
    texts = ["ann", None, " bob", "ann", "none"] * 3
    table = pa.table(
        {
            "job": [f"j{number}" for number in range(15)],
            "user": texts,
            "account": pa.array(texts).dictionary_encode(),
            "start": ["2024-01-01T00:00:00"] * 15,
            "duration_h": [1.0] * 15,
            "gpus": [8] * 15,
        }
    )
    pq.write_table(table, tmp_path / "jobs.parquet", row_group_size=4)
    arrow_csv.write_csv(table, tmp_path / "jobs.csv")
    for name in ("jobs.parquet", "jobs.csv"):
        found = read_ledger([tmp_path / name], None, Options(running=Running(rows=5)))
        for by in ("user", "project"):
            hours = {told: each.gpu_hours for told, each in found.parts[by].items()}
            assert hours == {"ann": 48.0, "unknown": 48.0, "bob": 24.0}


def test_codes_whose_texts_are_no_utf8_are_told_as_rows_that_are_none(tmp_path: Path) -> None:
    raw = pa.array([b"ann", b"\xff", b"bob"] * 2, pa.binary())
    bad = pa.Array.from_buffers(pa.string(), 6, raw.buffers())
    path = tmp_path / "jobs.parquet"
    pq.write_table(pa.table({"job": ["a", "b", "c", "d", "e", "f"], "user": bad}), path)
    (piece,) = find_pieces(path, layout=layout_of(Asked()))
    (batch,) = read_batches(piece)
    assert batch.table["user"].to_pylist() == ["ann", "bob"] * 2
    assert [text for text, _ in batch.unread] == [r"b|\xff", r"e|\xff"]
    assert batch.unread_places == [1, 4]
