"""Records of as many jobs and charges as are asked for, made in no time, for benches of ledgers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

BLOCK = 500_000
"""Rows that are made together."""
SIZES = (1, 2, 4, 8, 8, 8, 16, 32, 64, 256)
USERS = 400
STATES = ("COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED by 1001")
WORK = ("final", "pretrain", "sft", "eval", "bash", "job")
RULES = """\
[[rule]]
kind = "final run"
name = "^final-"
[[rule]]
kind = "pretraining research"
name = "^pretrain-"
[[rule]]
kind = "post-training"
name = "^sft-"
[[rule]]
kind = "evaluation"
name = "^eval-"
[[rule]]
kind = "interactive"
name = "^bash-"
"""
"""What `WORK` is; jobs that are only called so are of no kind."""

FIRST = 1_704_067_200
"""First moment, 2024-01-01 [s since 1970]."""
YEAR = 366 * 86400


def write_jobs(path: Path, rows: int, seed: int = 0) -> None:
    """Write a year's jobs as ``sacct -P`` prints them."""
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        for first in range(0, rows, BLOCK):
            table = _jobs(rng, first, min(BLOCK, rows - first))
            if not first:
                file.write(("|".join(table.column_names) + "\n").encode())
            told = arrow_csv.WriteOptions(include_header=False, delimiter="|", quoting_style="none")
            arrow_csv.write_csv(table, file, told)


def _jobs(rng: np.random.Generator, first: int, rows: int) -> pa.Table:
    submit = FIRST + rng.integers(0, YEAR, rows)
    start = submit + rng.exponential(1800, rows).astype(int)
    elapsed = np.minimum(rng.lognormal(8, 1.8, rows), 7 * 86400).astype(int)
    # A person is of one team, does two kinds of work, and most often of three sizes.
    user = rng.integers(0, USERS, rows)
    gpus = _named([str(size) for size in SIZES], user + rng.integers(0, 3, rows))
    numbers = pa.array(rng.integers(0, 3000, rows)).cast(pa.string())
    work = _named(WORK, user + rng.integers(0, 2, rows))
    names = pc.binary_join_element_wise(work, numbers, "-")
    tres = pc.binary_join_element_wise(
        pa.scalar("billing=96,cpu=96,gres/gpu:h100="), gpus, ",gres/gpu=", gpus, ",node=1", ""
    )
    days = pc.cast(pa.array(elapsed // 86400), pa.string())
    clock = pc.strftime(pa.array(elapsed % 86400).cast(pa.timestamp("s")), "%H:%M:%S")
    times = pc.binary_join_element_wise(days, clock, "-")
    return pa.table(
        {
            "JobID": pa.array(np.arange(first + 1, first + rows + 1)).cast(pa.string()),
            "JobName": names,
            "User": _named([f"user{n}" for n in range(USERS)], user),
            "Account": _named([f"team{n}" for n in range(40)], user),
            "Partition": _taken(rng, ("gpu", "large", "debug"), rows),
            "State": _taken(rng, STATES, rows),
            "Submit": _moments(submit),
            "Start": _moments(start),
            "End": _moments(start + elapsed),
            "Elapsed": times,
            "NNodes": pa.array(np.ones(rows, dtype=int)).cast(pa.string()),
            "AllocTRES": tres,
        }
    )


def _taken(rng: np.random.Generator, values: Sequence[str], rows: int) -> pa.Array:
    return _named(values, rng.integers(0, len(values), rows))


def _named(values: Sequence[str], places: np.ndarray) -> pa.Array:
    return pa.array(list(values), pa.string()).take(pa.array(places % len(values)))


def _moments(seconds: np.ndarray) -> pa.Array:
    return pc.strftime(pa.array(seconds).cast(pa.timestamp("s")), "%Y-%m-%dT%H:%M:%S")


def write_bill(path: Path, rows: int, seed: int = 0) -> None:
    """Write a year's charges in FOCUS 1.x, as Parquet; half of them are of machines."""
    rng = np.random.default_rng(seed)
    with pq.ParquetWriter(path, _charges(rng, 1).schema) as writer:
        for first in range(0, rows, BLOCK):
            writer.write_table(_charges(rng, min(BLOCK, rows - first)))


def _charges(rng: np.random.Generator, rows: int) -> pa.Table:
    start = FIRST + 3600 * rng.integers(0, YEAR // 3600, rows)
    is_gpu = rng.random(rows) < 0.5
    cost = np.where(is_gpu, rng.uniform(16.0, 98.0, rows), rng.exponential(0.1, rows))
    what = pa.array(is_gpu)
    hosts = _taken(rng, [f"i-{n:08x}" for n in range(4000)], rows)
    stamp = pa.timestamp("s")
    return pa.table(
        {
            "BilledCost": cost,
            "EffectiveCost": cost * 0.9,
            "BillingCurrency": pa.array(["USD"]).take(pa.array(np.zeros(rows, dtype=int))),
            "ChargeCategory": pa.array(["Usage"]).take(pa.array(np.zeros(rows, dtype=int))),
            "ChargePeriodStart": pa.array(start).cast(stamp),
            "ChargePeriodEnd": pa.array(start + 3600).cast(stamp),
            "ChargeDescription": pc.if_else(what, "p5.48xlarge Linux hour", "requests of a store"),
            "ConsumedQuantity": np.ones(rows),
            "ConsumedUnit": pc.if_else(what, "Hours", "Requests"),
            "ResourceId": hosts,
            "ServiceName": pc.if_else(what, "Amazon Elastic Compute Cloud", "Amazon S3"),
            "SubAccountName": _taken(rng, [f"team{n}" for n in range(40)], rows),
        }
    )
