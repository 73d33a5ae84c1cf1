"""A sweep priced experiment by experiment: the plain way beside it, rows a second, memory."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plain_sweep as plain
import pytest
import torch
from timing import Compare, best_seconds

import computebill as cb
from computebill.sweep import SweepEstimate, price_sweep
from computebill.training.efficiency import read_profile
from computebill.training.software import read_software
from computebill.training.utilisation import STEPS_PER_DOUBLING, Utilisation, practice
from computebill.uncertainty.distribution import Distribution

DRAWS = 1000
MANY = 10_000_000
MOST_BYTES = 2 * 2**30
LEAST_RATIO = 20
FEW_DRAWS = 10
OTHER_EXPERIMENTS = 0.002
"""What other drawn experiments, of so many, make of a group's total."""
FIGURES = {"gpu_hours": "gpu_hours", "cost_usd": "cloud"}
"""The plain way's, and ours."""
QUANTILES = ("p5", "p50", "p95")

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=[pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
    ),
]
H100 = cb.find_accelerator("h100-sxm")
PEAK = H100.peak_flop_per_s("bf16")


def ours(spec: Mapping[str, Any], draws: int = DRAWS, device: str = "cpu") -> SweepEstimate:
    return price_sweep(spec, samples=draws, device=device, confirmed=True)


def utilisations(
    params: pd.Series, groups: pd.Series, spec: Mapping[str, Any]
) -> plain.Utilisations:
    """Tables of the step model's utilisation, at the nodes that a chunk of ours has."""
    steps = Utilisation(H100, "bf16", 4096, read_software("modern"), read_profile(None))
    tables = {}
    for group in spec["groups"]:
        own = params[groups == group["name"]]
        low, high = (math.log2(size) * STEPS_PER_DOUBLING for size in (own.min(), own.max()))
        steps_between = torch.arange(math.floor(low), math.ceil(high) + 1, dtype=torch.float64)
        logs = steps_between / STEPS_PER_DOUBLING
        batch = torch.full_like(logs, group["global_batch"])
        shares = steps.of_sizes(2.0**logs, batch, group["count"])
        tables[group["name"]] = (logs.numpy(), shares.log().numpy())

    def at(group: Mapping[str, Any], sizes: np.ndarray) -> np.ndarray:
        return plain.interpolated(tables[group["name"]], sizes)

    return at


def our_experiments(spec: Mapping[str, Any]) -> pd.DataFrame:
    """Every experiment as ours prices it, one by one."""
    chunks: list[pd.DataFrame] = []

    def keep(columns: Mapping[str, torch.Tensor | str]) -> None:
        given = {
            name: column.numpy() if isinstance(column, torch.Tensor) else column
            for name, column in columns.items()
        }
        chunks.append(pd.DataFrame(given))

    price_sweep(spec, samples=256, device="cpu", confirmed=True, sink=keep)
    return pd.concat(chunks, ignore_index=True)


def our_rows(found: SweepEstimate) -> Iterator[tuple[tuple[str, str], Distribution]]:
    """Yield our distribution of each column of the plain way's summary."""
    named = {each.group.name: each.rows for each in found.groups} | {"all": found.rows}
    for group, rows in named.items():
        for figure, key in FIGURES.items():
            yield (group, figure), rows[key]


def test_every_experiment_alike() -> None:
    """The same experiments, stopped by nothing: each takes as long to 1e-9, and so do all."""
    spec = plain.without_fates(plain.programme(200_000))
    frame = our_experiments(spec)
    assert len(frame) == 200_000
    at = utilisations(frame["params"], frame["group"], spec)
    whole = plain.seconds_of(spec, frame, PEAK, at)
    usual = practice("training").middle
    for name, seconds in whole.items():
        own = frame.loc[frame["group"] == name]
        hours, flop = seconds * usual / plain.HOUR, 6.0 * own["params"] * own["tokens"]
        np.testing.assert_allclose(own["gpu_hours_to_the_end"], hours, rtol=1e-9)
        np.testing.assert_allclose(own["model_flop"], flop, rtol=1e-9)
        assert own["gpu_hours_to_the_end"].sum() == pytest.approx(hours.sum(), rel=1e-9)


