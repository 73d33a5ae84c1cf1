"""The search over layouts: rows a second, memory, a whole space, and llm-analysis beside it."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peer_process import ask_peers

import computebill as cb
from computebill.kernels import search
from computebill.training.cases import Case
from computebill.training.choice_grid import Grid
from computebill.training.choices import Space, make_space
from computebill.training.efficiency import read_profile
from computebill.training.parameters import bounded, unbounded
from computebill.training.step_time import estimate_step

GPT3: dict[str, Any] = {
    "model_type": "gpt2",
    "n_embd": 12288,
    "n_layer": 96,
    "n_head": 96,
    "n_positions": 2048,
    "vocab_size": 51200,
}
"""Korthikanti et al. 2022, table 3: 175B."""

BATCH = 1536
WIDE: dict[str, list[Any]] = {
    "tp": [1, 2, 4, 8, 16, 32],
    "cp": [1, 2, 4, 8],
    "zero": [0, 1, 2, 3],
    "micro_batch": list(range(1, 17)),
    "recompute": ["none", "selective", "full"],
}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=[pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
    ),
]
LLM_ANALYSIS_CASES = 200


def space(**given: list[Any]) -> Space:
    part = cb.find_accelerator("h100-sxm")
    return make_space(
        Case(cb.read_architecture(GPT3), cb.Layout(), part, "bf16", 2048, "modern"), given
    )


def grid(of: Space, device: str = "cpu") -> Grid:
    return Grid(of, bounded(unbounded(read_profile().values)), torch.device(device))


def counts(rows: int, of: Space) -> Iterator[int]:
    """Numbers of accelerators, so many that the grid has about so many rows."""
    size = len(of.pipes) * len(of.tp) * len(of.cp) * len(of.sharding) * len(of.micro)
    for index in range(max(1, round(rows / (size * len(of.recompute))))):
        yield 1024 + 64 * index


def look_through(whole: Grid, numbers: list[int]) -> int:
    """Mask every layout; time, weigh and rank those that may be legal; how many there were."""
    for count in numbers:
        for pipes in whole.chunks():
            search.lowest(whole.evaluate(pipes, count, BATCH).legal_seconds(80e9), 64)
    return len(numbers) * math.prod(whole.space.shape)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rows", [10**3, 10**5, 10**7])
def test_rows_a_second(benchmark: Any, note: Callable[[str], None], rows: int, device: str) -> None:
    of = space(**(WIDE if rows > 10**3 else {"tp": [8], "micro_batch": [1], "cp": [1]}))
    whole = grid(of, device)
    numbers = list(counts(rows, of))
    found = benchmark.pedantic(look_through, (whole, numbers), rounds=3, warmup_rounds=1)
    if benchmark.stats is None:  # --benchmark-disable
        return
    seconds = benchmark.stats.stats.min
    case = whole.case(of.sharding[0])
    alone = time.perf_counter()
    for _ in range(50):
        estimate_step(case)
    ratio = (time.perf_counter() - alone) / 50 * found / seconds
    benchmark.extra_info.update(rows=found, rows_per_second=found / seconds, ratio=ratio)
    note(
        f"search, {device}: {found:,} layouts in {seconds:.3g} s, {found / seconds:,.0f} a second, "
        f"times and memory; timed one at a time {ratio:,.0f} times as long"
    )


def test_a_whole_space(benchmark: Any, note: Callable[[str], None], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(GPT3))
    spec = {
        "model": str(config),
        "tokens": 3e11,
        "accelerator": "h100-sxm",
        "count": 4096,
        "global_batch": BATCH,
        "sequence_length": 2048,
    }
    found = benchmark.pedantic(cb.plan, (spec,), rounds=3, warmup_rounds=1)
    if benchmark.stats is None:
        return
    note(
        f"GPT-3 175B on 4,096 H100, {found.evaluated:,} layouts: {benchmark.stats.stats.min:.3g} s "
        f"from the spec to the priced answer, {found.search_seconds:.3g} s of it the search"
    )


def test_peak_memory(note: Callable[[str], None]) -> None:
    script = (
        "import resource, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_speed_plan import *\n"
        "of = space(**WIDE)\n"
        "whole = grid(of)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rows = look_through(whole, list(counts(3 * 10**6, of)))\n"
        "print(rows, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    rows, before, peak = map(int, done.stdout.split())
    assert (peak - before) / 2**20 < 1.0
    gib = (peak / 2**20, before / 2**20)
    note(f"search of {rows:,} layouts: {gib[0]:.2f} GiB at the peak, {gib[1]:.2f} before")


def test_llm_analysis_one_by_one(note: Callable[[str], None]) -> None:
    cases = [
        {
            "model": {
                "num_layers": 96,
                "n_head": 96,
                "hidden_dim": 12288,
                "vocab_size": 51200,
                "max_seq_len": 2048,
                "num_key_value_heads": 96,
                "ffn_embed_dim": 4 * 12288,
                "expansion_ratio": 4,
                "moe_num_experts": 1,
                "moe_top_k": 1,
            },
            "parallelism": {"tp_size": tp, "pp_size": pp, "dp_size": 8, "ep_size": 1},
            "sequence": 2048,
            "recompute": ["none"],
        }
        for tp in (1, 2, 4, 8)
        for pp in (1, 2, 4, 8) * (LLM_ANALYSIS_CASES // 16)
    ]
    answers = ask_peers({"llm_analysis": cases})
    seconds = statistics.median(each["seconds"] for each in answers["llm_analysis"])
    of = space(**WIDE)
    whole = grid(of)
    numbers = list(counts(10**6, of))
    look_through(whole, numbers)
    start = time.perf_counter()
    rows = look_through(whole, numbers)
    ours = rows / (time.perf_counter() - start)
    theirs = 1 / seconds
    note(
        f"llm-analysis {answers['versions']['llm-analysis']}: {theirs:,.0f} layouts a second, one "
        f"process (median of {len(cases)}); ours {ours:,.0f}, {ours / theirs:,.0f} times as many"
    )
