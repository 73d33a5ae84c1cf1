from __future__ import annotations

from typing import Any

import pytest

import computebill as cb
from computebill.statements.methods import context_note

HOURS = {"gpu_hours": 1e5, "accelerator": "h100-sxm", "peak_tflops": 1000}
WHOLE = 1e5 * 3600 * 1000e12
"""Operations of all hours at the peak: 3.6e23."""


def of(stage: dict[str, Any], **more: Any) -> cb.Statement:
    data = {"model": {"name": "m", "params": 1e10}, "stage": [stage], **more}
    return cb.state(data, rules=["eu-updates"])


def test_both_methods_beside_each_other() -> None:
    (found,) = of({**HOURS, "tokens": 2e12, "mfu": 0.4}).methods
    assert found.architecture.p50 == pytest.approx(1.2e23)
    assert found.hardware.p50 == pytest.approx(0.4 * WHOLE)
    assert found.implied.p50 == pytest.approx(1.2e23 / WHOLE)
    assert found.observed.p50 == pytest.approx(0.4)
    assert found.difference == pytest.approx(0.2)
    assert found.warning is None
    assert found.chosen == "architecture"


def test_the_hardwares_figure_is_stated_where_it_is_asked_for() -> None:
    stage = {**HOURS, "tokens": 2e12, "mfu": 0.4}
    for found in (of(stage, method="hardware"), of({**stage, "method": "hardware"})):
        assert found.methods[0].chosen == "hardware"
        assert found.total("eu-updates").total.flop.p50 == pytest.approx(0.4 * WHOLE)


def test_what_is_computed_again_is_taken_out_of_a_hardware_utilisation() -> None:
    # A third more is computed, all of it in the hours: N L H U / (4/3) is the architecture's.
    stage = {**HOURS, "tokens": 2e12, "recomputed_share": 1 / 3}
    (found,) = of({**stage, "hfu": 1.6e23 / WHOLE}).methods
    assert found.hardware.p50 == pytest.approx(1.2e23)
    assert found.difference == pytest.approx(0.0, abs=1e-9)
    assert found.implied.p50 == pytest.approx(found.observed.p50)
    # A model FLOP utilisation does not count it.
    (other,) = of({**stage, "mfu": 1.2e23 / WHOLE}).methods
    assert other.hardware.p50 == pytest.approx(1.2e23)
    assert other.implied.p50 == pytest.approx(1.2e23 / WHOLE)


def test_steps_run_twice_are_in_the_hours_and_once_in_the_figure() -> None:
    stage = {**HOURS, "tokens": 2e12, "restarted_tokens": 0.5e12, "mfu": 1.5e23 / WHOLE}
    found = of(stage)
    assert found.methods[0].hardware.p50 == pytest.approx(1.2e23)
    assert found.methods[0].implied.p50 == pytest.approx(1.5e23 / WHOLE)
    items = {line.item: each.p50 for line, each in zip(found.lines, found.flop, strict=True)}
    assert items["restarted_steps"] == pytest.approx(0.3e23)


def test_methods_further_apart_than_the_margin_are_warned_of_with_both() -> None:
    (told,) = of({**HOURS, "tokens": 2e12, "mfu": 0.5}).warnings
    assert "+50%" in told
    assert "1.2e+23 FLOP by architecture, 1.8e+23 by hardware" in told
    assert "33.3%, 50.0% was told" in told


def test_hours_alone_are_stated_by_what_was_told_or_seen() -> None:
    (found,) = of({**HOURS, "mfu": 0.4}).methods
    assert found.chosen == "hardware"
    assert found.hardware.p50 == pytest.approx(0.4 * WHOLE)
    assert not found.architecture.is_known
    assert not found.implied.is_known
    seen = of(HOURS)
    assert 0.1 < seen.methods[0].hardware.p50 / WHOLE < 0.6
    assert any("observed on" in each.source for each in seen.assumptions)


@pytest.mark.parametrize(
    ("params", "tokens", "hours", "mfu", "apart"),
    [
        # Llama 3.1 405B: model card (30.84M H100 hours); arXiv:2407.21783, table 4 (38-43 %).
        (405e9, 15.6e12, 30.84e6, 0.40, 0.16),
        # SmolLM3: huggingface.co/blog/smollm3 (384 GPUs, 24 days); 29.4 % as its makers drew it.
        (3.08e9, 11.1e12, 221_184, 0.294, 0.13),
    ],
)
def test_published_runs_agree_by_both_methods_within_the_margin(
    params: float, tokens: float, hours: float, mfu: float, apart: float
) -> None:
    stage = {"params": params, "tokens": tokens, "gpu_hours": hours, "mfu": mfu}
    (found,) = of({**stage, "accelerator": "h100-sxm"}).methods
    # Hours hold lost time, and the utilisation attention: the hardware's figure is the larger.
    assert found.difference == pytest.approx(apart, abs=0.01)
    assert found.warning is None


def test_given_flop_stand_as_given() -> None:
    found = of({"flop": 3e23})
    assert found.methods[0].chosen == "given"
    assert found.total("eu-updates").total.two_figures == "3.0e23"


def test_a_long_context_of_a_small_model_is_noted() -> None:
    assert context_note(1e9, 8192) is None
    assert context_note(1e9, None) is None
    assert "6PD leaves out attention" in (context_note(1e4, 131072) or "")