def test_same_distribution(note: Callable[[str], None]) -> None:
    """The same experiments, stopped and failing: many draws of few, so that errors are small."""
    spec, draws = plain.programme(2000), 2**18
    frame = our_experiments(spec)
    at = utilisations(frame["params"], frame["group"], spec)
    rng = np.random.default_rng(0)
    expected = plain.summary(plain.price(spec, frame, draws, PEAK, at, rng))
    off = [
        (abs(own.mean / row["mean"] - 1), *(abs(getattr(own, q) / row[q] - 1) for q in QUANTILES))
        for key, own in our_rows(ours(spec, 2**17))
        for row in [expected.loc[key]]
    ]
    mean, *quantiles = np.max(off, axis=0)
    note(
        f"2,000 experiments, {draws:,} plain draws: means differ by {mean:.2%} at most, p5, p50 "
        f"and p95 by {', '.join(f'{each:.2%}' for each in quantiles)}"
    )
    assert mean < 0.005
    assert max(quantiles) < 0.02


@pytest.mark.parametrize("experiments", [100, 1000])
def test_fates_alone(experiments: int, note: Callable[[str], None]) -> None:
    """Nothing uncertain but the fates: what the sum of the smaller ones as normal does to it."""
    spec, draws = plain.only_fates(plain.programme(experiments)), 2**17
    frame = our_experiments(spec)
    at = utilisations(frame["params"], frame["group"], spec)
    rng = np.random.default_rng(0)
    expected = plain.summary(plain.price(spec, frame, draws, PEAK, at, rng))
    off, spread = [], []
    for key, own in our_rows(ours(spec, draws)):
        row = expected.loc[key]
        off.append(max(abs(getattr(own, q) / row[q] - 1) for q in (*QUANTILES, "mean")))
        spread.append(row["p95"] / row["p5"] - 1)
    note(
        f"{experiments:,} experiments, only fates uncertain: p95 is {min(spread):.1%} to "
        f"{max(spread):.1%} above p5; ours differ by {max(off):.2%} at most"
    )
    assert max(off) < 0.02


@pytest.mark.parametrize("experiments", [200_000, MANY])
def test_against_the_plain_way(
    experiments: int, compare: Compare, benchmark: Any, note: Callable[[str], None]
) -> None:
    """The plain way has its table of utilisations for nothing; ours computes it in its time."""
    spec = plain.programme(experiments)
    first = plain.draw_experiments(spec, np.random.default_rng(1))
    at = utilisations(first["params"], first["group"], spec)
    kept: dict[str, Any] = {}
    del first

    def the_plain_way() -> None:
        rng = np.random.default_rng(0)
        frame = plain.draw_experiments(spec, rng)
        kept["plain"] = plain.price(spec, frame, DRAWS, PEAK, at, rng)
        plain.summary(kept["plain"])

    def our_way() -> None:
        kept["ours"] = ours(spec)

    what = f"{experiments:,} experiments, {DRAWS:,} draws"
    ratio = compare(what, the_plain_way, our_way, rounds=3)
    expected = plain.summary(kept["plain"])
    for key, own in our_rows(kept["ours"]):
        row = expected.loc[key]
        assert abs(own.mean - row["mean"]) < 5 * row["error"] + OTHER_EXPERIMENTS * row["mean"]
        for q, level in zip(QUANTILES, (0.05, 0.5, 0.95), strict=True):
            # So many draws may put a quantile this far off, whatever is drawn.
            error = 4 * math.sqrt(level * (1 - level) / DRAWS)
            low, high = kept["plain"][key].quantile([level - error, level + error])
            assert low * (1 - OTHER_EXPERIMENTS) < getattr(own, q) < high * (1 + OTHER_EXPERIMENTS)
    if experiments < MANY or math.isnan(ratio):
        return
    seconds = the_usual_loop(spec, at)
    note(
        f"{what}, all experiments at once in each draw: plain {seconds:.4g} s (timed on "
        f"{FEW_DRAWS} draws, scaled), {seconds / benchmark.stats.stats.min:.4g} times ours"
    )
    assert ratio >= LEAST_RATIO, f"{ratio:.3g} times faster; asked: {LEAST_RATIO}"


