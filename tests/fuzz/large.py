"""Many mutants of every kind: failures by exception and line, each with a file to look at.

``python tests/fuzz/large.py --count 1000 --seed 1 --out demo/fuzz``
"""

from __future__ import annotations

import argparse
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from fuzzing import KINDS, Failure, Maker, attempt

HEADROOM = 8 * 2**30
"""Bytes of addresses beyond what the process has: a mutant that asks for more fails at once."""


def main() -> int:
    """Try mutants; return 1 where one broke anything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="mutants of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("demo/fuzz"), help="folder of what broke")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this kind")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + HEADROOM, resource.RLIM_INFINITY))
    found: dict[tuple[str, str, str], Failure] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        maker = Maker(Path(folder), asked.seed)
        for kind in asked.kind or KINDS:
            start, broken = time.process_time(), 0
            sound = 0
            for number in range(asked.count):
                failure = attempt(maker.make(kind, number))
                if isinstance(failure, bool):
                    sound += failure
                    continue
                broken += 1
                group = (kind, failure.exception, failure.line)
                counts[group] += 1
                known = found.get(group)
                if known is None or len(failure.mutant.text) < len(known.mutant.text):
                    found[group] = failure
            taken = time.process_time() - start
            click.echo(
                f"{kind}: {asked.count} tried, {sound} gave results, {broken} broke, {taken:.1f} s"
            )
    for group, count in counts.most_common():
        click.echo(f"{count:6} {' '.join(group)} -> {_kept(found[group], asked.out)}")
    return 1 if counts else 0


def _kept(failure: Failure, folder: Path) -> Path:
    """Write what broke, and how, to a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{failure.mutant.kind}-{failure.exception}-{failure.line}"
    path = folder / f"{re.sub(r'[^A-Za-z0-9.]+', '-', name)}.txt"
    text = f"{failure.mutant.text}\n\n{failure.detail}"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path


if __name__ == "__main__":
    sys.exit(main())
