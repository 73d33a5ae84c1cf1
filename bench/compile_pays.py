"""Whether ``torch.compile`` pays for pricing minimax-2025: seconds eager, compiled, compiling.

Run: ``python bench/compile_pays.py`` (needs a C++ compiler)
"""

from __future__ import annotations

import time

import ours
import torch
from timing import best_seconds

from computebill.uncertainty.draws import CHUNK, Settings

ROUNDS = 10


def main() -> None:
    bill = ours.compiled("minimax-2025")
    print("draws   eager s  in chunks s  compiled s  compiling s  draws to pay  worst difference")
    for bits in (13, 16, 17, 18, 19, 20):
        torch.compiler.reset()
        points = bill.columns.points(Settings(), 0, 0, 2**bits)
        function = torch.compile(lambda p: tuple(bill.evaluate(p).bill), dynamic=False)
        start = time.perf_counter()
        found = function(points)
        first = time.perf_counter() - start
        apart = max(
            float((ours_ / theirs - 1).abs().nan_to_num(0).max())
            for ours_, theirs in zip(found, bill.evaluate(points).bill, strict=True)
        )
        eager = best_seconds(lambda p=points: bill.evaluate(p), ROUNDS)
        chunked = best_seconds(
            lambda p=points: [bill.evaluate(part) for part in p.split(CHUNK, dim=1)], ROUNDS
        )
        fast = best_seconds(lambda p=points, f=function: f(p), ROUNDS)
        saved = chunked - fast
        to_pay = f"{(first - fast) / saved * 2**bits:,.0f}" if saved > 0 else "never"
        print(
            f"2**{bits:<4}{eager:8.4f}{chunked:13.4f}{fast:12.4f}{first - fast:13.2f}"
            f"{to_pay:>15}{apart:15.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
