"""Experiment trackers: alone, and joined to a scheduler's jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from computebill.ledger import Ledger, read_ledger
from computebill.ledger.account import Options
from computebill.ledger.chains import Chains
from computebill.ledger.formats import Format
from computebill.ledger.joining import BY_HOST, BY_ID, BY_NAME
from computebill.ledger.naming import Naming
from computebill.ledger.plan import Asked
from computebill.ledger.rules import Rules

HEAD = "JobID|JobName|User|State|Start|End|Elapsed|NodeList|AllocTRES"


def run(number: int, **config: Any) -> dict[str, Any]:
    """A run as the API of Weights & Biases has it."""
    return {
        "id": f"r{number}",
        "display_name": f"run-{number}",
        "state": "finished",
        "created_at": f"2024-01-0{number}T01:05:00Z",
        "heartbeat_at": f"2024-01-0{number}T02:55:00Z",
        "config": {key: {"value": value, "desc": None} for key, value in config.items()},
        "summary": {"_wandb": {"runtime": 6600}, "train": {"tokens_seen": 2e9}},
        "tags": ["phase-2"],
    }


def job(number: int, day: int, name: str = "train", host: str = "node[1-2]") -> str:
    hours = f"2024-01-0{day}T01:00:00|2024-01-0{day}T03:00:00|02:00:00"
    return f"{number}|{name}|ann|COMPLETED|{hours}|{host}|gres/gpu=16,gres/gpu:h100=16"


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_runs_of_an_api_with_rules_on_their_configuration(tmp_path: Path) -> None:
    runs = [run(1, world_size=8, n_params=7e9, stage="pretrain"), run(2, world_size=4)]
    rules = {"rule": [{"kind": "final run", "config": {"stage": "^pretrain$"}}]}
    found = read_ledger([write(tmp_path / "runs.json", runs)], Rules.model_validate(rules))
    assert found.files[0].format == "wandb"
    assert found.parts["kind"]["final run"].gpu_hours == pytest.approx(8 * 6600 / 3600)
    assert found.parts["kind"]["unknown"].gpu_hours == pytest.approx(4 * 6600 / 3600)
    # 6 N D of the run that tells both, and hours of an unknown accelerator tell none.
    assert found.cells["flop"].sum() == pytest.approx(6 * 7e9 * 2e9)
    assert found.trackers["kind"].tolist() == ["final run", "unknown"]


def test_the_same_runs_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(json.dumps(run(n, world_size=8)) for n in (1, 2)) + "\n{broken\n")
    found = read_ledger([path])
    assert found.total.gpu_hours == pytest.approx(2 * 8 * 6600 / 3600)
    assert found.reasons == {"is no JSON": 1}
    assert [each.line for each in found.rejects] == [3]


def joined(tmp_path: Path, runs: list[dict[str, Any]], *jobs: str) -> Ledger:
    slurm = tmp_path / "sacct.txt"
    slurm.write_text("\n".join([HEAD, *jobs]) + "\n")
    rules = {"rule": [{"kind": "post-training", "config": {"stage": "sft"}}]}
    return read_ledger([slurm, write(tmp_path / "runs.json", runs)], Rules.model_validate(rules))


def test_a_run_is_its_job_by_id_host_or_name(tmp_path: Path) -> None:
    runs = [
        run(1, slurm_job_id="11", stage="sft"),
        {**run(2, stage="sft"), "host": "node2"},
        {**run(3, stage="sft"), "display_name": "named"},
        {**run(4, world_size=2), "host": "elsewhere"},
    ]
    found = joined(
        tmp_path, runs, job(11, 1), job(12, 2), job(13, 3, name="named", host="far"), job(14, 5)
    )
    assert found.joined == {BY_ID: 1, BY_HOST: 1, BY_NAME: 1}
    # The jobs' hours once, and those of the run that is nobody's job.
    assert found.total.gpu_hours == pytest.approx(4 * 32 + 2 * 6600 / 3600)
    assert found.parts["kind"]["post-training"].gpu_hours == 3 * 32
    assert sum("counted by itself" in text for text in found.remarks) == 1
    assert found.rows_used == 8


def test_a_run_of_the_same_id_at_another_time_is_another(tmp_path: Path) -> None:
    found = joined(tmp_path, [run(3, slurm_job_id="11", stage="sft", world_size=1)], job(11, 1))
    assert not found.joined
    assert found.parts["kind"]["post-training"].gpu_hours == pytest.approx(6600 / 3600)


def test_a_run_without_accelerators_is_named_when_no_job_is_it(tmp_path: Path) -> None:
    bare = {key: value for key, value in run(2).items() if key != "summary"}
    found = joined(tmp_path, [bare], job(11, 1))
    assert found.rows_rejected == 1
    assert "no job of a scheduler" in next(iter(found.reasons))


def test_mlflow(tmp_path: Path) -> None:
    rows = (
        "run_id,status,start_time,end_time,params.gpus,tags.mlflow.runName,metrics.loss\n"
        "abc,FINISHED,1704067200000,1704074400000,8,base,2.1\n"
        "def,FAILED,1704067200000,1704070800000,4,base,2.1\n"
    )
    path = tmp_path / "mlflow.csv"
    path.write_text(rows)
    found = read_ledger([path])
    assert found.files[0].format == "mlflow"
    assert found.total.gpu_hours == pytest.approx(8 * 2 + 4)
    assert set(found.parts["state"]) == {"completed", "failed"}


def test_trainer_state(tmp_path: Path) -> None:
    folder = tmp_path / "sft-8b"
    folder.mkdir()
    state = {
        "global_step": 500,
        "total_flos": 3.2e20,
        "num_input_tokens_seen": 1.0e9,
        "log_history": [{"loss": 2.0, "step": 10}, {"train_runtime": 7200.0, "step": 500}],
    }
    found = read_ledger([write(folder / "trainer_state.json", state)])
    assert found.files[0].format == "trainer"
    assert found.total.flop.p50 == 3.2e20
    assert found.runs.iloc[0]["name"] == "sft-8b"


def test_work_that_was_done_again_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(
        "run,name,gpus,start,end,start_step,end_step,state\n"
        "a,big,100,2024-01-01T00:00:00,2024-01-01T10:00:00,0,1000,failed\n"
        "b,big,100,2024-01-01T11:00:00,2024-01-01T21:00:00,900,1900,finished\n"
        "c,big,100,2024-01-09T11:00:00,2024-01-09T12:00:00,1900,2000,finished\n"
    )
    found = read_ledger([path])
    assert found.restarts["runs"] == 2  # the third began a week later
    # 100 of 1,000 steps of 1,000 accelerator-hours.
    assert found.restarts["lost_gpu_hours"] == pytest.approx(100.0)
    assert found.restarts["goodput"] == pytest.approx(1900 / 2000)
    rules = Rules(chains=Chains(gap_hours=240))
    assert read_ledger([path], rules).restarts["runs"] == 2  # that one had ended by itself


def test_a_table_of_the_interface_needs_a_number_of_accelerators(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(
        '"Name","Runtime","End Time","Hostname","Tags"\n'
        '"mbs12-1","300","2026-05-29T08:53:32.000Z","node1","submit"\n'
        '"mbs12-2","374","2026-05-29T08:54:45.000Z","node2","submit"\n'
    )
    bare = read_ledger([path])
    assert bare.files[0].format == "wandb_table"
    assert (bare.rows_rejected, bare.total.gpu_hours) == (2, 0.0)
    form = Format.model_validate(
        {
            "record": "tracker",
            "reader": "tracker",
            "fields": {"name": "Name", "elapsed": "Runtime", "end": "End Time"},
            "constants": {"accelerators": 4},
        }
    )
    found = read_ledger([path], None, Options(Asked(mapping=form)))
    assert found.total.gpu_hours == pytest.approx(4 * 674 / 3600)


def test_names_are_hidden_alike_and_never_told(tmp_path: Path) -> None:
    slurm = tmp_path / "sacct.txt"
    slurm.write_text("\n".join([HEAD, job(1, 1, "secret"), job(2, 2, "secret")]) + "\n")
    found = read_ledger([slurm], None, Options(naming=Naming(b"key")))
    told = json.dumps(found.to_dict(), default=str) + found.cells.to_csv() + found.runs.to_csv()
    for name in ("ann", "secret", str(tmp_path)):
        assert f'"{name}' not in told
        assert f",{name}," not in told
    users = [name for name in found.parts["user"] if name.startswith("user-")]
    assert len(users) == 1
    other = read_ledger([slurm], None, Options(naming=Naming(b"another")))
    assert users[0] not in other.parts["user"]
