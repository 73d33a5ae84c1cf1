"""Do `score`'s intervals hold hours that were reported: ``python bench/reported_hours.py [RUNS]``.

Prints the utilisation that runs were seen to reach, ``[mfu.observed]`` of
estimator/costs/method.toml, and how FLOP and chip alone tell their hours: with that utilisation,
which was seen on these very runs, and with what the runs of other organisations reached. RUNS is in
the columns of tests/data/reported_hours.csv, which it is by default.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

from reported_hours import TABLE, hours_by, judged, observed, read_runs


def told(found: pd.DataFrame) -> str:
    inside = found["reported"].between(found["p5"], found["p95"])
    ratio = found["p50"] / found["reported"]
    off = np.exp(np.median(np.abs(np.log(ratio))))
    return (
        f"{ratio.median():.2f} times those reported at the median, off by a factor of {off:.2f}; "
        f"the 90 % interval holds {inside.sum()} of {len(found)}, {inside.mean():.0%}"
    )


def main(path: Path) -> None:
    rows = read_runs(path)
    seen = observed(rows)
    print(f"runs = {len(rows)}", *(f"{key} = {value:.3f}" for key, value in seen.items()), sep="\n")
    print(f"by all runs: {told(hours_by(rows, [seen] * len(rows)))}")
    print(f"own organisation left out: {told(judged(rows))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else TABLE)
