"""Records written on: each file is read by the command that it is for, and says the same."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from results import asked

from computebill.cli import main
from computebill.ledger.stages import stage_kind

EXAMPLE = Path(__file__).parents[2] / "examples" / "ledger"
RECORDS = (str(EXAMPLE / "sacct.txt"), str(EXAMPLE / "runs.csv"))
RULES = ("--rules", str(EXAMPLE / "rules.toml"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onward")


@pytest.fixture(scope="module")
def ledger(folder: Path) -> dict[str, Any]:
    files = ("-o", str(folder / "lab.toml"), "--sweep-to", str(folder / "sweep.toml"))
    files += ("--run-to", str(folder / "stages.toml"), "--organisation", "=My lab")
    files += ("--statement-to", str(folder / "statement.toml"))
    return asked("ledger", *RECORDS, *RULES, *files)


def test_a_programme_says_the_share_that_the_records_do(
    ledger: dict[str, Any], folder: Path
) -> None:
    found = asked("spend", str(folder / "lab.toml"), "--samples", "512")
    kinds = {name: each["gpu_hours"] for name, each in ledger["by_kind"].items()}
    assert found["basis"] == "hours"  # the scheduler counted them; no bill priced any
    assert found["grade"] == "A"
    share = kinds["final run"] / ledger["gpu_hours"]
    assert found["final_share"]["p50"] == pytest.approx(share, rel=1e-9)
    assert found["rnd_compute_gpu_hours"]["p50"] == pytest.approx(ledger["gpu_hours"], rel=1e-9)
    rest = {each["kind"]: each["hours"]["p50"] for each in found["exploration"]["kinds"]}
    assert rest["pretraining research"] == pytest.approx(kinds["pretraining research"])
    assert rest["idle and debugging"] == pytest.approx(kinds["interactive"])
    left = found["exploration"]["unexplained"]["hours"]["p50"]
    assert left == pytest.approx(kinds["unknown"], rel=1e-6)
    assert found["organisation"] == "'=My lab"  # no spreadsheet runs it


def test_a_programme_beside_a_shipped_one(ledger: dict[str, Any], folder: Path) -> None:
    found = asked("spend", str(folder / "lab.toml"), "meta-opt", "--samples", "512")
    assert [each["programme"] for each in found["programmes"]][-1] == "meta-opt"


def test_dollars_are_as_uncertain_as_their_prices_and_the_share_is_not(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    found = asked("ledger", *RECORDS, *RULES, "-o", str(path), "--basis", "dollars")
    spent = asked("spend", str(path), "--samples", "4096")
    whole = spent["rnd_compute_usd"]
    for end in ("p5", "p50", "p95"):
        assert whole[end] == pytest.approx(found["cost_usd"][end], rel=0.01)
    assert spent["final_share"]["p95"] - spent["final_share"]["p5"] < 1e-3
    assert spent["reported"]  # and none of it is inference


def test_energy_is_a_basis(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    found = asked("ledger", *RECORDS, *RULES, "-o", str(path), "--basis", "energy")
    spent = asked("spend", str(path), "--samples", "512")
    assert spent["rnd_compute_mwh"]["p50"] == pytest.approx(found["energy_mwh"]["p50"], rel=0.02)


def test_a_bill_is_dollars_and_inference_is_no_research(tmp_path: Path) -> None:
    bill = tmp_path / "bill.csv"
    head = "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ChargePeriodStart,"
    head += "ChargePeriodEnd,ChargeDescription,ConsumedQuantity,ConsumedUnit,SubAccountName\n"
    row = "{usd},{usd},USD,Usage,2024-{month}-01T00:00:00Z,2024-{month}-01T01:00:00Z,"
    row += "p5.48xlarge hour,1,Hours,{who}\n"
    months = [("05", "train", 98.5), ("06", "train", 101.5), ("06", "serve", 60.0)]
    rows = [row.format(usd=usd, month=month, who=who) for month, who, usd in months]
    bill.write_text(head + "".join(rows))
    rules = tmp_path / "rules.toml"
    kinds = (("final run", "^train"), ("inference", "^serve"))
    rules.write_text(
        "".join(f'[[rule]]\nkind = "{kind}"\nproject = "{who}"\n' for kind, who in kinds)
    )
    path = tmp_path / "lab.toml"
    asked("ledger", str(bill), "--rules", str(rules), "-o", str(path))
    data = tomllib.loads(path.read_text())
    assert data["basis"] == "dollars"
    lines = {each["counts_as"]: each["periods"] for each in data["reported"]}
    assert [each["amount"] for each in lines["rnd_compute"]] == [98.5, 101.5]
    assert [each["amount"] for each in lines["inference_compute"]] == [0.0, 60.0]
    spent = asked("spend", str(path), "--samples", "512")
    assert spent["final_share"]["p50"] == pytest.approx(1.0)


def test_a_sweep_takes_the_hours_that_the_records_have(
    ledger: dict[str, Any], folder: Path
) -> None:
    found = asked("sweep", str(folder / "sweep.toml"), "--samples", "512")
    final = ledger["by_kind"]["final run"]["gpu_hours"]
    assert found["gpu_hours"]["p50"] == pytest.approx(ledger["gpu_hours"] - final, rel=1e-6)
    jobs = sum(each["jobs"] for each in ledger["by_kind"].values())
    # The contract's price has an interval, and all groups have it together.
    cost, part = ledger["cost_usd"], ledger["by_kind"]["final run"]["cost_usd"]
    for end in ("p5", "p50", "p95"):
        assert found["cost_usd"][end] == pytest.approx(cost[end] - part[end], rel=0.02)
    assert found["experiments"] == jobs - ledger["by_kind"]["final run"]["jobs"]
    assert found["final"]["gpu_hours"]["p50"] == pytest.approx(final)


def test_stages_are_final_runs_and_what_came_upon_them(
    ledger: dict[str, Any], folder: Path
) -> None:
    found = asked("run", str(folder / "stages.toml"), "--samples", "512")
    hours = {each["name"]: each["gpu_hours"]["p50"] for each in found["stages"]}
    kinds = ("final run", "post-training", "data generation")
    whole = sum(ledger["by_kind"][kind]["gpu_hours"] for kind in kinds)
    assert sum(hours.values()) == pytest.approx(whole, rel=1e-9)
    for end in ("p5", "p50", "p95"):
        cost = sum(ledger["by_kind"][kind]["cost_usd"][end] for kind in kinds)
        assert found["cost_usd"][end] == pytest.approx(cost, rel=0.02)
    assert hours["atlas-32b"] == pytest.approx(ledger["by_kind"]["final run"]["gpu_hours"])


def test_a_statement_states_what_the_records_tell(ledger: dict[str, Any], folder: Path) -> None:
    """The tracker's FLOP of the final run, and the days of its first start and its last end."""
    found = asked("statement", str(folder / "statement.toml"), "--samples", "512")
    assert found["model"]["name"] == "atlas-32b"
    final = next(each for each in ledger["largest"] if each["kind"] == "final run")
    (stage,) = [each for each in found["stages"] if each["name"] == "atlas-32b"]
    assert stage["flop"]["updates"]["p50"] == pytest.approx(final["flop"], rel=1e-6)
    assert (stage["start"], stage["end"]) == (final["start"][:10], final["end"][:10])


