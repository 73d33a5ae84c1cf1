"""What commands compute, on PyTorch's meta device: it has shapes and no numbers.

There, a line that mixes devices fails as it would on a GPU, and one that asks for a number, which
on a GPU waits for it, fails too. Numbers leave a device by ``cpu()`` alone, and are ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from known import LLAMA_8B
from sweeping import HOURS, RUNS
from torch import Tensor

import computebill as cb
from computebill.base.specfile import validate
from computebill.batches.columns import arrow_column
from computebill.catalogue.headers import find_columns
from computebill.catalogue.rows import score_rows
from computebill.programmes import compiled
from computebill.programmes.regressions import Regressions
from computebill.programmes.spec import Programme
from computebill.runs.estimate import ROWS, run_figures
from computebill.runs.inputs import gather_inputs
from computebill.runs.spec import read_run
from computebill.sweep.draws import SweepDraws
from computebill.sweep.spec import SweepSpec
from computebill.sweep.totals import add_up
from computebill.sweep.workshop import make_workshop
from computebill.training import choice_grid
from computebill.training.cases import Case
from computebill.training.choice_grid import Grid
from computebill.training.choices import make_space
from computebill.training.efficiency import read_profile
from computebill.training.parameters import bounded, unbounded
from computebill.uncertainty.distribution import Collector
from computebill.uncertainty.draws import Columns, Settings
from computebill.uncertainty.sensitivity import swings

META = "meta"
EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def _numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Tensor.cpu

    def left(each: Tensor) -> Tensor:
        return torch.ones(each.shape, dtype=each.dtype) if each.is_meta else kept(each)

    monkeypatch.setattr(Tensor, "cpu", left)


@pytest.mark.parametrize("method", ["sobol", "random"])
@pytest.mark.parametrize("samples", [2048, 2**22])  # kept, and counted in bins
def test_a_run_is_drawn_and_priced_where_it_is_asked_to_be(method: Any, samples: int) -> None:
    run = read_run(
        {
            "params": {"p10": 60e9, "p90": 80e9},
            "tokens": "1T",
            "accelerator": "h100-sxm",
            "count": 1024,
            "mfu": {"p10": 0.3, "p90": 0.5},
            "price": "1.5..3",
        }
    )
    inputs = gather_inputs(run, cb.find_accelerator("h100-sxm"), None)
    chosen = Settings(samples, 0, META, method)
    columns = Columns(list(inputs.quantities.values()), list(inputs.quantities), META)
    points = columns.points(chosen, 0, 0, 512)
    figures = run_figures(dict(zip(inputs.quantities, columns.draw(points), strict=True)))
    found = torch.stack([figures[name] for name in ROWS])
    assert (found.device.type, found.shape) == (META, (len(ROWS), 512))
    collector = Collector(len(ROWS), chosen)
    collector.add(0, found)
    # What each assumption moves leaves the device once, as ones: nothing moved.
    places: list[str] = []

    def priced(points: Tensor) -> Tensor:
        values = columns.draw(points)
        places.append(values.device.type)
        return run_figures(dict(zip(inputs.quantities, values, strict=True)))["amortised"]

    assert (swings(columns, priced), places) == ([], [META])


def test_a_programme_is_priced_where_it_is_asked_to_be(
    programme: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # That amounts are positive is asked of their numbers.
    monkeypatch.setattr(compiled, "_check", lambda found: None)
    laid_out = validate(Programme, programme(), "lab.toml")
    found = compiled.compile_programme(laid_out, Regressions({}, 0, META), META)
    outcome = found.evaluate(found.columns.points(Settings(device=META), 0, 0, 512))
    for figure in (*outcome.bill, outcome.final, outcome.rnd, outcome.share):
        assert figure.device.type == META
    assert outcome.share.shape == (512,)


def test_a_plan_is_timed_and_weighed_where_it_is_asked_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Which choices no legal layout has is asked of their numbers.
    def all_of(legal: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
        return tuple(torch.arange(length, device=legal.device) for length in shape)

    monkeypatch.setattr(choice_grid, "_alive", all_of)
    part = cb.find_accelerator("h100-sxm")
    case = Case(cb.read_architecture(LLAMA_8B), cb.Layout(), part, "bf16", 4096, "modern")
    schedules = ["1f1b", "zero-bubble", "dualpipe"]
    space = make_space(case, {"schedule": schedules, "pp": [1, 2, 4], "vpp": [1, 2]})
    grid = Grid(space, bounded(unbounded(read_profile().values)), torch.device(META))
    timed = 0
    for pipes in grid.chunks():
        chunk = grid.evaluate(pipes, 64, 64)
        for found in (chunk.seconds, chunk.bytes, chunk.legal, chunk.legal_seconds(8e10)):
            assert found.device.type == META
        timed += chunk.seconds.numel()
    assert timed == torch.Size(space.shape).numel()


def test_a_catalogue_is_scored_where_it_is_asked_to_be() -> None:
    table = pd.read_csv(EXAMPLES / "models.csv", dtype="string")
    columns = find_columns(list(table.columns), {})
    cells = {column.heading: arrow_column(table[column.heading]) for column in columns.values()}
    found = score_rows(cells, len(table), columns, (), META)
    assert len(found.table) == len(table)
    for name in ("flop_p50", "gpu_hours_p95", "cost_amortised_usd_p5", "energy_mwh_p50"):
        assert set(found.table[name].to_pylist()) == {1.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"repeats": 100},  # drawn one by one
        {"repeats": 10_000},  # the largest one by one, the rest together
        {"repeats": 27, "stop": {"halving": {"rungs": 3}}},
    ],
)
def test_a_sweep_is_drawn_and_priced_where_it_is_asked_to_be(changes: dict[str, Any]) -> None:
    # Experiments of one kind are found by their numbers, and worked out before.
    group = RUNS | {"failures": {"rate": 0.2, "restarted": 0.5}} | changes
    final = {"params": "7B", "tokens": "1T", "accelerator": "h100", "mfu": 0.4}
    given = {"groups": [group, HOURS | {"name": "two"}], "price": "1..3", "final": final}
    asked = validate(SweepSpec, given, "sweep.toml")
    totals = add_up(asked.groups, make_workshop("modern", None, (), None), "cpu")
    drawn = list(SweepDraws(asked, totals, META).chunks(Settings(512, 0, META)))
    assert {each.groups.device.type for each in drawn} == {META}
    assert {each.final.device.type for each in drawn} == {META}
    assert sum(each.groups.shape[-1] for each in drawn) == 512
