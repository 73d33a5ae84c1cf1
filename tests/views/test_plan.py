"""A search on a terminal."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from known import LLAMA_8B
from looks import line_with, printed

import computebill as cb
from computebill.costs.method import cost_method
from computebill.planning.search import Plan
from computebill.views import plan as view
from computebill.views.text import observed_text


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    config: Path = tmp_path_factory.mktemp("plan") / "config.json"
    config.write_text(json.dumps(LLAMA_8B))
    spec = {"model": str(config), "tokens": "1T", "accelerator": "h100", "count": "32,64"}
    return cb.plan({**spec, "global_batch": 512, "sequence_length": 4096, "price": 2})


def test_the_best_stands_first_with_its_figures(found: Plan) -> None:
    text = printed(view.full(found))
    assert text.splitlines()[0].strip() == f"Fastest: {view.where(found.best)}"
    assert view.described(found.best) in line_with("Layout", text)
    days = found.estimate.rows["days"]
    assert f"{days.p50:.1f} ({days.p5:.1f}–{days.p95:.1f})" in line_with("Wall-clock time", text)
    assert f"{found.evaluated:,}" in text


def test_a_layout_tells_its_degrees(found: Plan) -> None:
    layout = found.best.layout
    told = view.described(found.best)
    degrees = {name: getattr(layout, name) for name in ("tp", "pp", "cp", "dp")}
    for name, degree in degrees.items():
        assert (f"{name} {degree}," in told) == (degree > 1)
    assert f"zero {layout.zero}" in told
    assert f"micro-batch {layout.micro_batch}" in told
    assert view.where(found.best) == f"{layout.accelerators} x h100-sxm, bf16"


def test_near_copies_are_counted_and_not_shown(found: Plan) -> None:
    shown = (found.best, *found.runners_up)
    for place, one in enumerate(shown):
        for other in shown[:place]:
            is_near = abs(math.log(one.step_seconds / other.step_seconds)) < 0.009
            is_near &= abs(math.log(one.memory_gb / other.memory_gb)) < 0.045
            assert one.cluster != other.cluster or not is_near
    assert found.alike > 0
    told = " ".join(printed(view.full(found)).split())
    assert f"{found.alike} left out that hardly differ" in told


def test_what_real_runs_reached_has_the_ends_that_a_run_has() -> None:
    run = {"params": "34B", "tokens": "4T", "accelerator": "h100", "count": 256}
    drawn = cb.estimate_run(run, samples=65536).rows["mfu"]
    observed = cost_method().mfu.observed
    told = observed_text(observed.p10, observed.p50, observed.p90)
    found = [float(each) for each in re.findall(r"[\d.]+", told)]
    ends = [100 * each for each in (drawn.p50, drawn.p5, drawn.p95)]
    assert found == pytest.approx(ends, rel=5e-3)


def test_the_next_best_are_set_beside_it(found: Plan) -> None:
    text = printed(view.full(found))
    assert found.runners_up
    for each in found.runners_up:
        assert view.described(each) in text
        odds = found.odds(each)
        assert odds is not None
        line = line_with(view.described(each), text)
        assert f"{odds:.0%}" in line
        assert ("(alike)" in line) == (1 - view.ALIKE < odds < view.ALIKE)
