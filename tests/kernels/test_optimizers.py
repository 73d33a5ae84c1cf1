"""The optimizer's step on eight accelerators, as worked out on paper."""

from __future__ import annotations

import pytest
import torch
from ideal import ATTENTION_WEIGHTS, LAYERS, MEMORY, MLP_WEIGHTS, PEAK, mixture, model, setting
from ideal import HEAD_WEIGHTS as EMBEDDING

from computebill.kernels import optimizers
from computebill.kernels.memory import held_parameters
from computebill.kernels.operators import Model, layers_of
from computebill.kernels.optimizers import RankParameters

NORMS = (2 * LAYERS + 1) * 4096
LAYER_MATRICES = LAYERS * (ATTENTION_WEIGHTS + MLP_WEIGHTS)
ALL = LAYER_MATRICES + NORMS + 2 * EMBEDDING
"""Parameters of Llama 3.1 8B: 8.03 billion."""


def seconds(of: Model | None = None, **changes: dict[str, float]) -> float:
    """Of a rank that holds all layers."""
    of, given = of or model(), setting(**changes)
    layout = given.layout
    each = held_parameters(of.operators, of.groups, layout, torch.zeros_like(layout.tensor))
    count = layers_of(of.groups).unsqueeze(1)
    held = RankParameters(count * each.matrices, count * each.vectors)
    return float(optimizers.optimizer_seconds(of, held, given))


def test_every_state_of_a_parameter_is_read_and_written_once() -> None:
    once = 30 * ALL / MEMORY
    assert seconds() == pytest.approx(once)
    slow = {"optimizer_traffic": 1.3, "memory": 0.8}
    assert seconds(efficiency=slow) == pytest.approx(once * 1.3 / 0.8)


def test_what_is_no_matrix_of_a_layer_has_states_of_its_own() -> None:
    # As Muon's: one moment of matrices, two of embedding, head and norms.
    found = seconds(work={"state_bytes": 22, "other_bytes": 30})
    expected = (22 * LAYER_MATRICES + 30 * (NORMS + 2 * EMBEDDING)) / MEMORY
    assert found == pytest.approx(expected)


def test_eight_shards_hold_an_eighth_of_the_states() -> None:
    layout = {"data": 8, "shards": 8}
    whole, *divided = (seconds(layout={**layout, "zero": zero}) for zero in range(4))
    assert whole == pytest.approx(30 * ALL / MEMORY)
    assert divided == pytest.approx([whole / 8] * 3)


@pytest.mark.parametrize(("expert", "copies"), [(1, 8), (2, 4), (8, 1)])
def test_experts_are_divided_by_the_ranks_that_hold_the_same(expert: int, copies: int) -> None:
    # Of eight ranks, each holds 8 / ep experts, which as many hold as there are copies: an eighth
    # of all experts' states, however they are spread.
    layout = {"data": 8, "shards": 8, "zero": 1, "expert": expert}
    dense = LAYERS * (ATTENTION_WEIGHTS + 8 * 4096) + NORMS + 2 * EMBEDDING
    experts = LAYERS * MLP_WEIGHTS * 8 / expert
    expected = 30 * (dense / 8 + experts / copies) / MEMORY
    assert seconds(mixture(), layout=layout) == pytest.approx(expected)
    # Two shards divide what eight copies hold by two, and no more than there are copies.
    layout["shards"] = 2
    expected = 30 * (dense / 2 + experts / min(2, copies)) / MEMORY
    assert seconds(mixture(), layout=layout) == pytest.approx(expected)


def test_frozen_weights_have_no_states() -> None:
    assert seconds(work={"trained": 0}) == 0
    assert seconds(work={"trained": 0, "orthogonal": 1}) == 0


def newton_schulz(rows: int, columns: int) -> float:
    """FLOP of the products that five iterations compute, one by one (Jordan et al. 2024)."""
    short, long = min(rows, columns), max(rows, columns)
    gram = 2 * short * long * short  # A = X X^T
    square = 2 * short * short * short  # A A
    update = 2 * short * short * long  # (b A + c A A) X
    return 5.0 * (gram + square + update)


def test_muon_orthogonalises_every_matrix_of_a_layer() -> None:
    shapes = [(4096, 4096), (4096, 1024), (4096, 1024), (4096, 4096)]
    shapes += [(4096, 14336), (4096, 14336), (14336, 4096)]
    flop = LAYERS * sum(newton_schulz(*shape) for shape in shapes)
    computed = seconds(work={"orthogonal": 1}) - seconds()
    assert computed == pytest.approx(flop / PEAK)
    slow = {"products": 0.5}
    found = seconds(work={"orthogonal": 1}, efficiency=slow) - seconds(efficiency=slow)
    assert found == pytest.approx(2 * flop / PEAK)
    # Of eight ranks each computes an eighth where states are divided, and all of it where not.
    layout = {"data": 8, "shards": 8}
    for zero, part in ((0, 1), (1, 8)):
        given = {"layout": {**layout, "zero": zero}}
        found = seconds(work={"orthogonal": 1}, **given) - seconds(**given)
        assert found == pytest.approx(flop / part / PEAK)
