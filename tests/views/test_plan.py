"""A search on a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from known import LLAMA_8B
from looks import line_with, printed

import computebill as cb
from computebill.planning.search import Plan
from computebill.views import plan as view


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
    assert told.startswith(f"tp {layout.tp}, pp {layout.pp}")
    assert f"zero {layout.zero}" in told
    assert f"micro-batch {layout.micro_batch}" in told
    assert view.where(found.best) == f"{layout.accelerators} x h100-sxm, bf16"


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
