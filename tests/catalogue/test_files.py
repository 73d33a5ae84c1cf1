from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import computebill as cb
from computebill.batches.pieces import find_pieces
from computebill.batches.reading import read_batches
from computebill.catalogue import batch
from computebill.cli import main

HEADINGS = ["Model", "Organization", "Training compute (FLOP)", "Training hardware"]


def catalogue(path: Path, rows: int, first: int = 0, **changes: str) -> Path:
    frame = pd.DataFrame(
        {
            "Model": [f"m{i}" for i in range(first, first + rows)],
            "Organization": "Meta AI",
            "Training compute (FLOP)": [f"{i + 1}e22" for i in range(rows)],
            "Training hardware": "NVIDIA H100 SXM5 80GB",
        }
        | changes,
        dtype="string",
    )
    if path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=max(1, rows // 4))
    else:
        frame.to_csv(path, index=False)
    return path


def models(folder: Path) -> list[str]:
    parts = [pd.read_parquet(part)["Model"] for part in sorted(folder.glob("part-*.parquet"))]
    return sorted(pd.concat(parts).tolist())


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_one_bad_file_does_not_stop_a_folder_and_is_made_again_when_mended(tmp_path: Path) -> None:
    sources, out = tmp_path / "in", tmp_path / "out"
    sources.mkdir()
    for place in range(3):
        catalogue(sources / f"{place}.parquet", 40, 40 * place)
    whole = (sources / "1.parquet").read_bytes()
    (sources / "1.parquet").write_bytes(whole[:-200])
    found = cb.score_files([sources], out, rows=10)
    assert list(found.unread_files) == [str(sources / "1.parquet")]
    assert found.rows_scored == 80
    done = CliRunner().invoke(main, ["score", str(sources), "-o", str(tmp_path / "again")])
    assert done.exit_code == 1
    assert "1.parquet: cannot be read" in done.stderr
    assert "Traceback" not in done.output
    (sources / "1.parquet").write_bytes(whole)
    mended = cb.score_files([sources], out, rows=10, resume=True)
    assert not mended.unread_files
    assert mended.rows_scored == 120
    assert models(out) == sorted(f"m{i}" for i in range(120))
    assert cb.score_files([sources], out, rows=10, resume=True).to_dict() | {
        "seconds": 0
    } == mended.to_dict() | {"seconds": 0}


def test_a_page_that_cannot_be_read_leaves_the_other_row_groups(tmp_path: Path) -> None:
    source, out = catalogue(tmp_path / "x.parquet", 4000), tmp_path / "out"
    data = bytearray(source.read_bytes())
    group = pq.ParquetFile(source).metadata.row_group(1).column(0)
    start = group.dictionary_page_offset or group.data_page_offset
    data[start : start + 40] = b"\xff" * 40
    source.write_bytes(bytes(data))
    found = cb.score_files([source], out, rows=1000)
    assert "cannot be read" in found.unread_files[str(source)]
    assert found.rows_scored == 3000
    with pytest.raises(cb.RequestError, match=r"x\.parquet: cannot be read"):
        cb.score_files([source], tmp_path / "one.parquet", rows=1000)
    assert left_in(tmp_path) == {"x.parquet", "out"}


def test_rows_that_something_goes_wrong_with_are_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_rows = batch.score_rows

    def fragile(table: Any, *others: Any) -> Any:
        if {"b1", "b2"} & set(table["Model"].to_pylist()):
            raise ZeroDivisionError("a cell that nobody thought of")
        return score_rows(table, *others)

    monkeypatch.setattr(batch, "score_rows", fragile)
    source = catalogue(tmp_path / "x.csv", 100)
    frame = pd.read_csv(source, dtype="string")
    frame.loc[[3, 97], "Model"] = ["b1", "b2"]
    frame.to_csv(source, index=False)
    found = cb.score_files([source], tmp_path / "out.parquet", rows=30)
    assert (found.rows_scored, found.rows_rejected) == (98, 2)
    reason = "could not be scored: ZeroDivisionError: a cell that nobody thought of"
    assert found.reasons == {reason: 2}
    rejects = pd.read_csv(str(found.rejects_file))
    assert rejects["Model"].tolist() == ["b1", "b2"]
    scored = pd.read_parquet(tmp_path / "out.parquet")
    assert scored["Model"].tolist() == [f"m{i}" for i in range(100) if i not in (3, 97)]
    assert cb.score_catalogue(frame).rows_rejected == 2


def test_a_fault_of_every_row_ends_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def broken(table: Any, rows: int, *others: Any) -> Any:
        calls.append(rows)
        raise ZeroDivisionError

    monkeypatch.setattr(batch, "score_rows", broken)
    found = cb.score_files([catalogue(tmp_path / "x.csv", 5000)], tmp_path / "out.parquet")
    assert found.rows_rejected == 5000
    assert len(calls) < 400


def test_a_folder_of_profiles_that_is_none_is_no_rows_fault(tmp_path: Path) -> None:
    source = catalogue(tmp_path / "x.csv", 3)
    with pytest.raises(cb.RequestError, match=r"profiles: '.*' is not a directory"):
        cb.score_files([source], tmp_path / "out.parquet", profiles=[tmp_path / "none"])


def test_a_table_of_something_else_does_not_stop_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    catalogue(tmp_path / "in" / "a.csv", 3)
    (tmp_path / "in" / "b.csv").write_text("x,y\n1,2\n")
    found = cb.score_files([tmp_path / "in"], tmp_path / "out")
    assert found.rows_scored == 3
    (reason,) = found.unread_files.values()
    assert "got x, y; none is a field's" in reason
    with pytest.raises(cb.RequestError, match=r"b\.csv: headings: got x, y"):
        cb.score_files([str(tmp_path / "in" / "*.csv")], tmp_path / "out.csv")


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit on the size of files ends a write as a full disk does."""
    source = catalogue(tmp_path / "x.csv", 3000)
    script = (
        "import resource, sys\n"
        "from computebill.cli import main\n"
        "import computebill.catalogue, computebill.views.score\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "for target in sys.argv[2:]:\n"
        "    try:\n"
        "        main(['score', sys.argv[1], '-o', target])\n"
        "    except SystemExit as stop:\n"
        "        print(stop.code)\n"
    )
    targets = [str(tmp_path / name) for name in ("out.parquet", "out.csv", "parts")]
    command = [sys.executable, "-c", script, str(source), *targets]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    codes = done.stdout.split()
    assert len(codes) == len(targets)
    assert set(codes) <= {"1", "2"}, done.stderr
    assert done.stderr.count("File too large") == len(targets)
    assert "Traceback" not in done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path != source]
    assert [path.name for path in written] in ([], ["sources.json"])
    found = cb.score_files([source], tmp_path / "parts", resume=True)
    assert found.rows_scored == 3000


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    source = catalogue(tmp_path / "x.csv", 3)
    for target in ("x.csv/out.parquet", "x.csv/out", "none/out.csv"):
        done = CliRunner().invoke(main, ["score", str(source), "-o", str(tmp_path / target)])
        assert done.exit_code == 2, done.output
        assert target.split("/")[0] in done.stderr
    assert left_in(tmp_path) == {"x.csv"}


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_file_that_changes_meanwhile_is_told(tmp_path: Path, name: str) -> None:
    source = catalogue(tmp_path / name, 4000)

    def change(_: int) -> None:
        os.utime(source, ns=(0, 0))

    with pytest.raises(cb.RequestError, match="changed while it was read"):
        cb.score_files([source], tmp_path / "out.parquet", rows=500, progress=change)
    assert left_in(tmp_path) == {name}


def test_columns_that_come_later_are_never_lost(tmp_path: Path) -> None:
    catalogue(tmp_path / "a.csv", 3)
    catalogue(tmp_path / "b.csv", 3, Extra="kept")
    with pytest.raises(cb.RequestError, match="rows have the column 'Extra', which the first"):
        cb.score_files([str(tmp_path / "*.csv")], tmp_path / "out.parquet")
    assert left_in(tmp_path) == {"a.csv", "b.csv"}
    cb.score_files([str(tmp_path / "*.csv")], tmp_path / "out")
    parts = sorted((tmp_path / "out").glob("*.parquet"))
    assert pd.read_parquet(parts[1])["Extra"].tolist() == ["kept"] * 3
    # The fewer columns second are no loss.
    found = cb.score_files([tmp_path / "b.csv", tmp_path / "a.csv"], tmp_path / "out.csv")
    assert pd.read_csv(tmp_path / "out.csv")["Extra"].isna().sum() == found.rows_scored - 3


def test_lines_of_later_batches_are_rejected_as_they_stand(tmp_path: Path) -> None:
    source = catalogue(tmp_path / "x.csv", 50)
    lines = source.read_text().splitlines()
    lines.insert(2, "m,,nothing,")
    lines.insert(40, "one,two")
    lines.append("three")
    source.write_text("\n".join(lines))
    found = cb.score_files([source], tmp_path / "out.csv", rows=10)
    assert (found.rows_scored, found.rows_rejected) == (50, 3)
    rejects = pd.read_csv(str(found.rejects_file))
    assert rejects["line"].dropna().tolist() == ["one,two", "three"]
    folder = tmp_path / "out"
    cb.score_files([source], folder, rows=10)
    told = [pd.read_csv(part)["line"].dropna() for part in sorted(folder.glob("*.csv"))]
    assert sorted(pd.concat(told).tolist()) == ["one,two", "three"]


def test_cells_divided_by_semicolons_have_decimal_commas(tmp_path: Path) -> None:
    source = tmp_path / "x.csv"
    source.write_text(
        "\ufeffModel;Params;Training tokens;Release date\n"
        "a;72,7B;14,8 T;11.12.2023\nb;7,25B;2;12.2023\nc;7,3;1.234,5;2024\nd;1;2;3;4\n"
    )
    for target in (tmp_path / "out.parquet", tmp_path / "parts"):
        found = cb.score_files([source], target)
        assert (found.rows_scored, found.rows_rejected) == (3, 1)
        assert found.reasons == {"has 5 cells, where there are 4 headings": 1}
    rows = pd.read_parquet(tmp_path / "out.parquet")
    flop = [6 * 72.7e9 * 14.8e12, 6 * 7.25e9 * 2, 6 * 7.3 * 1234.5]
    assert rows["flop_p50"].tolist() == pytest.approx(flop)
    assert rows["Params"].tolist() == ["72,7B", "7,25B", "7,3"]


def test_a_semicolon_in_a_heading_divides_nothing(tmp_path: Path) -> None:
    source = tmp_path / "x.csv"
    source.write_text("Model,FLOP,a;b\nm,1e24,x;y\n")
    cb.score_files([source], tmp_path / "out.csv")
    assert pd.read_csv(tmp_path / "out.csv")["a;b"].tolist() == ["x;y"]


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet", "x.jsonl"])
@pytest.mark.parametrize(
    ("proof", "day"), [("25/04/2024", "2023-04-03"), ("04/25/2024", "2023-03-04")]
)
def test_dates_do_not_hang_on_the_batch_they_came_in(
    tmp_path: Path, name: str, proof: str, day: str
) -> None:
    """What proves the order comes after all that it decides, batches and row groups later."""
    frame = pd.DataFrame(
        {
            "Model": [f"m{i}" for i in range(40)],
            "FLOP": "1e24",
            "Date": ["03/04/2023"] * 39 + [proof],
        },
        dtype="string",
    )
    source = tmp_path / name
    if name.endswith(".parquet"):
        frame.to_parquet(source, row_group_size=7)
    elif name.endswith(".jsonl"):
        frame.to_json(source, orient="records", lines=True)
    else:
        frame.to_csv(source, index=False)
    whole = cb.score_catalogue(frame).summary.largest
    assert set(whole["date"].astype(str)[:39]) == {day}
    for rows in (8, 1000):
        out = tmp_path / f"parts{rows}"
        for resume in (False, True):
            found = cb.score_files([source], out, rows=rows, resume=resume)
            assert found.summary.largest["date"].tolist() == whole["date"].tolist()
        parts = [pd.read_parquet(part) for part in sorted(out.glob("part-*.parquet"))]
        notes = pd.concat(parts)["notes"][:39].unique().tolist()
        told = f"{pd.Timestamp(day):%d %B %Y}"
        assert notes == [f"Date: read as {told}, as others of the column"]


def test_texts_of_every_length_come_out_of_csv_harmless(tmp_path: Path) -> None:
    source = tmp_path / "x.parquet"
    cells = ["=1+1", "-2", None, "plain", "@x"]
    for kind in (pa.string(), pa.large_string()):
        columns = {"=Model": pa.array(cells, kind), "FLOP": pa.array([1e24, 0, 0, 2e24, 0])}
        pq.write_table(pa.table(columns), source)
        found = cb.score_files([source], tmp_path / "out.csv")
        assert found.rows_rejected == 3
        names = [pd.read_csv(tmp_path / f"out{end}")["'=Model"] for end in (".csv", ".rejects.csv")]
        assert [each.fillna("").tolist() for each in names] == [
            ["'=1+1", "plain"],
            ["-2", "", "'@x"],
        ]


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet", "x.jsonl"])
def test_progress_is_told_in_bytes_that_add_up(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    if name.endswith(".jsonl"):
        frame = pd.read_csv(catalogue(tmp_path / "y.csv", 2000), dtype="string")
        frame.to_json(source, orient="records", lines=True)
    else:
        catalogue(source, 2000)
    told: list[int] = []
    cb.score_files([source], tmp_path / "out", rows=100, progress=told.append)
    assert len(told) >= 20
    assert sum(told) == pytest.approx(source.stat().st_size, rel=0.02)


cells = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.floats().map(str),
    st.sampled_from(["1e60", "-3", "inf", "=1+1", "NVIDIA H100", "2024-01-01", "1e24,2e24", "0"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[cells] * 8), min_size=1, max_size=12))
def test_any_mixture_of_cells_gives_each_row_once(rows: list[tuple[str | None, ...]]) -> None:
    headings = [*HEADINGS, "Publication date", "Parameters", "Hardware quantity", "Domain"]
    frame = pd.DataFrame(rows, columns=headings, dtype="string")
    found = cb.score_catalogue(frame)
    assert found.scored is not None
    assert found.rejects is not None
    assert not any("could not be scored" in reason for reason in found.reasons)
    assert found.rows_in == len(rows) == len(found.scored) + len(found.rejects)
    known = found.scored["flop_p50"].dropna()
    assert (known > 0).all()
    ordered = found.scored[["flop_p5", "flop_p50", "flop_p95"]].dropna()
    assert (ordered["flop_p5"] <= ordered["flop_p95"]).all()


@pytest.mark.parametrize("groups", [[10], [3, 3, 3, 3, 3, 3], [1, 30, 2, 2]], ids=str)
def test_pieces_hold_every_row_group_once(tmp_path: Path, groups: list[int]) -> None:
    source = tmp_path / "x.parquet"
    frame = pd.read_csv(catalogue(tmp_path / "x.csv", sum(groups)), dtype="string")
    schema = None
    writer: Any = None
    start = 0
    for rows in groups:
        table = pa.Table.from_pandas(frame.iloc[start : start + rows], preserve_index=False)
        schema = schema or table.schema
        writer = writer or pq.ParquetWriter(source, schema)
        writer.write_table(table)
        start += rows
    writer.close()
    pieces = find_pieces(source, 5)
    assert sum(piece.rows or 0 for piece in pieces) == sum(groups)
    assert all((piece.rows or 0) >= 5 for piece in pieces[:-1])
    read = [
        row for piece in pieces for each in read_batches(piece, 5) for row in each.table["Model"]
    ]
    assert [row.as_py() for row in read] == frame["Model"].tolist()


def test_json_lines_keep_their_digits(tmp_path: Path) -> None:
    source, exact = tmp_path / "x.jsonl", 12345678901234567890123
    rows = [
        {"Model": "a", "FLOP": exact},
        {"Model": "b", "FLOP": "2e24"},
        {"Model": 3, "FLOP": 1e24},
    ]
    source.write_text("\n".join(json.dumps(row) for row in rows))
    cb.score_files([source], tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert found["FLOP"].tolist() == [str(exact), "2e24", "1e+24"]
    assert found["flop_p50"].tolist() == pytest.approx([exact, 2e24, 1e24])


def test_parts_go_by_the_order_of_the_files(tmp_path: Path) -> None:
    a, b = catalogue(tmp_path / "a.csv", 3), catalogue(tmp_path / "b.csv", 3, 3)
    out = tmp_path / "out"
    cb.score_files([a, b], out)
    with pytest.raises(cb.RequestError, match="parts are of other catalogues"):
        cb.score_files([b, a], out, resume=True)
    assert models(out) == [f"m{i}" for i in range(6)]


def test_longer_cells_are_read_without_a_trace(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    path = catalogue(tmp_path / "c.csv", 3, **{"Notes": "m" * 200_000})
    assert cb.score_files([path], tmp_path / "o.csv").rows_scored == 3
    assert csv.field_size_limit() == before


def test_a_file_counts_once_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = catalogue(tmp_path / "x.csv", 3)
    monkeypatch.chdir(tmp_path)
    names = [source, "x.csv", f"../{tmp_path.name}/x.csv", "*.csv"]
    assert cb.score_files(names, tmp_path / "out.parquet").rows_in == 3
    for output in ("../" + tmp_path.name + "/x.csv", "x.parquet"):
        inputs = [source if output.endswith(".csv") else source.rename("x.rejects.csv")]
        with pytest.raises(cb.RequestError, match="one of the catalogues"):
            cb.score_files(inputs, Path(output))


def test_rejects_of_another_time_do_not_stay(tmp_path: Path) -> None:
    dirty, clean = tmp_path / "dirty.csv", catalogue(tmp_path / "clean.csv", 3)
    dirty.write_text("Model,FLOP\na,1e24\nb,\n")
    out = tmp_path / "out.csv"
    assert cb.score_files([dirty], out).rows_rejected == 1
    assert (tmp_path / "out.rejects.csv").exists()
    assert cb.score_files([clean], out).rows_rejected == 0
    assert left_in(tmp_path) == {"dirty.csv", "clean.csv", "out.csv"}


def test_a_folder_in_any_state_is_gone_on_with_or_told_of(tmp_path: Path) -> None:
    source, out = catalogue(tmp_path / "x.csv", 50), tmp_path / "out"
    cb.score_files([source], out, rows=10)
    part = out / "part-00000-00000-00002.parquet"
    part.write_bytes(part.read_bytes()[:-50])
    (out / ".half.part-00000-00000-00004.parquet").write_bytes(b"PAR1")
    assert cb.score_files([source], out, rows=10, resume=True).rows_scored == 50
    assert models(out) == sorted(f"m{i}" for i in range(50))
    assert not list(out.glob(".*"))
    for manifest in ("[]", "{}", "nothing"):
        (out / "sources.json").write_text(manifest)
        with pytest.raises(cb.RequestError, match=r"-o: got .*, which cannot be used"):
            cb.score_files([source], out, rows=10, resume=True)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.jsonl"])
@pytest.mark.parametrize("target", ["out.parquet", "out.csv", "out"])
def test_nothing_to_score_is_told(tmp_path: Path, name: str, target: str) -> None:
    source = tmp_path / name
    if name == "x.parquet":
        pd.DataFrame({"Model": pd.Series(dtype="string")}).to_parquet(source)
    else:
        source.write_text("" if name == "x.jsonl" else "Model,FLOP\n")
    with pytest.raises(cb.RequestError, match="has no rows; nothing to score"):
        cb.score_files([source], tmp_path / target)
    assert not list(tmp_path.glob("out.*"))


def test_json_lines_of_half_characters_and_fewer_keys(tmp_path: Path) -> None:
    source = tmp_path / "x.jsonl"
    rows = [{"Model": f"m{i}", "work": 1e24} for i in range(8)]
    rows += [{"Model": "\ud800", "FLOP": "1e24"}, {"Model": "m", "\ud800": 1}]
    source.write_text("\n".join(json.dumps(row) for row in rows))
    found = cb.score_files([source], tmp_path / "out", rows=4, mapping={"flop": "work"})
    assert (found.rows_scored, found.rows_rejected) == (9, 1)


def test_moments_with_zones_come_out_of_csv(tmp_path: Path) -> None:
    moments = pa.array([0], pa.timestamp("s", tz="Nowhere/At all"))
    table = pa.table({"Model": ["a"], "FLOP": [1e24], "when": moments})
    pq.write_table(table, tmp_path / "x.parquet")
    cb.score_files([tmp_path / "x.parquet"], tmp_path / "out.csv")
    assert pd.read_csv(tmp_path / "out.csv")["when"].tolist() == ["1970-01-01 00:00:00.000Z"]


def test_a_command_that_is_asked_to_end_leaves_nothing_behind(tmp_path: Path) -> None:
    source = catalogue(tmp_path / "x.csv", 400_000)
    command = [sys.executable, "-m", "computebill.cli", "score", str(source), "-o"]
    process = subprocess.Popen([*command, str(tmp_path / "out.csv")])
    while not [path for path in tmp_path.iterdir() if path.name.startswith(".")]:
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    assert left_in(tmp_path) == {"x.csv"}


def test_what_cannot_be_drawn_or_reached_is_told_before_anything_is_scored(tmp_path: Path) -> None:
    source, out = catalogue(tmp_path / "x.csv", 3), tmp_path / "out.csv"
    flags = ["score", str(source), "-o", str(out)]
    for more, told in (
        (["--plot", str(tmp_path / "none" / "x.png")], "its folder does not exist"),
        (["--address", "127.0.0.1:1"], "give --engine ray too"),
    ):
        done = CliRunner().invoke(main, [*flags, *more])
        assert done.exit_code == 2
        assert told in done.stderr
        assert not out.exists()
    source.write_text("Model,FLOP\na,\n")
    done = CliRunner().invoke(main, [*flags, "--plot", str(tmp_path / "x.png")])
    assert done.exit_code == 2
    assert "no row was scored" in done.stderr


@pytest.mark.parametrize(
    ("before", "line"),
    [("Our models\n", 2), ("Our models,,\n\nas of 2024,,\n", 4), ('"A title\nof two lines"\n', 3)],
)
def test_headings_below_a_title_are_found_and_told(tmp_path: Path, before: str, line: int) -> None:
    path = tmp_path / "titled.csv"
    path.write_text(f"{before}Model,Params,Training tokens\nA,70B,15T\nB,7B,2T\n")
    found = cb.score_files([path], tmp_path / "out.csv")
    assert (found.rows_scored, found.rows_rejected) == (2, 0)
    assert found.remarks[f"headings read from line {line}"] == 2


def test_a_first_line_that_names_a_field_is_the_headings(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("Model,What\nParams,Tokens\nA,x\n")
    with pytest.raises(cb.RequestError, match="none is a field's"):
        cb.score_files([path], tmp_path / "out.csv")
    path.write_text("Params,What\nParams,Tokens\n70B,x\n")
    assert "headings read" not in str(cb.score_files([path], tmp_path / "out.csv").remarks)


MESSY = (
    "A catalogue of ours\r\n"
    "Model,Parameters,Training tokens,Hardware,Notes\r\n"
    'A,7B,2T,H100,"two\nlines"\r\n'
    "\r\n"
    "B,-5,,,x\r\n"
    "C,7B\r\n"
    ",, ,,\r\n"
    'D,,,H100,"three\n""quoted""\nlines"\r\n'
    "E,7B,2T,H100,x\r\n"
    "F,,-3,,x\r\n"
)
"""Rejects in lines 6, 7, 9 and 13, as an editor counts them; line 8 is blank."""


@pytest.mark.parametrize("rows", [2, 100])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_rejects_tell_their_line_and_the_cell(tmp_path: Path, rows: int, ending: str) -> None:
    source = tmp_path / f"x{ending}"
    source.write_bytes(gzip.compress(MESSY.encode()) if ending.endswith("gz") else MESSY.encode())
    found = cb.score_files([source], tmp_path / "out.csv", rows=rows)
    assert (found.rows_in, found.rows_scored, found.rows_rejected) == (6, 2, 4)
    rejects = pd.read_csv(str(found.rejects_file)).sort_values("source_line")
    assert rejects["source_line"].tolist() == [6, 7, 9, 13]
    told = MESSY.replace("\r\n", "\n").split("\n")
    for line, model in zip(rejects["source_line"], "BCDF", strict=True):
        assert told[line - 1].startswith(f"{model},")
    by_line = rejects.set_index("source_line")
    assert by_line.loc[6, "row_cells"] == "Parameters '-5'"
    assert by_line.loc[13, "row_cells"] == "Training tokens '-3'"
    assert pd.isna(by_line.loc[9, "row_cells"])
    assert by_line.loc[7, "line"] == "C,7B"


def test_blank_rows_are_no_rejects(tmp_path: Path) -> None:
    source = tmp_path / "x.csv"
    source.write_text("Model,Training compute (FLOP),Extra\nA,1e24,\n,,\n , ,\n,,kept\n")
    found = cb.score_files([source], tmp_path / "out.csv")
    assert (found.rows_in, found.rows_scored, found.rows_rejected) == (2, 1, 1)
    assert found.remarks["blank rows left out"] == 2
    assert list(found.to_dict()["reasons"].values()) == [1]


def test_rejects_of_json_lines_tell_theirs(tmp_path: Path) -> None:
    source = tmp_path / "x.jsonl"
    lines = ['{"Model": "A", "Parameters": "7B", "Training tokens": "2T"}', "", "[1]"]
    lines += ['{"Model": "B", "Parameters": "-5"}', "no json"]
    source.write_text("\n".join(lines))
    found = cb.score_files([source], tmp_path / "out.csv")
    rejects = pd.read_csv(str(found.rejects_file)).sort_values("source_line")
    assert rejects["source_line"].tolist() == [3, 4, 5]


def test_rows_of_parquet_have_no_line(tmp_path: Path) -> None:
    source = tmp_path / "x.parquet"
    frame = pd.DataFrame({"Model": ["A", "B"], "Parameters": [7e9, None], "Tags": [["a"], None]})
    frame["Training tokens"] = [2e12, None]
    frame.to_parquet(source)
    found = cb.score_files([source], tmp_path / "out.csv")
    assert pd.read_csv(str(found.rejects_file))["source_line"].isna().all()


def test_a_row_that_is_no_text_is_set_aside_with_its_line(tmp_path: Path) -> None:
    source = tmp_path / "x.csv"
    source.write_bytes(b"Model,FLOP\nm0,1e24\nJ\xfcrgen,1e24\nm2,1e24\n")
    found = cb.score_files([source], tmp_path / "out.parquet")
    assert (found.rows_scored, found.rows_rejected) == (2, 1)
    rejects = pd.read_csv(str(found.rejects_file)).iloc[0]
    assert r"J\xfcrgen,1e24" in rejects.tolist()
    assert 3 in rejects.tolist()
