"""Predicted against measured memory: ``python bench/memory_accuracy.py [--rows] [--spread FILE]``.

By source, of the shipped table; ``--rows`` shows every row, ``--spread`` writes the spread that
predictions are told with (``make accuracy``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from computebill.accuracy.memory_errors import memory_errors
from computebill.training.memory_odds import shipped_spread, spread_toml

COLUMNS = ("rows", "median", "bias", "within 15 %", "in 90 %", "left out")


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", action="store_true")
    asked.add_argument("--spread", type=Path)
    given = asked.parse_args()
    errors = memory_errors()
    if given.rows:
        for row, source, log in zip(errors.rows, errors.sources, errors.logs, strict=True):
            print(f"{row:6} {source:20} {(-log).exp() - 1:+8.1%}")
    if given.spread:
        found = errors.spread()
        assert found is not None
        given.spread.write_text(spread_toml(found.model_dump()), encoding="utf-8")
        return
    told = errors.to_dict(shipped_spread(), "lab")
    print(f"{'source':20}" + "".join(f"{heading:>13}" for heading in COLUMNS))
    largest = sorted(told["by_source"].items(), key=lambda each: (-each[1]["rows"], each[0]))
    for source, each in (*largest, ("all", told)):
        print(
            f"{source:20}{each['rows']:>13}{each['median_ape']:>13.1%}{each['bias']:>+13.1%}"
            f"{each['within_15']:>13.0%}{each['coverage_90']:>13.0%}"
            f"{each['coverage_90_left_out']:>13.0%}"
        )


if __name__ == "__main__":
    main()
