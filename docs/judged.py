"""What docs/accuracy.md tells of the step model: made by ``make accuracy``, in minutes.

``computebill calibrate --json`` on standard input; the figures that the page shows on standard
output, which ``docs/judged.json`` keeps: a page's commands have to take seconds.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("judged.json")

HEADINGS = ("rows", "in: median", "mean", "bias", "one line")
HEADINGS += ("out: median", "mean", "one line", "in 90 %")


def kept(result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a result that the page shows, to four digits."""
    groups = ("by_lab", "by_source", "by_accelerator")
    left_out, few = result["left_out"], result["few"]
    judged = (*groups, "by_doubt")
    found = {
        **_figures(result),
        "left_out": {**_figures(left_out), **{key: _groups(left_out[key]) for key in judged}},
        "few": {count: _figures(each) for count, each in few.items()},
    }
    return found | {key: _groups(result[key]) for key in groups}


def _groups(groups: dict[str, Any]) -> dict[str, Any]:
    return {name: _figures(each) for name, each in groups.items()}


def _figures(told: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in told.items()
        if isinstance(value, (int, float, type(None)))
    }


def table(key: str) -> str:
    """Return a table of the page: rows by ``by_lab``, ``by_source`` or ``by_accelerator``."""
    result = json.loads(FILE.read_text())
    left_out = result["left_out"]
    lines = [
        f"| {key.removeprefix('by_')} | " + " | ".join(HEADINGS) + " |",
        "|---|" + "---:|" * len(HEADINGS),
    ]
    own = {"all": result, **result[key]}
    out = {"all": left_out, **left_out[key]}
    for name, each in own.items():
        other = out[name]
        errors = (each["median_ape"], each["mape"], each["bias"], each["baseline_median_ape"])
        errors += (other["median_ape"], other["mape"], other["baseline_median_ape"])
        cells = [f"{each['rows']:,}", *map(_percent, errors), f"{other['coverage_90']:.0%}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def headline() -> str:
    """Return what fits without the row's lab get, as ``computebill validate`` prints it."""
    from computebill.views.validation import headline

    return headline({"unit": "lab", **json.loads(FILE.read_text())["left_out"]}) + ".\n"


def doubts() -> str:
    """Return the table of rows by why their intervals are wider than others'."""
    from computebill.training.doubts import DOUBTS
    from computebill.training.efficiency import read_profile

    spread = read_profile().spread
    names = ("doubt", "a unit widens by", "rows", "out: median", "in 90 %", "median ends")
    lines = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    for name, each in json.loads(FILE.read_text())["left_out"]["by_doubt"].items():
        factor = (spread.doubts if spread else {}).get(name)
        cells = [
            f"{name}: {DOUBTS[name]}" if name in DOUBTS else name,
            "" if factor is None else f"{math.expm1(factor):.0%}",
            f"{each['rows']:,}",
            _percent(each["median_ape"]),
            f"{each['coverage_90']:.0%}",
            f"x/{each['interval_width']:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def few() -> str:
    """Return the table of rows of labs of which so many others were measured."""
    names = ("own rows", "rows", "median", "mean", "median of labs", "in 90 %")
    lines = ["| " + " | ".join(names) + " |", "|---:" * len(names) + "|"]
    for count, each in json.loads(FILE.read_text())["few"].items():
        errors = (each["median_ape"], each["mape"], each["median_of_labs"])
        cells = [count, f"{each['rows']:,}", *map(_percent, errors), f"{each['coverage_90']:.0%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(kept(json.load(sys.stdin)), indent=1) + "\n")
