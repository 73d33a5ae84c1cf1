from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest
import random_models
import torch
from peer_process import ask_peers
from random_models import SEQUENCE, Models, count_batch, count_one
from timing import best_seconds

ROWS = 100_000
SAMPLE = 200
"""Models that are counted one at a time, by us and by llm-analysis; scaled up to ``ROWS``."""

CHUNK = {"cpu": 4_096, "cuda": ROWS}
"""Rows at a time: on CPUs what fits caches is fastest (``chunk_size_counting.py``)."""

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
]

Note = Callable[[str], None]


def peer_case(models: Models, row: int) -> dict[str, Any]:
    """Return a model as llm-analysis has it; it knows no interleaving, and one recipe."""
    config, layout = models.config(row), models.layout(row)
    return {
        "model": {
            "num_layers": config["num_hidden_layers"],
            "n_head": config["num_attention_heads"],
            "hidden_dim": config["hidden_size"],
            "vocab_size": config["vocab_size"],
            "max_seq_len": SEQUENCE,
            "num_key_value_heads": config["num_key_value_heads"],
            "ffn_embed_dim": config["intermediate_size"],
            "expansion_ratio": config["intermediate_size"] / config["hidden_size"],
            "moe_num_experts": config["num_local_experts"],
            "moe_top_k": config["num_experts_per_tok"],
        },
        "parallelism": {
            "tp_size": layout.tp,
            "pp_size": layout.pp,
            "dp_size": layout.dp,
            "ep_size": layout.ep,
        },
        "sequence": SEQUENCE,
        "recompute": ["selective"],
    }


def all_at_once(models: Models, device: str) -> torch.Tensor:
    """Count on a device; waits until it is done."""
    found = count_batch(models, CHUNK[device])
    if device == "cuda":
        torch.cuda.synchronize()
    return found


@pytest.mark.parametrize("device", DEVICES)
def test_counting_many_models(benchmark: Any, note: Note, device: str) -> None:
    models = random_models.draw(ROWS)
    rows = range(0, ROWS, ROWS // SAMPLE)
    sample = [(models.config(i), models.layout(i), int(models.stage[i])) for i in rows]

    there = models.to(device)
    alone = torch.tensor([count_one(*each) for each in sample], dtype=torch.float64)
    together = all_at_once(there, device).cpu()[:, rows.start : rows.stop : rows.step].T
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=0.0)

    one_by_one = best_seconds(lambda: [count_one(*each) for each in sample], 3)
    benchmark.pedantic(all_at_once, args=(there, device), rounds=10, warmup_rounds=1)
    if benchmark.stats is None:  # --benchmark-disable
        return
    seconds = benchmark.stats.stats.min
    plain = one_by_one * ROWS / SAMPLE
    benchmark.extra_info.update(rows_per_second=ROWS / seconds, ratio=plain / seconds)
    note(
        f"{ROWS:,} models and layouts on {device}, {CHUNK[device]:,} at a time: {seconds:.3g} s, "
        f"{ROWS / seconds:,.0f} a second; one at a time ({SAMPLE} of them, scaled) {plain:.4g} s, "
        f"{plain / seconds:,.0f} times as long"
    )


def test_counting_beside_llm_analysis(benchmark: Any, note: Note) -> None:
    """Each of the sample takes it one ``LLMAnalysis``, one ``training()``; imports do not count."""
    models = random_models.draw(ROWS)
    cases = [peer_case(models, row) for row in range(0, ROWS, ROWS // SAMPLE)]
    answers = ask_peers({"llm_analysis": cases})
    each = [answer["seconds"] for answer in answers["llm_analysis"]]
    benchmark.pedantic(all_at_once, args=(models, "cpu"), rounds=10, warmup_rounds=1)
    if benchmark.stats is None:  # --benchmark-disable
        return
    seconds = benchmark.stats.stats.min
    theirs = statistics.median(each) * ROWS
    benchmark.extra_info.update(plain_seconds=theirs, ratio=theirs / seconds)
    note(
        f"{ROWS:,} models and layouts: llm-analysis {answers['versions']['llm-analysis']} "
        f"{theirs / ROWS * 1e6:.0f} us each (median of {SAMPLE}), {theirs:.4g} s for all; ours "
        f"{seconds:.3g} s, {theirs / seconds:,.0f} times faster"
    )
