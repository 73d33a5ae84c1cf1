"""How many models at a time are fastest to count. Run: ``python bench/chunk_size_counting.py``."""

from __future__ import annotations

import random_models
from timing import best_seconds

ROWS = 100_000


def main() -> None:
    models = random_models.draw(ROWS)
    print("| rows at a time | seconds | rows a second |\n|---|---|---|")
    for chunk in (256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, ROWS):
        seconds = best_seconds(lambda size=chunk: random_models.count_batch(models, size), 3)
        print(f"| {chunk:,} | {seconds:.3f} | {ROWS / seconds:,.0f} |")


if __name__ == "__main__":
    main()
