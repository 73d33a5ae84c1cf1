"""The fewest layers that are computed again, against every number of them."""

from __future__ import annotations

from typing import Any

import pytest
from known import DEEPSEEK_LIKE, LLAMA_8B

import computebill as cb
from computebill.training.layout import Layout
from computebill.training.memory import stage_bytes
from computebill.training.repeating import as_one, fewest_repeated

SEQUENCE = 4096
FULL = {"recompute": "full", "micro_batches": 16}


@pytest.mark.parametrize(
    ("config", "fields", "share"),
    [
        (LLAMA_8B, {"pp": 4, "tp": 2}, 0.4),
        (LLAMA_8B, {"pp": 4, "vpp": 2, "tp": 4}, 0.7),
        (LLAMA_8B, {"pp": 4, "tp": 2, "layers_per_stage": (6, 9, 9, 8)}, 0.5),
        (LLAMA_8B, {"tp": 8, "micro_batch": 4}, 0.3),
        (DEEPSEEK_LIKE, {"pp": 3, "layers_per_stage": (5, 5, 4)}, 0.4),
    ],
)
def test_one_layer_fewer_does_not_fit(
    config: dict[str, Any], fields: dict[str, Any], share: float
) -> None:
    architecture = cb.read_architecture(config)
    layout = Layout(**FULL, **fields)
    held = layout.deal.stages(int(architecture.layer_count))

    def sizes(again: int) -> list[float]:
        tried = layout.model_copy(
            update={"recompute_layers": tuple(min(again, most) for most in held)}
        )
        found: list[float] = stage_bytes(architecture, [tried], float(SEQUENCE))[:, 0].tolist()
        return found

    none, full = sizes(0), sizes(max(held))
    limit = max(full) + share * (max(none) - max(full))
    (found,) = fewest_repeated(architecture, [layout], SEQUENCE, limit)
    every = [sizes(again) for again in range(max(held) + 1)]
    for stage, most in enumerate(held):
        fitting = [again for again in range(most + 1) if every[again][stage] <= limit]
        assert found[stage] == min(fitting)
    assert any(found)
    # Of stages that are alike the earlier has more micro-batches in flight.
    alike = found[1:3]
    assert sorted(alike, reverse=True) == list(alike)


def test_one_number_of_all_stages_is_as_much_as_one_needs_in_each_chunk() -> None:
    assert as_one(Layout(pp=4), (5, 3, 1, 0)) == 5
    assert as_one(Layout(pp=4, vpp=2), (5, 3, 1, 0)) == 6


def test_what_never_fits_computes_all_of_it_again() -> None:
    layout = Layout(**FULL, pp=4)
    assert fewest_repeated(cb.read_architecture(LLAMA_8B), [layout], SEQUENCE, 1.0) == [(8,) * 4]
