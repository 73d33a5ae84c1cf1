"""A job as every record is read into it: its columns, their units, and what jobs are summed by."""

from __future__ import annotations

import pyarrow as pa

UNKNOWN = "unknown"
"""Kind of what no rule names, and state, project, person of what the record does not tell."""

KINDS = (
    "final run",
    "pretraining research",
    "post-training",
    "data generation",
    "inference",
    "evaluation",
    "failed or restarted",
    "interactive",
    "idle",
    UNKNOWN,
)
"""What accelerators did; rules sort jobs into these."""

FINAL = "final run"
IDLE = "idle"

STATES = (
    "completed",
    "failed",
    "timeout",
    "cancelled",
    "preempted",
    "running",
    "pending",
    IDLE,
    UNKNOWN,
)
"""How jobs ended. A cancelled job is how a long run ends; it is not waste."""

RECORDS = ("scheduler", "tracker", "bill", "report")
"""What a record is: of a scheduler or a list of jobs; of an experiment tracker; of a cloud's
charges; of sums that somebody made."""

SIZES = ("none", "1", "2–8", "9–64", "65–512", "513–4,096", "above 4,096", UNKNOWN)
SIZE_ENDS = (0.0, 1.0, 8.0, 64.0, 512.0, 4096.0)
"""Largest number of accelerators of each size but the last two."""

JOBS = pa.schema(
    {
        "record": pa.string(),  # of RECORDS
        "cluster": pa.string(),
        "job": pa.string(),  # id, as the record has it, without the step
        "user": pa.string(),
        "project": pa.string(),  # account, namespace, project, application
        "partition": pa.string(),  # partition, queue; the service of a bill
        "qos": pa.string(),
        "name": pa.string(),  # job's name; the charge's description
        "state": pa.string(),  # of STATES
        "host": pa.string(),  # node list; the resource of a bill
        "device": pa.string(),  # accelerator, instance type or SKU as the record names it
        "accelerator": pa.string(),  # profile; null where none is known
        "tags": pa.string(),  # as the record has them
        "config": pa.string(),  # of trackers: "key=value" a line, configuration and summary
        "checkpoint": pa.string(),  # folder
        "submit": pa.timestamp("s"),
        "start": pa.timestamp("s"),
        "end": pa.timestamp("s"),
        "elapsed_s": pa.float64(),  # s
        "jobs": pa.float64(),  # jobs that the row stands for; 0 for a job's further accelerators
        "accelerators": pa.float64(),
        "nodes": pa.float64(),
        "gpu_hours": pa.float64(),  # accelerator-hours; null where the record does not tell
        "energy_j": pa.float64(),  # J, as recorded
        "usd": pa.float64(),  # USD, as billed
        "tokens": pa.float64(),  # tokens that were trained on
        "params": pa.float64(),  # parameters, those that one token meets
        "flop": pa.float64(),  # model FLOP, as told or 6 N D
        "first_step": pa.float64(),
        "last_step": pa.float64(),
        "file": pa.int32(),  # place among the files
        "line": pa.int64(),  # row of the file, from 1
        "identity": pa.int64(),  # hash of record, cluster, id and start
    }
)
"""Columns of a normalised job; a job on two kinds of accelerators is two rows."""

BY = ("record", "kind", "state", "project", "user", "month", "size", "accelerator")
"""What cells are of. ``month`` is ``2024-09``; hours of a job that spans months are divided."""

MEASURES = (
    "jobs",
    "gpu_hours",  # accelerator-hours
    "usd",  # billed [USD]
    "usd_hours",  # accelerator-hours that a bill prices
    "energy_j",  # recorded [J]
    "energy_hours",  # accelerator-hours of which energy is recorded
    "flop",  # told by trackers
    "flop_hours",  # accelerator-hours of which FLOP are told
    "wait_s",  # between submission and start [s]
    "waited",  # jobs of which that is known
)
"""Sums of a cell."""
