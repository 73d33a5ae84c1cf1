from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

MOST_BYTES = 2 * 2**30

SCRIPT = """
import json, resource, time
from pathlib import Path
from computebill import compare_spend

def peak():
    # ru_maxrss may hold what the parent used before exec; VmHWM is this program's own.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if "VmHWM" in line)
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

start = time.perf_counter()
found = compare_spend("minimax-2025", samples=SAMPLES)
share = found.totals.final_share
print(json.dumps({
    "seconds": time.perf_counter() - start, "bytes": peak(), "samples": found.settings.samples,
    "share": [share.p5, share.p50, share.p95],
}))
"""


def run(samples: int) -> dict[str, float | list[float]]:
    script = SCRIPT.replace("SAMPLES", str(samples))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_ten_million_draws_in_bounded_memory(note: Callable[[str], None]) -> None:
    few, many = run(2**17), run(10_000_000)
    note(
        f"compare_spend('minimax-2025', samples=10,000,000): {many['seconds']:.3g} s, peak memory "
        f"{many['bytes'] / 2**30:.2f} GiB (131,072 samples: {few['seconds']:.3g} s, "
        f"{few['bytes'] / 2**30:.2f} GiB)"
    )
    assert many["samples"] == 10_000_000
    assert many["bytes"] < MOST_BYTES
    for quick, sure in zip(few["share"], many["share"], strict=True):
        assert abs(quick / sure - 1) < 0.01
