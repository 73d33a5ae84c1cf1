"""Draws at a time: nanoseconds a draw of the Monte Carlo of minimax-2025, by chunk size.

Run: ``python bench/chunk_size.py``
"""

from __future__ import annotations

import ours
import torch
from timing import best_seconds

from computebill.uncertainty import draws

BITS = range(11, 20)
KEPT, COUNTED = 2**20, 2**22
"""Samples few enough to be kept and sorted, and too many: counted over bins."""
ROUNDS = 3


def main() -> None:
    bill = ours.compiled("minimax-2025")
    print(f"{torch.get_num_threads()} threads; in use: {draws.CHUNK:,} draws at a time")
    print(f"   chunk  {KEPT:,} samples  {COUNTED:,} samples   (ns a draw)")
    for bits in BITS:
        draws.CHUNK = 2**bits
        kept, counted = (
            best_seconds(lambda n=samples: ours.monte_carlo(bill, n), ROUNDS) / samples * 1e9
            for samples in (KEPT, COUNTED)
        )
        print(f"{2**bits:8,}{kept:19.0f}{counted:19.0f}", flush=True)


if __name__ == "__main__":
    main()
