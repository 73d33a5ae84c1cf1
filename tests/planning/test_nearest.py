from __future__ import annotations

import re
from typing import Any

import pytest
from known import LLAMA_8B
from plans import SEQUENCE, planned

import computebill as cb
from computebill.training.memory import stage_bytes


def nearest(config: str, **changes: Any) -> str:
    with pytest.raises(cb.RequestError) as caught:
        planned(config, **changes)
    return str(caught.value).partition("the nearest, ")[2]


def test_where_nothing_fits_the_nearest_and_what_would_fit_are_told(llama_config: str) -> None:
    # Llama 3.1 8B, all trained, holds 16 bytes a parameter and more on one accelerator.
    asked: dict[str, Any] = {"count": 1, "micro_batch": [1], "global_batch": 8}
    told = nearest(llama_config, **asked)
    figures = re.search(
        r"takes ([\d.]+) of 80 GB: odds of fitting 0 %; with --offload optimizer", told
    )
    assert figures is not None
    assert "; with --qlora, which trains adapters, it takes" in told
    layout = cb.Layout(recompute="full", micro_batches=8)
    sizes = stage_bytes(cb.read_architecture(LLAMA_8B), [layout], SEQUENCE)
    assert float(figures[1]) == pytest.approx(float(sizes.amax()) / 1e9, rel=1e-3)
    planned(llama_config, **asked, layout={"qlora": True})

    asked = {"count": 8, "micro_batch": [1], "tp": [1], "cp": [1], "pp": [1]}
    asked |= {"layout": {"recipe": "megatron"}, "sequence_length": 16384}
    told = nearest(llama_config, **asked, recompute="none")
    assert "recompute none, takes" in told
    assert "; with --recompute full it takes" in told
    planned(llama_config, **asked, recompute="full")

    # A margin that nothing keeps has no advice.
    assert "; with" not in nearest(llama_config, count=1, memory_margin=0.99)
