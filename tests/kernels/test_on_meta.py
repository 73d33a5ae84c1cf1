"""Kernels on PyTorch's meta device: it has shapes and no numbers.

There, a line that mixes devices or asks for a number fails, as it would or should on a GPU. What
comes out has the shapes and types that it has on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ideal
import pytest
import torch
from ideal import mixture, model, setting, tensor
from torch import Tensor

from computebill.kernels import (
    bill,
    collectives,
    communication,
    cost,
    flop,
    goodput,
    layer_time,
    layout,
    memory,
    operators,
    optimizers,
    outcomes,
    pipeline,
    quantiles,
    regression,
    roofline,
    run,
    sampling,
    search,
    serving,
    stage_times,
    step,
    variance,
)

CASES: dict[str, Callable[[], tuple[Any, ...]]] = {}
"""Functions with their arguments, by name."""


def case(function: Callable[..., Any], *arguments: Any, name: str = "") -> None:
    CASES[name or function.__name__] = lambda: (function, *arguments)


def column(*values: float) -> Tensor:
    return tensor(values)


def filled(kind: Any, *shape: int) -> Any:
    """A bundle whose columns are all a half."""
    return kind(*(torch.full(shape or (3,), 0.5, dtype=torch.float64) for _ in kind._fields))


def moved(value: Any, device: str = "meta") -> Any:
    """A bundle of tensors, however deep, on a device; what is no tensor as it is."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        parts = [moved(each, device) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def tensors(value: Any) -> list[Tensor]:
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return [one for each in value for one in tensors(each)]
    return [value]


DENSE, EXPERTS = model(), mixture(chosen=2)
LAYOUT = {"tensor": 2, "pipeline": 2, "data": 4, "shards": 4, "zero": 1, "micro_batches": 4}
RUN = setting(
    layout=LAYOUT,
    work={"adapter_rank": 8, "orthogonal": 1, "recompute": 1},
    device={"units": 132},
    efficiency={"score_passes": 5.0, "half_width": 24.0},
)
SPREAD = RUN._replace(layout=RUN.layout._replace(expert=tensor(8.0), context=tensor(2.0)))
PASSES = layer_time.layer_passes(DENSE, RUN)
TIMES, STAGES = step.layer_times(DENSE, RUN), stage_times.pipeline_stages(DENSE, RUN.layout)
EACH = memory.held_parameters(DENSE.operators, DENSE.groups, RUN.layout, tensor(0.0))
HELD = optimizers.RankParameters(EACH.matrices, EACH.vectors)
RECIPE = filled(memory.Recipe, 1)
KEPT = filled(memory.Activations, 1)._replace(sequence=column(4096.0))
GROUP = collectives.group(RUN.links, tensor(8.0), tensor(1.0))

