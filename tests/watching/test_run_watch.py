from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import computebill as cb
from computebill.base.errors import RequestError
from computebill.watching.run_watch import RunWatch


def ran(watch: RunWatch, updates: int = 40, seconds: float = 0.5) -> dict[str, float]:
    """The metrics after updates of 8,192 tokens."""
    for _ in range(updates):
        watch.step(8192, seconds)
    return {key.removeprefix("computebill/"): value for key, value in watch.metrics().items()}


def test_its_utilisation_is_that_of_the_same_speed(fields: dict[str, Any]) -> None:
    found = ran(RunWatch(fields, every=1000))
    speed = cb.Speed(tokens_per_second=8192 / 0.5, count=8)
    told = cb.utilisation(fields["model"], speed=speed, accelerator="h100", sequence_length=1024)
    assert {name: found[f"mfu_{name}"] for name in told.mfu} == pytest.approx(told.mfu)
    assert found["hfu"] == pytest.approx(told.hfu)
    assert found["tokens_per_second_per_gpu"] == pytest.approx(2048)


def test_its_dollars_kwh_and_carbon_are_a_runs_of_the_same_hours(fields: dict[str, Any]) -> None:
    found = ran(RunWatch(fields, every=1000), updates=100)
    hours = found["gpu_hours"]
    assert hours == pytest.approx(100 * 0.5 * 8 / 3600)
    assert found["usd_so_far"] == pytest.approx(2 * hours)
    assert "usd_so_far_p5" not in found
    run = cb.estimate_run({**fields, "mfu": 0.4}, samples=2**14)
    of_run = run.rows["energy_mwh"].p50 * 1e3 / run.rows["gpu_hours"].p50
    assert found["kwh_so_far"] / hours == pytest.approx(of_run, rel=0.01)
    assert found["kwh_so_far_p5"] < found["kwh_so_far"] < found["kwh_so_far_p95"]
    of_run = run.rows["carbon_t"].p50 * 1e3 / run.rows["gpu_hours"].p50
    assert found["kg_co2e_so_far"] / hours == pytest.approx(of_run, rel=0.01)


def test_days_left_and_dollars_at_the_end_are_what_the_rest_takes(fields: dict[str, Any]) -> None:
    found = ran(RunWatch(fields, every=1000), updates=100)
    rest = (1e9 - 100 * 8192) / 8192 * 0.5
    assert found["days_left"] == pytest.approx(rest / 86400)
    assert found["days_left_p5"] == pytest.approx(found["days_left_p95"])
    assert found["usd_at_end"] == pytest.approx(2 * 8 * (rest + 50) / 3600)


def test_a_run_past_its_tokens_has_nothing_left(fields: dict[str, Any]) -> None:
    found = ran(RunWatch({**fields, "tokens": 100_000}))
    assert (found["days_left"], found["days_left_p5"]) == (0.0, 0.0)


def test_what_nobody_knows_is_no_metric(fields: dict[str, Any]) -> None:
    del fields["model"], fields["price"], fields["sequence_length"]
    found = ran(RunWatch({**fields, "params": 1e9, "accelerator": "ascend-910b"}))
    assert {"mfu_6nd", "tokens"} <= found.keys()
    assert not {"mfu_palm", "hfu"} & found.keys()


def test_it_reports_every_so_many_updates_to_each_tool(fields: dict[str, Any]) -> None:
    first: list[int] = []
    second: list[float] = []
    watch = RunWatch(
        fields,
        every=5,
        to=[lambda _, step: first.append(step), lambda m, _: second.append(len(m))],
    )
    told = [watch.step(8192, 0.5, step=step) is not None for step in range(101, 121)]
    assert first == [105, 110, 115, 120]
    assert len(second) == 4
    assert [i for i, each in enumerate(told) if each] == [4, 9, 14, 19]


