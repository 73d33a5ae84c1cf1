"""Steps of one model under many layouts, timed at once: eager, compiled, and one at a time."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from limits import bytes_per_second, float64_per_second, operations
from timing import best_seconds
from torch import Tensor

import computebill as cb
from computebill.kernels.layout import Layout
from computebill.kernels.step import step_seconds
from computebill.training.cases import Case, CaseColumns, case_columns, case_setting
from computebill.training.efficiency import read_profile
from computebill.training.parameters import bounded, unbounded
from computebill.training.step_time import estimate_step

ROWS = 100_000
MODELS = 256
MODELS_CHUNK = 2048
CHUNK = 16_384
SAMPLE = 50
CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}
CHOICES = {
    "tensor": ("tp", [1, 2, 4, 8]),
    "pipeline": ("pp", [1, 2, 4, 5, 8]),
    "data": ("dp", [1, 8, 64]),
    "micro_batch": ("micro_batch", [1, 2, 4]),
    "micro_batches": ("micro_batches", [8, 16, 64]),
}


def base(**layout: int) -> Case:
    return Case(
        architecture=cb.read_architecture(CONFIG),
        layout=cb.Layout(**layout),
        accelerator=cb.find_accelerator("h100-sxm"),
        precision="bf16",
        sequence=8192,
        software="modern",
    )


def layouts(cases: CaseColumns, rows: int) -> Layout:
    generator = torch.Generator().manual_seed(0)
    drawn = {
        name: torch.tensor(values, dtype=torch.float64)[
            torch.randint(0, len(values), (rows,), generator=generator)
        ]
        for name, (_, values) in CHOICES.items()
    }
    parallel = (drawn["tensor"] > 1).to(torch.float64)
    return cases.layouts._replace(
        **drawn, sequence_parallel=parallel, shards=drawn["data"], expert_tensor=drawn["tensor"]
    )


def timer(cases: CaseColumns) -> Callable[[tuple[Tensor, ...]], Tensor]:
    values = bounded(unbounded(read_profile().values))
    setting = case_setting(cases, values)

    def seconds(layout: tuple[Tensor, ...]) -> Tensor:
        changed = setting._replace(layout=Layout(*layout))
        return step_seconds(cases.batch.model, changed, turns=1).total

    return seconds


def in_chunks(function: Callable[[tuple[Tensor, ...]], Tensor], layout: Layout) -> Tensor:
    parts = []
    for start in range(0, ROWS, CHUNK):
        # The last chunk is filled up, so that a compiled kernel sees one shape.
        places = torch.arange(start, start + CHUNK).clamp_max(ROWS - 1)
        whole = tuple(each[places] if each.numel() == ROWS else each for each in layout)
        parts.append(function(whole)[: min(CHUNK, ROWS - start)])
    return torch.cat(parts)


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_steps_of_many_layouts(benchmark: Any, note: Callable[[str], None], mode: str) -> None:
    if mode == "compiled" and shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    cases = case_columns([base()])
    layout = layouts(cases, ROWS)
    eager = timer(cases)
    chosen = eager if mode == "eager" else torch.compile(eager, dynamic=False, fullgraph=True)
    with torch.no_grad():
        found = in_chunks(chosen, layout)
        torch.testing.assert_close(found, in_chunks(eager, layout), rtol=1e-12, atol=0)
        one_by_one = [
            {flag: int(getattr(layout, name)[row]) for name, (flag, _) in CHOICES.items()}
            for row in range(SAMPLE)
        ]
        plain = [estimate_step(base(**each)).seconds for each in one_by_one]
        torch.testing.assert_close(
            found[:SAMPLE], torch.tensor(plain, dtype=torch.float64), rtol=1e-9, atol=0
        )
        slow = best_seconds(lambda: [estimate_step(base(**each)) for each in one_by_one], 1)
        benchmark.pedantic(lambda: in_chunks(chosen, layout), rounds=8, warmup_rounds=1)
    if benchmark.stats is None:  # --benchmark-disable
        return
    seconds = benchmark.stats.stats.min
    ratio = slow * ROWS / SAMPLE / seconds
    benchmark.extra_info.update(rows_per_second=ROWS / seconds, ratio=ratio)
    note(
        f"{ROWS:,} steps, {mode}: {seconds:.3g} s, {ROWS / seconds:,.0f} a second; one at a time "
        f"{ratio:,.0f} times as long"
    )


def of_all_kinds() -> CaseColumns:
    """Models, layouts and accelerators, drawn."""
    draw = random.Random(0)
    part = ("h100-sxm", "a100-sxm-80gb", "b200")
    cases = []
    for _ in range(MODELS):
        hidden = draw.choice([1024, 2048, 4096, 8192])
        sizes = {
            "hidden_size": hidden,
            "intermediate_size": 4 * hidden,
            "num_hidden_layers": draw.choice([16, 32, 48, 80]),
        }
        layout = cb.Layout(
            tp=draw.choice([1, 2, 4, 8]), pp=draw.choice([1, 2, 4]), dp=8, micro_batches=16
        )
        cases.append(
            Case(
                architecture=cb.read_architecture(CONFIG | sizes),
                layout=layout,
                accelerator=cb.find_accelerator(draw.choice(part)),
                precision="bf16",
                sequence=8192,
                software="modern",
            )
        )
    return case_columns(cases)


def repeated(columns: Any, places: Tensor) -> Any:
    """Rows of columns, or of bundles of them; what all rows share stays."""
    if not isinstance(columns, Tensor):
        return type(columns)(*(repeated(each, places) for each in columns))
    is_own = columns.ndim and columns.shape[-1] == MODELS
    return columns[..., places].contiguous() if is_own else columns


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_steps_of_many_models(benchmark: Any, note: Callable[[str], None], mode: str) -> None:
    if mode == "compiled" and shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    cases = of_all_kinds()
    values = bounded(unbounded(read_profile().values))
    places = torch.arange(MODELS_CHUNK) % MODELS
    model = repeated(cases.batch.model, places)
    setting = repeated(case_setting(cases, values), places)

    def eager() -> Tensor:
        return step_seconds(model, setting, turns=1).total

    chosen = eager if mode == "eager" else torch.compile(eager, dynamic=False, fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(chosen(), eager(), rtol=1e-12, atol=0)
        benchmark.pedantic(chosen, rounds=20, warmup_rounds=2)
        needed = operations(eager)
    if benchmark.stats is None:  # --benchmark-disable
        return
    seconds = benchmark.stats.stats.min
    parts = (model.operators, model.groups, *setting)
    columns = [each for part in parts for each in part]
    read = sum(each.numel() * 8 for each in columns)
    arithmetic = needed / seconds / float64_per_second()
    traffic = read / seconds / bytes_per_second()
    benchmark.extra_info.update(
        rows_per_second=MODELS_CHUNK / seconds, share_float64=arithmetic, share_bandwidth=traffic
    )
    note(
        f"steps of different models, layouts and accelerators, {mode}: "
        f"{MODELS_CHUNK / seconds:,.0f} a second; {needed / MODELS_CHUNK:,.0f} operations a row, "
        f"{arithmetic:.0%} of the float64 limit of products; inputs at {traffic:.0%} of a copy"
    )
