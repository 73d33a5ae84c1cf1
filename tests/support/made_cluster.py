"""A cluster of one's own making: known work, restarts, failures; its accounts and its bill."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

NODES, PER_NODE = 48, 8
FIRST = dt.datetime(2025, 1, 6)
HOURS_A_DAY = 24
WORK = {
    "final run": ("flagship", (16, 32), (60.0, 200.0)),
    "pretraining research": ("ablate", (1, 8), (2.0, 30.0)),
    "post-training": ("sft", (1, 4), (2.0, 20.0)),
    "data generation": ("synth", (1, 4), (2.0, 40.0)),
    "inference": ("serve", (1, 4), (10.0, 80.0)),
    "evaluation": ("eval", (1, 1), (0.2, 2.0)),
    "interactive": ("bash", (1, 1), (0.2, 8.0)),
}
"""Of each kind: how its jobs are called, fewest and most nodes, shortest and longest hours."""

RULES = "".join(
    f'[[rule]]\nkind = "{kind}"\nname = "^{name}-"\n' for kind, (name, _, _) in WORK.items()
)
ENDS = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED by 1000")
NAMELESS = "run.sh"


@dataclass
class Cluster:
    """What was run, and where it was written down.

    Attributes:
        sacct: the scheduler's accounts.
        bill: of all its machines, FOCUS.
        rules: of kinds, by names.
        hours: accelerator-hours by kind, as they were.
        named: those of jobs whose name tells their kind.
        usd: what all machines cost, and those of final runs [USD].
        final_usd: of final runs.
        research_usd: of all but inference and idle machines.
        runs: jobs of each chain of restarts, by name.
        rejected: lines that are no jobs.
    """

    sacct: Path
    bill: Path
    rules: Path
    hours: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    usd: float = 0.0
    final_usd: float = 0.0
    research_usd: float = 0.0
    runs: Counter[str] = field(default_factory=Counter)
    rejected: int = 0


@dataclass
class Job:
    """A job on some machines from one moment to another [h since the beginning]."""

    name: str
    kind: str
    nodes: list[int]
    start: float
    end: float
    state: str


def make_cluster(folder: Path, seed: int, works: int = 120) -> Cluster:
    """Make a cluster's half a year, and write it down.

    A tenth of the work, final runs among it, has a name that tells nothing. Final runs are
    restarted, research fails now and then, and some lines of the accounts are cut off.
    """
    rng = np.random.default_rng(seed)
    made = Cluster(folder / "sacct.txt", folder / "bill.csv", folder / "rules.toml")
    free = np.zeros(NODES)
    jobs = [job for number in range(works) for job in _work(rng, number, free, made)]
    price = rng.uniform(1.5, 4.0)
    _write_jobs(rng, made, jobs)
    _write_bill(made, jobs, float(np.ceil(free.max() / HOURS_A_DAY)), price)
    made.rules.write_text(RULES)
    for job in jobs:
        hours = PER_NODE * len(job.nodes) * (job.end - job.start)
        made.hours[job.kind] += hours
        if job.name != NAMELESS:
            made.named[job.kind] += hours
    made.final_usd = price * made.hours["final run"]
    made.research_usd = price * sum(
        hours for kind, hours in made.hours.items() if kind != "inference"
    )
    return made


def _work(rng: np.random.Generator, number: int, free: np.ndarray, made: Cluster) -> Iterator[Job]:
    """Yield the jobs of a piece of work: one, or a run with its restarts."""
    kinds = list(WORK)
    # Every forty pieces of work lead to a final run.
    kind = kinds[0] if number % 40 == 39 else str(rng.choice(kinds[1:]))
    word, nodes, hours = WORK[kind]
    name = NAMELESS if rng.random() < 0.1 else f"{word}-{number}"
    count = int(rng.integers(nodes[0], nodes[1] + 1))
    places = np.argsort(free, kind="stable")[:count]
    at = float(free[places].max()) + rng.exponential(0.3)
    parts = int(rng.integers(3, 9)) if kind == "final run" else 1
    for part in range(parts):
        # Whole minutes: the accounts tell no parts of a second.
        lasted = round(float(rng.uniform(*hours)) / parts * 60) / 60
        at = round(at * 60) / 60
        end = at + max(lasted, 1 / 60)
        is_last = part == parts - 1
        state = str(rng.choice(ENDS, p=(0.7, 0.2, 0.05, 0.05))) if is_last else "FAILED"
        yield Job(name, kind, sorted(int(each) for each in places), at, end, state)
        at = end + float(rng.uniform(0.05, 2.0))
    free[places] = at
    if name != NAMELESS and parts > 1:
        made.runs[name] = parts


def _write_jobs(rng: np.random.Generator, made: Cluster, jobs: list[Job]) -> None:
    head = "JobID|JobName|User|Account|Partition|State|Submit|Start|End|Elapsed|NNodes|AllocTRES|"
    lines = [f"{head}NodeList"]
    for number, job in enumerate(sorted(jobs, key=lambda each: each.start), start=1000):
        gpus = PER_NODE * len(job.nodes)
        start, end = (FIRST + dt.timedelta(hours=each) for each in (job.start, job.end))
        wait = dt.timedelta(minutes=int(rng.integers(0, 90)))
        seconds = round((end - start).total_seconds())
        elapsed = f"{seconds // 86400}-{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:00"
        tres = f"billing={gpus},cpu={12 * gpus},gres/gpu:h100={gpus},gres/gpu={gpus}"
        names = ",".join(f"{each:03d}" for each in job.nodes)
        team, user = job.name.partition("-")[0], f"user{sum(map(ord, job.name)) % 7}"
        lines.append(
            f"{number}|{job.name}|{user}|{team}|gpu|{job.state}|{start - wait:%FT%T}|"
            f"{start:%FT%T}|{end:%FT%T}|{elapsed}|{len(job.nodes)}|{tres}|gpu[{names}]"
        )
        # Steps tell their job's time again; a line that was cut off tells nothing.
        lines.append(lines[-1].replace(f"{number}|{job.name}", f"{number}.0|python", 1))
        if rng.random() < 0.02:
            lines.append(f"{number}|{job.name}|user")
            made.rejected += 1
    made.sacct.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_bill(made: Cluster, jobs: list[Job], days: float, price: float) -> None:
    """Write what each machine cost each day, whether it worked or not."""
    head = "BilledCost EffectiveCost BillingCurrency ChargeCategory ChargePeriodStart "
    head += "ChargePeriodEnd ChargeDescription ConsumedQuantity ConsumedUnit ResourceId ServiceName"
    used = {node for job in jobs for node in job.nodes}
    with made.bill.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(head.split())
        for day in range(int(days)):
            start, end = (FIRST + dt.timedelta(days=each) for each in (day, day + 1))
            for node in sorted(used):
                usd = price * PER_NODE * HOURS_A_DAY
                told = ["p5.48xlarge Linux hour", HOURS_A_DAY, "Hours", f"gpu{node:03d}", "EC2"]
                period = [f"{start:%FT%TZ}", f"{end:%FT%TZ}"]
                rows.writerow([f"{usd:.6f}", f"{usd:.6f}", "USD", "Usage", *period, *told])
                made.usd += usd
