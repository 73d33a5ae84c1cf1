from __future__ import annotations

import json
from pathlib import Path

import pytest
from measured_runs import HEADER, ROWS, invoke

from computebill.accuracy import left_out


def test_validate_tells_errors_and_what_was_left_out(measured: str, tmp_path: Path) -> None:
    output = invoke("validate", measured).stdout
    sentence, _, tables = output.partition("\n\n")
    assert sentence.startswith("Undecided: nothing to compare with. Median error of a step's time:")
    assert tables.startswith("Lab left out: median ")
    assert "out: of fits without the row's lab" in output
    assert "1 rows could not be predicted" in output
    assert "not stated: tp, pp" in output
    rows, picture = tmp_path / "rows.csv", tmp_path / "rows.svg"
    assert invoke("validate", measured, "-o", str(rows), "--plot", str(picture)).exit_code == 0
    assert rows.read_text().startswith("row,source,model,gpu,precision,tp")
    assert "<svg" in picture.read_text()
    found = json.loads(invoke("validate", measured, "--json").stdout)
    assert found["rows"] == 2
    assert found["skipped"] == [
        {"row": 4, "source": "b", "reason": "not stated: tp, pp", "line": 4}
    ]


def test_without_a_table_the_shipped_one_is_predicted(tmp_path: Path) -> None:
    found = json.loads(invoke("validate", "--leave-out", "none", "--json").stdout)
    assert found["rows"] >= 1778
    assert found["rows"] + len(found["skipped"]) == 2142
    assert set(found["sources"]) == set(found["by_source"])
    cited = found["sources"]["bloom_prequel"]
    assert cited["address"].startswith("https://github.com/bigscience-workshop/bigscience")


def test_each_thing_may_be_left_out(measured: str) -> None:
    for unit in ("lab", "source", "row"):
        found = json.loads(invoke("validate", measured, "--leave-out", unit, "--json").stdout)
        assert found["left_out"]["unit"] == unit
    nothing = invoke("validate", measured, "--leave-out", "none")
    assert "left out" not in nothing.stdout
    assert "out: median" not in nothing.stdout


def test_few_rows_are_drawn_by_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_out, "DRAWS", 1)
    fields = ROWS[0].rsplit(",", 1)[0].split(",")
    rows = []
    for lab in "xy":
        for n in range(10):
            fields[0], fields[10] = lab, str(1024 * (n + 1))
            rows.append(",".join([*fields, f"{3.0 + n / 4}"]))
    path = tmp_path / "many.csv"
    path.write_text("\n".join((HEADER, *rows)) + "\n")
    found = [invoke("validate", str(path), "--few", "--seed", seed) for seed in ("1", "1", "2")]
    assert all(each.exit_code == 0 for each in found)
    assert "Error of a lab's other rows, by rows of its own that were measured" in found[0].stdout
    assert found[0].stdout == found[1].stdout != found[2].stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["validate", "--leave-out", "nothing"], "'nothing' is not one of 'lab', 'source', 'row'"),
        (["validate", "--seed", "1.5"], "--seed: got '1.5'; allowed: a whole number"),
        (["validate", "none.csv"], "none.csv: cannot be read"),
        (["calibrate", "none.csv", "-o", "x.toml"], "none.csv: cannot be read"),
        (["calibrate", "none.csv", "-o", "x.json"], "-o: got 'x.json'; allowed: .toml"),
        (["calibrate", "none.csv", "-o", "no/x.toml"], "its folder does not exist"),
        (["calibrate", "none.csv"], "Missing option '-o'"),
    ],
)
def test_bad_requests(arguments: list[str], problem: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert problem in result.stderr
