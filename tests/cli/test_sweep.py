from __future__ import annotations

import io
import json
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from computebill.cli import main
from computebill.sweep import shipped_sweeps
from computebill.training.utilisation import practice

FILE = """
name = "Mine"
price = 2

[defaults]
accelerator = "h100"

[final]
gpu_hours = 5000

[[groups]]
name = "ladder"
count = 8
grid = { params = ["100M", "400M", "1B"], tokens_per_param = [5, 20], seed = [1, 2] }

[[groups]]
name = "words"
kind = "generate"
params = "8B"
tokens = "1B"
output_tokens = 1000
count = 8
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "sweep.toml"
    path.write_text(FILE)
    return str(path)


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["sweep", *arguments])


def test_a_table_by_default(spec: str) -> None:
    done = invoke(spec, "--samples", "1024", "--gpus", "64", "--budget", "5k")
    assert done.exit_code == 0, done.output
    for text in ("Mine", "final run", "Share of the programme's cost", "ladder", "1 B–2 B"):
        assert text in done.output
    assert "On 64 GPUs" in done.output
    assert "What $5.00 k pays for" in done.output
    known = practice("training")
    assert f"{known.rows:,} measured steps of {known.sources} sources" in done.output


def test_json_and_nothing_else(spec: str) -> None:
    done = invoke(spec, "--samples", "1024", "--json", "--days", "2", "--price", "3..4")
    found = json.loads(done.stdout)
    assert found["experiments"] == 13
    assert found["schedule"]["days"] <= 2
    assert [group["name"] for group in found["groups"]] == ["ladder", "words"]
    assert found["cost_usd"]["p50"] / found["gpu_hours"]["p50"] == pytest.approx(3.5, rel=0.1)


def test_files_of_rows_and_pictures(spec: str, tmp_path: Path) -> None:
    rows, bills, picture = (tmp_path / name for name in ("x.parquet", "bills.csv", "x.svg"))
    done = invoke(
        spec, "--samples", "1024", "--gpus", "64", "--experiments", str(rows), "-o", str(bills),
        "--plot", str(picture),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    experiments = pd.read_parquet(rows)
    assert experiments["copies"].sum() == 13
    assert set(experiments["group"]) == {"ladder", "words"}
    assert list(pd.read_csv(bills)["group"]) == ["ladder", "words", "all", "final run"]
    drawn = picture.read_text()
    for text in ("By active parameters", "GPUs at work", "cost, rented (USD)"):
        assert text in drawn


def test_presets_are_listed_without_a_name() -> None:
    done = invoke()
    assert done.exit_code == 0
    for name in shipped_sweeps():
        assert name in done.output
    listed = json.loads(invoke("--json").stdout)
    assert [each["name"] for each in listed["sweeps"]] == shipped_sweeps()


def test_flags_need_a_sweep() -> None:
    done = invoke("--gpus", "5")
    assert done.exit_code == 2
    assert "--gpus: needs a NAME or a FILE" in done.output


def test_a_preset_stands_beside_what_was_published() -> None:
    done = invoke("smollm3", "--samples", "1024")
    assert done.exit_code == 0, done.output
    assert "Beside what was published" in done.output
    assert "161 k" in done.output


def test_many_experiments_need_a_yes(tmp_path: Path) -> None:
    path = tmp_path / "many.toml"
    path.write_text(FILE.replace("seed = [1, 2]", f"seed = {list(range(200_000))}"))
    done = invoke(str(path), "--samples", "64")
    assert done.exit_code == 2
    assert "1,200,001 experiments, 7 that are priced, about" in done.stderr
    assert invoke(str(path), "--samples", "64", "--yes").exit_code == 0


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--gpus", "1"], "cluster.gpus: got 1; an experiment takes 8"),
        (["--gpus", "x"], "--gpus: got 'x'"),
        (["--budget", "much"], "--budget: got 'much'"),
        (["--experiments", "rows.csv"], "--experiments: got 'rows.csv'; allowed: a .parquet file"),
        (["--price", "b200=3"], "price.b200: is of no use here; allowed: h100-sxm"),
        (["--experiments", "/nowhere/rows.parquet"], "its folder does not exist"),
        (["--provider", "nobody"], "nobody"),
        (["--price", "0"], "--price: got 0; allowed: above 0"),
    ],
)
def test_wrong_requests_end_with_one_message(spec: str, flags: list[str], problem: str) -> None:
    done = invoke(spec, "--samples", "64", *flags)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_csv_has_utilisation_and_share_of_each_group() -> None:
    asked = ["sweep", "smollm3", "--samples", "64"]
    frame = pd.read_csv(io.StringIO(CliRunner().invoke(main, [*asked, "--csv"]).stdout))
    groups = json.loads(CliRunner().invoke(main, [*asked, "--json"]).stdout)["groups"]
    assert list(frame["share_of_experiments"].dropna()) == [each["share"] for each in groups]
    assert frame["share_of_experiments"].sum() == pytest.approx(1)
    assert frame["mfu"][: len(groups)].notna().sum() == sum(
        each["mfu"] is not None for each in groups
    )


def test_a_preset_is_printed_and_changed() -> None:
    asked = ["sweep", "smollm3"]
    printed = CliRunner().invoke(main, [*asked, "--print"]).output
    assert printed.startswith("# SmolLM3 (Hugging Face, 2025)")
    twice = [*asked, "--set", "groups.0.repeats=200"]
    told = json.loads(CliRunner().invoke(main, [*twice, "--samples", "64", "--json"]).output)
    plain = json.loads(CliRunner().invoke(main, [*asked, "--samples", "64", "--json"]).output)
    assert told["experiments"] > plain["experiments"]
    edited = CliRunner().invoke(main, [*twice, "--print"]).output
    assert tomllib.loads(edited)["groups"][0]["repeats"] == 200
    alone = CliRunner().invoke(main, ["sweep", "--print"])
    assert (alone.exit_code, "--print: needs a NAME or a FILE" in alone.output) == (2, True)