@pytest.mark.parametrize(
    ("name", "kind", "stage"),
    [
        ("atlas-32b", "final run", "pretrain"),
        ("atlas-32b-anneal", "final run", "midtrain"),
        ("n32-5x-32k", "final run", "context"),
        ("atlas-dpo-2", "post-training", "preference"),
        ("grpo-math", "post-training", "rl"),
        ("atlas-sft", "post-training", "sft"),
        ("synth-rl", "data generation", "generate"),
    ],
)
def test_a_name_says_the_kind_of_stage(name: str, kind: str, stage: str) -> None:
    assert stage_kind(name, kind) == stage


def tracked(path: Path, **more: object) -> Path:
    config = {
        **{"num_layers": 32, "hidden_size": 4096, "num_attention_heads": 32},
        **{"num_query_groups": 8, "ffn_hidden_size": 14336, "seq_length": 4096},
        **{"tensor_model_parallel_size": 2, "pipeline_model_parallel_size": 1},
        **{"micro_batch_size": 1, "global_batch_size": 128, "bf16": True},
        **{"world_size": 64, "gpu_type": "NVIDIA H100 80GB HBM3", "framework": "megatron-lm"},
        **more,
    }
    rows = [
        {
            "id": f"r{number}",
            "display_name": "=cmd()",
            "state": "finished",
            "config": config,
            "summary": {"iteration_time": seconds, "_runtime": 3600},
            "created_at": "2025-03-01T00:00:00Z",
        }
        for number, seconds in enumerate((2.0, 2.2, 2.1))
    ]
    path.write_text(json.dumps(rows))
    return path


