"""Who is to blame for a step's time, against draws of what is not known of the efficiencies."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import MultivariateNormal

from computebill.architectures import read_architecture
from computebill.hardware.accelerators import find_accelerator
from computebill.training.blame import UNEXPLAINED, blamed, part_slopes
from computebill.training.cases import Case
from computebill.training.intervals import covariance_of
from computebill.training.layout import Layout
from computebill.training.step_time import StepEstimate, estimate_step


@pytest.fixture(scope="module")
def step() -> StepEstimate:
    layout = Layout(tp=2, pp=2, dp=16, micro_batch=1, micro_batches=8, zero=1)
    case = Case(
        architecture=read_architecture("llama-3.1-8b"), layout=layout,
        accelerator=find_accelerator("h100"), precision="bf16", sequence=8192, software="modern",
    )  # fmt: skip
    return estimate_step(case)


def test_parts_and_what_is_left_are_the_whole_excess(step: StepEstimate) -> None:
    for measured in (1.3 * step.seconds, 0.8 * step.seconds):
        found = blamed(step, measured)
        assert sum(each.share for each in found) == pytest.approx(1.0, abs=0.15)
        assert all(
            each.likely == pytest.approx(each.share * (measured - step.seconds)) for each in found
        )
        assert all(0 < each.could_explain <= 1 for each in found)
    assert blamed(step, step.seconds) == []


def test_slopes_of_parts_add_up_to_the_step_s(step: StepEstimate) -> None:
    names, slopes = part_slopes(step)
    assert len(names) == len(slopes) == len(step.breakdown) + 1
    assert names[-1] == "pace"
    # All efficiencies as they are but the pace: the step takes longer by as much.
    assert slopes[-1].sum() == pytest.approx(step.seconds, rel=1e-6)


def test_expected_parts_are_those_of_draws_with_that_excess(step: StepEstimate) -> None:
    spread = step.fitted.spread
    assert spread is not None
    names, slopes = part_slopes(step)
    covariance = slopes @ covariance_of(step.fitted, spread) @ slopes.T
    size = len(names) + 1
    whole = torch.zeros(size, size, dtype=torch.float64)
    whole[:-1, :-1] = covariance
    whole[-1, -1] = (spread.row * step.seconds) ** 2
    torch.manual_seed(1)
    jitter = 1e-10 * torch.eye(size, dtype=torch.float64)
    draws = MultivariateNormal(torch.zeros(size, dtype=torch.float64), whole + jitter).sample(
        (400_000,)
    )
    total = draws.sum(1)
    excess = 0.2 * step.seconds
    near = draws[(total - excess).abs() < 0.02 * step.seconds]
    means = dict(zip([*names, UNEXPLAINED], near.mean(0).tolist(), strict=True))
    for each in blamed(step, step.seconds + excess):
        assert each.likely == pytest.approx(means[each.part], abs=0.06 * excess)
