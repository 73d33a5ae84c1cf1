"""GPU-hours of published runs as predicted: ``python bench/whole_runs.py``.

A run whose layout is published is predicted with it: "cited" where every field is, "partly" where
some were assumed; of others the fastest of common layouts that fit is taken. The software is what
the framework's name and the month make of it. An asterisk: the run is among the fit's steps.
"""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import computebill as cb
from computebill.training.cases import Case, case_columns, step_times
from computebill.training.efficiency import read_profile
from computebill.training.memory import stage_bytes
from computebill.training.parameters import bounded, unbounded
from computebill.training.rules import check_layout
from computebill.training.software import choose_software

HERE = Path(__file__).parent
TELLS = ("name", "config", "own_config", "gpu_hours", "source", "assumed", "in_fit")
KINDS = ("cited", "partly", "fastest")
FREE = {
    "tp": (1, 2, 4, 8),
    "pp": (1, 2, 4, 8, 16),
    "ep": (1, 8, 16),
    "micro_batch": (1, 2, 4, 8),
    "zero": (1, 3),
    "recompute": ("none", "full"),
}


def configuration(run: dict[str, Any], published: list[dict[str, Any]]) -> dict[str, Any]:
    if "own_config" in run:
        return dict(run["own_config"])
    return next(each["config"] for each in published if each["name"] == run["config"])


def candidates(run: dict[str, Any], model: cb.Architecture) -> list[cb.Layout]:
    """Common layouts of a cluster that divide the model and the batch."""
    found = []
    for values in itertools.product(*FREE.values()):
        given: dict[str, Any] = dict(zip(FREE, values, strict=True))
        dp, rest = divmod(run["count"], given["tp"] * given["pp"])
        batches, left = divmod(run["global_batch"], max(1, dp) * given["micro_batch"])
        if rest or left or not batches or (given["pp"] > 1 and given["zero"] == 3):
            continue
        layout = cb.Layout(**{**given, **run.get("settings", {})}, dp=dp, micro_batches=batches)
        try:
            check_layout(model, layout, run["sequence_length"])
        except cb.RequestError:
            continue
        found.append(layout)
    return found


def kind_of(run: dict[str, Any]) -> str:
    """Return whether a run's layout is cited, some of it is assumed, or it is not told."""
    if "layout" not in run:
        return "fastest"
    return "partly" if run.get("assumed") else "cited"


def fastest(run: dict[str, Any], config: dict[str, Any]) -> cb.Layout:
    """The fastest of common layouts that fit."""
    model, part = cb.read_architecture(config), cb.find_accelerator(run["accelerator"])
    layouts = candidates(run, model)
    most = stage_bytes(model, layouts, float(run["sequence_length"])).nan_to_num(0.0).amax(0)
    room = part.memory_gb.value * 1e9
    fitting = [each for each, taken in zip(layouts, most.tolist(), strict=True) if taken <= room]
    software = choose_software("", run["framework"], run["date"], is_given=False).software
    cases = [
        Case(
            model,
            each,
            part,
            run.get("precision", "bf16"),
            run["sequence_length"],
            software,
        )
        for each in fitting
    ]
    values = bounded(unbounded(read_profile().values))
    return fitting[int(step_times(case_columns(cases), values).total.argmin())]


def predicted(run: dict[str, Any], config: dict[str, Any], folder: str) -> Any:
    path = Path(folder) / "config.json"
    path.write_text(json.dumps(config))
    spec = {key: value for key, value in run.items() if key not in (*TELLS, "settings")}
    if "layout" not in spec:
        spec["layout"] = fastest(run, config).model_dump(exclude_defaults=True)
    return cb.estimate_run({**spec, "model": str(path)}, samples=16384).rows["gpu_hours"]


def main() -> None:
    published = json.loads(
        (HERE.parent / "estimator" / "architectures" / "published.json").read_text("utf-8")
    )
    runs = tomllib.loads((HERE / "whole_runs.toml").read_text("utf-8"))["runs"]
    errors: dict[str, list[float]] = {kind: [] for kind in KINDS}
    inside = 0
    head = f"{'run':30}{'layout':>11}{'reported':>12}{'predicted':>12}{'p5':>12}{'p95':>12}"
    print(f"{head}{'off':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for run in runs:
            kind = kind_of(run)
            hours = predicted(run, configuration(run, published), folder)
            off = hours.p50 / run["gpu_hours"] - 1
            errors[kind].append(abs(off))
            inside += hours.p5 <= run["gpu_hours"] <= hours.p95
            name = run["name"] + ("*" if run.get("in_fit") else "")
            print(
                f"{name:30}{kind:>11}{run['gpu_hours']:>12,.0f}{hours.p50:>12,.0f}"
                f"{hours.p5:>12,.0f}{hours.p95:>12,.0f}{off:>+8.1%}"
            )
    for kind, found in errors.items():
        print(f"layout {kind}: median error {statistics.median(found):.1%} of {len(found)} runs")
    every = [each for found in errors.values() for each in found]
    print(f"all: median error {statistics.median(every):.1%} of {len(every)} runs")
    print(f"inside their 90 % interval: {inside} of {len(every)}")


if __name__ == "__main__":
    main()
