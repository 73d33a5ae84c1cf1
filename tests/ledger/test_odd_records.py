"""Records as they should not be: what is wrong is named, and no row of the others is lost."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from computebill.cli import main
from computebill.ledger import read_ledger
from computebill.ledger.account import Options, Running

HEAD = "JobID|JobName|User|Account|Partition|State|Submit|Start|End|Elapsed|NNodes|AllocTRES"


def job(
    number: object,
    name: str = "train",
    times: str = "2024-01-01T01:00:00|2024-01-01T03:00:00|02:00:00",
    state: str = "COMPLETED",
    tres: str = "cpu=96,gres/gpu=8,gres/gpu:h100=8",
) -> str:
    return f"{number}|{name}|ann|alpha|gpu|{state}|2024-01-01T00:30:00|{times}|1|{tres}"


def table(path: Path, *rows: str | bytes, head: str = HEAD) -> Path:
    lines = [each if isinstance(each, bytes) else each.encode() for each in (head, *rows)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def told(*arguments: object) -> dict[str, Any]:
    """What the command says; every row is used or rejected."""
    result = CliRunner().invoke(main, ["ledger", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["rows_in"] == found["rows_used"] + sum(found["reasons"].values())
    return found


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["ledger", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output


def test_rows_that_are_no_text_are_in_the_rejects_with_their_bytes(tmp_path: Path) -> None:
    rows = [job(1), job(2, name="Jürgen").encode("latin-1"), job(3), b"4|\xff", job(5, name="ü")]
    path = table(tmp_path / "a.txt", *rows)
    rejects = tmp_path / "rejects.csv"
    found = told(path, "--rejects", rejects)
    assert (found["rows_in"], found["rows_used"], found["gpu_hours"]) == (5, 3, 48.0)
    with rejects.open(newline="", encoding="utf-8") as file:
        lost = list(csv.DictReader(file))
    assert [row["line"] for row in lost] == ["3", "5"]
    assert "J\\xfcrgen" in lost[0]["text"]
    assert lost[1]["text"] == "4|\\xff"


def test_records_of_windows_in_two_bytes_a_letter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\r\n".join([HEAD, job(1, name="ü"), job(2)]).encode("utf-16"))
    assert told(path)["gpu_hours"] == 32.0


def test_headings_that_are_not_there_are_asked_for_and_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"{job(1)}\n{job(2)}\n")
    assert "its first line is no heading" in refused(path)
    assert told(path, "--columns", HEAD.replace("|", ","))["gpu_hours"] == 32.0


def test_rows_divided_by_another_sign_are_told(tmp_path: Path) -> None:
    rows = [job(1), job(2).replace("|", ";"), job(3).replace("|", "\t"), job(4)]
    found = told(table(tmp_path / "a.txt", *rows))
    assert found["rows_used"] == 2
    assert found["reasons"] == {"has 1 cells, where there are 12 headings": 2}
    whole = told(table(tmp_path / "b.txt", *rows[1:2], head=HEAD))
    assert (whole["rows_used"], whole["rejects"][0]["text"]) == (0, rows[1])


def test_records_of_no_use_at_all_are_an_answer(tmp_path: Path) -> None:
    """Of a table without a good row: every output, and no figure that is none."""
    path = table(tmp_path / "a.txt", "1;2", "3;4")
    for flags in ([], ["--brief"], ["-o", "e.csv"], ["-o", "e.xlsx"], ["--html", "e.html"]):
        files = [str(tmp_path / each) if each.startswith("e.") else each for each in flags]
        result = CliRunner().invoke(main, ["ledger", str(path), *files])
        assert result.exit_code == 0, result.output
    assert told(path)["gpu_hours"] == 0.0
    brief = CliRunner().invoke(main, ["ledger", str(path), "--brief"]).output
    assert brief.startswith("None of 2 rows could be used: it has 1 cells")


def test_runs_that_tell_flop_alone_cost_nobody_knows_what(tmp_path: Path) -> None:
    head, rows = "name,params,tokens", ("a,1e9,1e10", "b,2e9,1e10")
    path = table(tmp_path / "runs.csv", *rows, head=head)
    found = told(path)
    assert (found["cost_usd"], found["energy_mwh"]) == (None, None)
    assert found["flop"]["p50"] == pytest.approx(6 * 3e9 * 1e10)
    assert [each["name"] for each in found["largest"]] == ["b", "a"]
    brief = CliRunner().invoke(main, ["ledger", str(path), "--brief"]).output
    assert brief == "2 rows tell 1.80e20 FLOP, and no accelerator-hours.\n"


def test_a_duration_that_is_none_is_told(tmp_path: Path) -> None:
    times = "2024-01-01T01:00:00|2024-01-01T03:00:00|soon"
    found = told(table(tmp_path / "a.txt", job(1, times=times)))
    assert found["gpu_hours"] == 16.0
    assert found["remarks"]["its duration is no time; it is left out"] == 1


def test_a_cost_that_is_none_is_told_and_stays_out_of_the_sentence(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "a,8,2,x", "b,8,1,5", head="id,gpus,hours,cost")
    assert told(path)["remarks"] == {"its cost is no number; it is left out": 1}
    brief = CliRunner().invoke(main, ["ledger", str(path), "--brief"]).output
    assert brief.startswith("24.0 accelerator-hours of 2 rows; 8.00 of them cost $5.00")


def test_a_capacity_that_is_less_than_what_ran_is_refused(tmp_path: Path) -> None:
    times = "2024-01-01T01:00:00|2024-01-01T03:00:00|02:00:00"
    path = table(tmp_path / "a.txt", job(1, times=times))
    assert "--capacity: is 10 accelerator-hours, and jobs took 16" in refused(
        path, "--capacity", "10h"
    )
    found = told(path, "--capacity", "8")
    assert found["capacity"]["idle_share"] == 0.0
    assert "capacity" in [each["name"] for each in found["assumptions"]]


@pytest.mark.parametrize(
    ("times", "hours", "what"),
    [
        ("2024-01-01T03:00:00|2024-01-01T01:00:00|02:00:00", 16.0, "ends before it starts; its"),
        ("2024-01-01T03:00:00|2024-01-01T01:00:00|", 0.0, "ends before it starts, and tells"),
        ("2024-01-01T03:00:00|2024-01-01T01:00:00|-02:00:00", 0.0, "ends before it starts, and"),
        ("2024-01-01T01:00:00|2024-01-01T03:00:00|99999999-00:00:00", 0.0, "above twenty years"),
        ("2024-01-01T01:00:00|Unknown|02:00:00", 16.0, "has no end; its duration is used"),
        ("2024-01-01T01:00:00|Unknown|", 0.0, "tells no duration, and not both start and end"),
    ],
)
def test_clocks_that_go_backwards_and_jobs_without_end(
    tmp_path: Path, times: str, hours: float, what: str
) -> None:
    found = told(table(tmp_path / "a.txt", job(1, times=times)))
    assert found["gpu_hours"] == hours
    assert any(what in each for each in (*found["reasons"], *found["remarks"]))


@pytest.mark.parametrize("count", ["8K", "nan", "-8", "1e400", "", str(10**30)])
def test_a_count_that_is_none_is_no_job_without_accelerators(tmp_path: Path, count: str) -> None:
    good = job(1, tres="gres/gpu=8,gres/gpumem=80G,gres/gpuutil=95")
    found = told(table(tmp_path / "a.txt", good, job(2, tres=f"cpu=1,gres/gpu:h100={count}")))
    assert (found["rows_used"], found["gpu_hours"]) == (1, 16.0)
    assert next(iter(found["reasons"])).startswith(
        ("tells no number of acc", "its accelerators are")
    )


def test_a_regular_expression_that_would_never_end(tmp_path: Path) -> None:
    """RE2 has no backtracking: (a|a)*b of many letters takes no time; what needs it is refused."""
    path = table(tmp_path / "a.txt", *(job(n, name="a" * 5000 + "!") for n in range(20)))
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nkind = "final run"\nname = "^(a|a)*b$|(a+)+$"\n')
    assert told(path, "--rules", rules)["by_kind"].keys() == {"unknown"}
    for wrong in (r"(a)\\1", "(?=a)b", "((a{1,1000}){1,1000}){1,1000}", "["):
        rules.write_text(f'[[rule]]\nkind = "final run"\nname = "{wrong}"\n')
        assert "rule[0].name" in refused(path, "--rules", rules)


def test_names_that_a_spreadsheet_would_run_in_every_csv(tmp_path: Path) -> None:
    path = table(tmp_path / "a.txt", job("=1+1", name="=cmd!A0"), "=cmd|x", job(3, name="+x"))
    kept = tmp_path / "kept"
    paths = [tmp_path / "out.csv", tmp_path / "rejects.csv"]
    told(path, "-o", paths[0], "--rejects", paths[1])
    told(path, "--keep", kept)
    for written in (*paths, *kept.glob("*.csv")):
        with written.open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t"))]
    assert "'=cmd" in paths[0].read_text()
    assert "'=cmd" in paths[1].read_text()


def test_a_file_that_grew_is_read_anew_when_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from computebill.ledger import work

    path, other = table(tmp_path / "a.txt", job(1), job(2)), table(tmp_path / "b.txt", job(7))
    plain = work.read_batches

    def growing(piece: Any, rows: int) -> Any:
        yield from plain(piece, rows)
        if piece.path == path:
            table(path, job(1), job(2), job(3))
            yield from plain(piece, rows)  # says that it is another file now

    monkeypatch.setattr(work, "read_batches", growing)
    running = Running(keep=tmp_path / "kept")
    first = read_ledger([path, other], None, Options(running=running))
    assert first.unread_files == {str(path): "changed while it was read"}
    monkeypatch.undo()
    again = Running(keep=tmp_path / "kept", resume=True)
    found = read_ledger([path, other], None, Options(running=again))
    assert (found.unread_files, found.rows_used, found.total.gpu_hours) == ({}, 4, 64.0)