def test_its_own_clock_is_read_from_update_to_update(fields: dict[str, Any]) -> None:
    times = iter([0.0, 4.0, 6.0, 9.0])
    watch = RunWatch(fields, clock=lambda: next(times), every=1, leave_out=0)
    watch.step(8192)
    watch.step(8192)
    found = watch.step(8192, other_seconds=1.0)
    assert found is not None
    assert found["computebill/gpu_hours"] == pytest.approx(9 * 8 / 3600)
    assert found["computebill/goodput"] == pytest.approx(8 / 9)


def test_totals_are_kept_from_one_program_to_the_next(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    keep = tmp_path / "watch.json"
    ran(RunWatch(fields, keep=keep, every=1), updates=30)
    after = RunWatch(fields, keep=keep, every=1)
    after.step(8192, 0.5, step=26)  # its checkpoint was of step 25
    after.lost(60.0)
    found = after.metrics()
    assert found["computebill/tokens"] == 30 * 8192
    assert found["computebill/restarts"] == 1
    assert found["computebill/gpu_hours"] == pytest.approx((31 * 0.5 + 60) * 8 / 3600)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": 1}', '{"counts": {}}'])
def test_a_file_of_another_run_is_refused(
    fields: dict[str, Any], tmp_path: Path, text: str
) -> None:
    keep = tmp_path / "watch.json"
    keep.write_text(text)
    with pytest.raises(RequestError, match=r"watch.json: is "):
        RunWatch(fields, keep=keep)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"count": None}, "count: is needed"),
        ({"tokens": None, "model": None, "flop": 1e20, "sequence_length": None}, "tokens: is ne"),
        ({"accelerator": "nosuch"}, "accelerator: 'nosuch' is not a known accelerator"),
        ({"every": 0}, "every: got 0; allowed: 1 or more"),
        ({"leave_out": -1}, "leave_out: got -1"),
        ({"to": 3}, "to: got int; allowed: what has log"),
        ({"shade": 3}, "shade"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    fields: dict[str, Any], change: dict[str, Any], told: str
) -> None:
    given = {key: value for key, value in {**fields, **change}.items() if value is not None}
    with pytest.raises(RequestError, match=told):
        RunWatch(**given)


@pytest.mark.parametrize(
    ("update", "told"),
    [
        ({"tokens": 0}, "tokens: got 0"),
        ({"tokens": float("nan"), "seconds": 1.0}, "tokens: got nan"),
        ({"tokens": 1, "seconds": 0}, "seconds: got 0"),
        ({"tokens": 1, "seconds": "2"}, "seconds: got '2'"),
        ({"tokens": 1, "seconds": 1, "other_seconds": -1}, "other_seconds: got -1"),
        ({"tokens": torch.ones(2), "seconds": 1}, "tokens: got "),
        ({"tokens": 1, "seconds": 1, "step": "7"}, "step: got '7'; allowed: 0 or more"),
        ({"tokens": 1, "seconds": 1, "step": 7.5}, "step: got 7.5; allowed: a whole number"),
    ],
)
def test_an_update_of_no_tokens_or_time_is_refused(
    fields: dict[str, Any], update: dict[str, Any], told: str
) -> None:
    watch = RunWatch(fields)
    with pytest.raises(RequestError, match=told):
        watch.step(**update)
    assert watch.updates == 0


def test_numbers_of_numpy_and_torch_are_numbers(fields: dict[str, Any]) -> None:
    watch = RunWatch(fields, every=1, leave_out=0)
    update = {"tokens": torch.tensor(8192), "seconds": np.float32(0.5), "step": np.int64(3)}
    found = watch.step(**update)
    assert found == RunWatch(fields, every=1, leave_out=0).step(8192, 0.5, step=3)


def test_a_file_that_cannot_be_written_does_not_stop_the_run(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    watch = RunWatch(fields, keep=tmp_path / "nosuch" / "watch.json", every=1)
    with pytest.warns(RuntimeWarning, match="totals could not be kept: ") as told:
        ran(watch, updates=3)
    assert len(told) == 1
    assert watch.passport().to_dict()["figures"]["updates"]["value"] == 3


def test_its_metrics_are_what_json_holds(fields: dict[str, Any]) -> None:
    metrics = ran(RunWatch(fields))
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