def test_tracked_steps_are_read_by_calibrate(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    result = run("ledger", str(tracked(tmp_path / "runs.json")), "--steps-to", str(path))
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    # Three runs of one configuration are a row, at the median of their speeds.
    assert [(row["iter_seconds"], row["tp"], row["precision"]) for row in rows] == [
        ("2.1", "2", "bf16")
    ]
    assert rows[0]["model"] == "'=cmd()"
    found = asked("validate", str(path))
    assert (found["rows"], found["skipped"]) == (1, [])
    fitted = run("calibrate", str(path), "-o", str(tmp_path / "mine.toml"))
    assert fitted.exit_code == 0, fitted.output


def test_steps_that_lack_something_are_refused_by_name(tmp_path: Path) -> None:
    runs = tracked(tmp_path / "runs.json", bf16=False)
    result = run("ledger", str(runs), "--steps-to", str(tmp_path / "steps.csv"))
    assert result.exit_code == 2
    assert "none tells precision" in result.output
    assert not (tmp_path / "steps.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "told_of"),
    [
        (("-o", "lab.toml"), "no job is a final run"),
        (("--sweep-to", "x.toml"), "no job is a final run"),
        (("--run-to", "x.csv"), "allowed: .toml"),
        (("--steps-to", "x.toml"), "allowed: .csv"),
        (("--steps-to", "x.csv", "--anonymise"), "--anonymise leaves out"),
        (("--basis", "hours"), "give -o FILE.toml"),
        (("-o", "x.toml", "--basis", "people"), "allowed: dollars, hours, energy"),
        (("-o", "x.toml", "--run-to", "x.toml"), "another flag"),
        (("-o", "x.txt"), "allowed: .json"),
    ],
)
def test_what_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told_of: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("ledger", *RECORDS, *arguments)
    assert result.exit_code == 2, result.output
    assert told_of in result.output
    assert list(tmp_path.iterdir()) == []


def test_names_are_hidden_in_what_is_written(tmp_path: Path) -> None:
    path, sweep = tmp_path / "lab.toml", tmp_path / "sweep.toml"
    files = ("-o", str(path), "--sweep-to", str(sweep), "--run-to", str(tmp_path / "run.toml"))
    result = run("ledger", *RECORDS, *RULES, *files, "--anonymise", "--brief")
    assert result.exit_code == 0, result.output
    texts = [each.read_text() for each in sorted(tmp_path.iterdir())]
    assert len(texts) == 3
    for text in texts:
        assert "atlas" not in text
    spent = asked("spend", str(path), "--samples", "512")
    assert spent["final_share"]["p50"] > 0.8
    # Files' names are names, too: in the list of records, and in the command that is told.
    told = run("ledger", *RECORDS, *RULES, "--anonymise", "--json").stdout
    assert not [name for name in RECORDS if name in told]
    assert json.loads(told)["about"]["command"].startswith("computebill ledger RECORDS RECORDS")