case(step.step_seconds, EXPERTS, SPREAD, 1)
case(step.step_seconds, DENSE, RUN, 1, name="step_seconds of a dense model")
case(step.layer_times, EXPERTS, SPREAD)
case(stage_times.pipeline_stages, DENSE, RUN.layout, 1)
case(step.total_seconds, DENSE, RUN, TIMES, STAGES)
case(layer_time.layer_passes, EXPERTS, SPREAD)
case(layer_time.repeated_seconds, DENSE.groups, PASSES, RUN)
case(communication.tensor_seconds, DENSE, RUN)
case(communication.expert_seconds, EXPERTS, SPREAD, tensor(1.0))
case(communication.context_seconds, DENSE.operators, SPREAD, PASSES)
case(communication.sending_seconds, DENSE.hidden, RUN)
case(communication.data_seconds, DENSE.operators, RUN, EACH.matrices, column(9.0), column(1.0))
case(optimizers.optimizer_seconds, DENSE, HELD, RUN)
case(collectives.group, RUN.links, tensor(8.0), tensor(1.0))
case(collectives.gather_seconds, GROUP, column(1e9, 0.0), column(1.0, 2.0))
case(collectives.reduce_seconds, GROUP, column(1e9, 0.0))
case(
    collectives.exchange_seconds,
    RUN.links,
    collectives.ExpertRanks(column(8.0, 1.0), tensor(1.0), tensor(1.0)),
    tensor(1e9),
    tensor(2.0),
)
case(pipeline.bubble_seconds, *(column(0.0, 1.0, 2.0),) * 6)
case(roofline.product_seconds, filled(roofline.ProductShape), filled(roofline.ProductRate))
case(memory.training_memory, DENSE, RUN.layout, RECIPE, KEPT, tensor(0.0), STAGES.timed[0])
case(layout.rank_layers, DENSE.groups, DENSE.layers, RUN.layout, tensor(0.0), 1)
case(layout.in_flight, *(column(2.0, 4.0),) * 4, column(0.0, 1.0))
case(search.legal_masks, RUN.layout, tensor(4096.0))
case(search.lowest, column(3.0, 1.0, 2.0), 2)
case(flop.conventions, DENSE.operators, DENSE.groups, column(4096.0))
case(
    flop.recomputed_flop,
    DENSE.operators,
    DENSE.groups,
    flop.token_flop(DENSE.operators, column(4096.0)),
    *(column(1.0),) * 3,
)
case(operators.active_parameters, EXPERTS.operators)
case(operators.layers_of, EXPERTS.groups)
case(
    run.price_run,
    filled(run.Training),
    filled(run.Cluster),
    filled(run.Interruptions),
    filled(run.Hour),
)
case(run.price_time, column(1.0, 2.0), filled(run.Hour, 2))
case(goodput.training_share, *(column(1.0, 2.0),) * 4)
case(goodput.best_interval, *(column(1.0, 2.0),) * 2)
case(cost.amortised_hardware, *(column(1.0, 2.0),) * 5)
case(cost.energy_joules, *(column(1.0, 2.0),) * 5)
case(cost.upfront, *(column(1.0, 2.0),) * 3)
case(cost.carbon_kg, *(column(1.0, 2.0),) * 2)
ROWS = torch.full((3, 4), 0.5, dtype=torch.float64)
ONE = torch.full((3, 1), 0.5, dtype=torch.float64)
BASES = torch.tensor([-1, 0, 1])
case(
    bill.price_runs,
    bill.Runs(ROWS, torch.tensor([[0], [1], [2]]), BASES, 2),
    bill.Rates(ONE, ONE, ONE),
)
case(sampling.sobol_points, sampling.sobol_matrix(3, 0), 5, 40_000)
case(sampling.lognormal, ROWS, ONE, ONE, ONE)
case(sampling.normal, ROWS, ONE, ONE)
case(sampling.uniform, ROWS, ONE, ONE)
case(sampling.tabulated, ROWS, ROWS)
case(sampling.truncated, ROWS, ONE, ONE)
case(sampling.resolve_references, ROWS, BASES, 2)
case(outcomes.stopped_progress, ROWS, column(0.25, 0.5, 1.0), column(0.5, 0.25, 0.25))
case(outcomes.failed_length, ROWS, tensor(0.1), tensor(0.5))
case(outcomes.failure_moments, tensor(0.1), tensor(0.5))
case(outcomes.stopped_moments, column(0.5, 1.0), column(0.5, 0.5))
case(quantiles.sorted_quantiles, ROWS, column(0.1, 0.9))
case(quantiles.beta_quantiles, column(0.5, 2.0), column(7.5, 6.0), column(0.1, 0.9))
COUNTS = quantiles.count_bins(ROWS)
case(quantiles.count_bins, ROWS)
case(quantiles.counted_quantiles, COUNTS, column(0.1, 0.9))
# torch.corrcoef, and with it rank_correlation, has no meta kernel; counts of pairs are as many as
# their values say.
case(regression.resample_index, ROWS, 3)
case(regression.bootstrap_lines, column(1.0, 2.0, 4.0), column(1.0, 3.0, 2.0), BASES.clamp_min(0))
case(regression.residual_sd, column(1.0, 2.0, 4.0), column(1.0, 3.0, 2.0))
case(serving.request_seconds, filled(serving.Served), filled(serving.Server), *(column(3.0),) * 4)
case(serving.largest_batch, filled(serving.Served), filled(serving.Server), column(3.0))
case(variance.first_order_share, column(1.0, 2.0), column(2.0, 3.0), ROWS[:, :2])
case(variance.total_share, column(1.0, 2.0), column(2.0, 3.0), ROWS[:, :2])


@pytest.mark.parametrize("name", CASES)
def test_a_kernel_stays_on_the_device_of_its_inputs(name: str) -> None:
    function, *arguments = CASES[name]()
    here = tensors(function(*arguments))
    there = tensors(function(*(moved(each) for each in arguments)))
    assert [each.device.type for each in there] == ["meta"] * len(here)
    assert [each.shape for each in there] == [each.shape for each in here]
    assert [each.dtype for each in there] == [each.dtype for each in here]


def test_a_line_that_asks_for_a_number_fails_here() -> None:
    # Without the most chunks that a stage has, they are looked up.
    arguments = (DENSE.groups, DENSE.layers, RUN.layout, tensor(0.0))
    with pytest.raises(RuntimeError, match="meta"):
        layout.rank_layers(*(moved(each) for each in arguments))
    with pytest.raises(RuntimeError, match="meta"):
        layer_time.repeated_seconds(moved(DENSE.groups), PASSES, moved(ideal.setting()))
