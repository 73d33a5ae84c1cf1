"""GPU-hours of published runs as predicted: ``python bench/whole_runs.py``."""

from __future__ import annotations

import json
import statistics
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import computebill as cb

HERE = Path(__file__).parent
TELLS = ("name", "config", "own_config", "gpu_hours", "source")


def configuration(run: dict[str, Any], published: list[dict[str, Any]]) -> dict[str, Any]:
    if "own_config" in run:
        return dict(run["own_config"])
    return next(each["config"] for each in published if each["name"] == run["config"])


def main() -> None:
    published = json.loads(
        (HERE.parent / "tests" / "data" / "published_configs.json").read_text("utf-8")
    )
    runs = tomllib.loads((HERE / "whole_runs.toml").read_text("utf-8"))["runs"]
    errors = []
    print(f"{'run':30}{'reported':>12}{'predicted':>12}{'p5':>12}{'p95':>12}{'off':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for run in runs:
            path = Path(folder) / "config.json"
            path.write_text(json.dumps(configuration(run, published)))
            spec = {key: value for key, value in run.items() if key not in TELLS}
            hours = cb.estimate_run({**spec, "model": str(path)}, samples=16384).rows["gpu_hours"]
            errors.append(hours.p50 / run["gpu_hours"] - 1)
            print(
                f"{run['name']:30}{run['gpu_hours']:>12,.0f}{hours.p50:>12,.0f}{hours.p5:>12,.0f}"
                f"{hours.p95:>12,.0f}{errors[-1]:>+8.1%}"
            )
    print(f"median error {statistics.median(abs(each) for each in errors):.1%}")


if __name__ == "__main__":
    main()
