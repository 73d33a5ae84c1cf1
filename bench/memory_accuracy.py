"""Predicted against measured memory, by source: ``python bench/memory_accuracy.py [--rows]``."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from measured_memory import predicted_bytes, rows

from computebill.training.memory import GB


def main() -> None:
    errors: dict[str, list[float]] = {}
    for row in rows():
        error = predicted_bytes(row) / row.measured_bytes - 1
        errors.setdefault(row.source, []).append(error)
        if "--rows" in sys.argv:
            layout = row.layout
            print(
                f"{row.source:18} {row.model[:26]:26} tp{layout.tp} pp{layout.pp} dp{layout.dp} "
                f"b{layout.micro_batch} s{row.sequence} {layout.recompute:9} "
                f"{row.measured_bytes / GB:6.1f} {error:+.1%}"
            )
    everything = [each for found in errors.values() for each in found]
    print(f"{'source':20}{'rows':>6}{'median error':>14}{'bias':>8}{'within 12 %':>13}")
    for source, found in (*errors.items(), ("all", everything)):
        size = [abs(each) for each in found]
        near = sum(each <= 0.12 for each in size) / len(size)
        print(
            f"{source:20}{len(found):>6}{statistics.median(size):>13.1%}"
            f"{statistics.median(found):>+9.1%}{near:>12.0%}"
        )


if __name__ == "__main__":
    main()