def the_usual_loop(spec: Mapping[str, Any], at: plain.Utilisations) -> float:
    """Seconds of the plain way's fates as they are usually written, without blocks."""
    rng = np.random.default_rng(0)
    whole = plain.seconds_of(spec, plain.draw_experiments(spec, rng), PEAK, at)

    def fates() -> None:
        for group in spec["groups"]:
            plain.draw_fates(group, whole[group["name"]], FEW_DRAWS, rng, at_a_time=MANY)

    return DRAWS / FEW_DRAWS * best_seconds(fates, 1)


def test_the_plain_pass_alone(compare: Compare) -> None:
    """No fates: what is left of the plain way is a dozen passes over columns."""
    spec = plain.without_fates(plain.programme(MANY))
    first = plain.draw_experiments(spec, np.random.default_rng(1))
    at = utilisations(first["params"], first["group"], spec)
    del first

    def the_plain_way() -> None:
        rng = np.random.default_rng(0)
        frame = plain.draw_experiments(spec, rng)
        plain.summary(plain.price(spec, frame, DRAWS, PEAK, at, rng))

    what = f"{MANY:,} experiments that all run to their end, {DRAWS:,} draws"
    compare(what, the_plain_way, lambda: ours(spec), plain_rounds=3, rounds=3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("experiments", [10**4, 10**6, MANY])
def test_rows_a_second(
    benchmark: Any, note: Callable[[str], None], experiments: int, device: str
) -> None:
    spec = plain.programme(experiments)
    found = benchmark.pedantic(
        ours, (spec,), {"device": device}, rounds=3 if experiments < MANY else 2, warmup_rounds=1
    )
    assert found.experiments == experiments
    if benchmark.stats is None:  # --benchmark-disable
        return
    seconds = benchmark.stats.stats.min
    benchmark.extra_info.update(rows=experiments, rows_per_second=experiments / seconds)
    note(
        f"sweep, {device}: {experiments:,} experiments, {DRAWS:,} draws in {seconds:.3g} s, "
        f"{experiments / seconds:,.0f} experiments a second"
    )


@pytest.mark.parametrize("device", DEVICES[1:])
def test_devices_agree(device: str) -> None:
    spec = plain.programme(600_000)
    for one, other in zip(our_rows(ours(spec)), our_rows(ours(spec, device=device)), strict=True):
        for q in (*QUANTILES, "mean"):
            assert getattr(one[1], q) == pytest.approx(getattr(other[1], q), rel=1e-9)


SCRIPT = """
import json, resource, sys, time
from pathlib import Path
sys.path.insert(0, FOLDER)
import plain_sweep
from computebill.sweep import price_sweep

def peak():
    # ru_maxrss may hold what the parent used before exec; VmHWM is this program's own.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if "VmHWM" in line)
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

told = []
start = time.perf_counter()
found = price_sweep(
    plain_sweep.programme(EXPERIMENTS), samples=DRAWS, device="DEVICE", confirmed=True,
    progress=told.append,
)
print(json.dumps({
    "seconds": time.perf_counter() - start, "bytes": peak(), "experiments": found.experiments,
    "samples": found.settings.samples, "told": told, "cost": found.rows["cloud"].p50,
}))
"""


def in_a_process(experiments: int, draws: int, device: str) -> dict[str, Any]:
    script = SCRIPT.replace("FOLDER", repr(str(Path(__file__).parent)))
    for name, value in (("EXPERIMENTS", experiments), ("DRAWS", draws), ("DEVICE", device)):
        script = script.replace(name, str(value))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("device", DEVICES)
def test_ten_million_in_bounded_memory(device: str, note: Callable[[str], None]) -> None:
    few, many = (in_a_process(count, DRAWS, device) for count in (10_000, MANY))
    note(
        f"sweep, {device}: {MANY:,} experiments, {DRAWS:,} draws in a process of their own: "
        f"{many['seconds']:.3g} s, peak memory {many['bytes'] / 2**30:.2f} GiB (10,000: "
        f"{few['bytes'] / 2**30:.2f}), progress told {len(many['told'])} times"
    )
    assert many["experiments"] == sum(many["told"]) == MANY
    assert many["samples"] == DRAWS
    assert max(many["told"]) < MANY / 20
    assert many["bytes"] < MOST_BYTES
