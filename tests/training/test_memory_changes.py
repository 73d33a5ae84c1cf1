"""The one change that makes a layout fit."""

from __future__ import annotations

from typing import Any

import pytest
from known import LLAMA_8B

import computebill as cb
from computebill.hardware.accelerators import find_accelerator
from computebill.training.memory import GB, stage_bytes
from computebill.training.memory_changes import would_fit
from computebill.training.memory_odds import USUAL_ODDS, fit_odds

MODEL = cb.read_architecture(LLAMA_8B)


def laid_out(**fields: Any) -> cb.Layout:
    return cb.Layout(**{"dp": 8, "micro_batches": 16, "zero": 1, **fields})


def total_gb(layout: cb.Layout, sequence: int) -> float:
    return float(stage_bytes(MODEL, [layout], sequence).nan_to_num(0.0).amax()) / GB


@pytest.mark.parametrize(
    ("fields", "sequence", "part", "first"),
    [
        # Whole states on each of eight: to share them costs nothing.
        ({"zero": 0}, 1024, "b200", "--zero"),
        ({"micro_batch": 8}, 8192, "b200", "--micro-batch"),
        ({"tp": 8, "dp": 1}, 131_072, "h100-sxm", "--recompute"),
        ({"tp": 2, "recompute": "full", "zero": 3}, 131_072, "h200-sxm", "--loss"),
        (
            {"tp": 2, "recompute": "full", "zero": 3, "loss": "in-place"},
            131_072,
            "h200-sxm",
            "--tp",
        ),
        ({"dp": 1, "lora_rank": 16, "loss": "cut"}, 1024, "a10g", "--weights"),
    ],
)
def test_the_change_is_the_least_harmful_that_fits(
    fields: dict[str, Any], sequence: int, part: str, first: str
) -> None:
    layout, accelerator = laid_out(**fields), find_accelerator(part)
    room = accelerator.memory_gb.value
    assert fit_odds(total_gb(layout, sequence), room) < USUAL_ODDS
    found = would_fit(MODEL, layout, sequence, accelerator)
    assert found is not None
    assert found.change.startswith(first)
    assert found.fit_odds == fit_odds(found.total_gb, room) >= USUAL_ODDS
    words = found.change.split()
    changed = {
        flag.removeprefix("--").replace("-", "_"): int(value) if value.isdigit() else value
        for flag, value in zip(words[::2], words[1::2], strict=True)
    }
    # As many accelerators and sequences a step as before.
    again = laid_out(**{**fields, **changed})
    assert again.accelerators == layout.accelerators
    sequences = layout.micro_batch * layout.dp * 16
    again = again.model_copy(update={"micro_batches": sequences // (again.micro_batch * again.dp)})
    assert total_gb(again, sequence) == pytest.approx(found.total_gb)


def test_one_accelerator_is_not_told_to_share_with_itself() -> None:
    part = find_accelerator("b200")
    layout = cb.Layout(recipe="trl", micro_batches=1)
    alone = would_fit(MODEL, layout, 1024, part)
    assert alone is None or "--zero" not in alone.change
    two = would_fit(MODEL, cb.Layout(recipe="trl", micro_batches=1, dp=2), 1024, part)
    assert two is not None
    assert two.change.startswith("--zero")


def test_where_nothing_helps_there_is_no_change() -> None:
    layout = cb.Layout(recompute="full")
    assert would_fit(MODEL, layout, 4096, find_accelerator("rtx-4090")) is None


def test_adapters_that_no_one_field_makes_fit_are_told_of_a_quantised_base() -> None:
    # Of 24 GB, 16 are weights in 16 bits; in 4 bits all layers' activations are still too many.
    layout = laid_out(dp=1, micro_batches=8, lora=True)
    card = find_accelerator("rtx-4090")
    found = would_fit(MODEL, layout, 4096, card)
    assert found is not None
    assert found.change == "--qlora"
    room = card.memory_gb.value
    assert found.total_gb == total_gb(laid_out(dp=1, micro_batches=8, qlora=True), 4096)
    assert found.fit_odds == fit_odds(found.total_gb, room) >= USUAL_ODDS
