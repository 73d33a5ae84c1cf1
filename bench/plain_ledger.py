"""The plain way to a bill by kind, person and month: pandas, as most people would write it."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

KINDS = {
    "^final-": "final run",
    "^pretrain-": "pretraining research",
    "^sft-": "post-training",
    "^eval-": "evaluation",
    "^bash-": "interactive",
}


def seconds_of(text: str) -> float:
    """Read Slurm's elapsed time, ``1-02:03:04``."""
    days, _, clock = text.rpartition("-")
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds


def kind_of(name: str) -> str:
    """Return the kind of the first rule that matches."""
    return next((kind for words, kind in KINDS.items() if re.search(words, name)), "unknown")


def gpus_of(tres: str) -> int:
    """Return the accelerators of ``gres/gpu=8,gres/gpu:h100=8``: eight."""
    found = re.search(r"gres/gpu=(\d+)", tres) or re.search(r"gres/gpu:[^=]+=(\d+)", tres)
    return int(found[1]) if found else 0


def account(path: Path) -> dict[str, pd.DataFrame]:
    """Return hours by kind, state, project, person, month and size, the restarts, the largest."""
    jobs = pd.read_csv(path, sep="|", dtype=str)
    jobs = jobs[~jobs["JobID"].str.contains(".", regex=False)]
    for name in ("Submit", "Start", "End"):
        jobs[name] = pd.to_datetime(jobs[name], errors="coerce")
    jobs = jobs.sort_values("End").drop_duplicates(["JobID", "Start"], keep="last")
    jobs["gpus"] = jobs["AllocTRES"].map(gpus_of)
    jobs["hours"] = jobs["gpus"] * jobs["Elapsed"].map(seconds_of) / 3600
    jobs["kind"] = jobs["JobName"].map(kind_of)
    jobs["state"] = jobs["State"].str.split().str[0]
    jobs["month"] = jobs["Start"].dt.strftime("%Y-%m")
    jobs["size"] = pd.cut(jobs["gpus"], [0, 1, 8, 64, 512, 4096, float("inf")])
    jobs["wait"] = (jobs["Start"] - jobs["Submit"]).dt.total_seconds()
    jobs = jobs.sort_values(["User", "Account", "JobName", "Start"])
    by = jobs.groupby(["User", "Account", "JobName"], sort=False)
    pause = (jobs["Start"] - by["End"].shift()).dt.total_seconds()
    is_restart = (pause >= -60) & (pause <= 86400) & (by["gpus"].shift() == jobs["gpus"])
    is_restart &= by["state"].shift() != "COMPLETED"
    jobs["run"] = (~is_restart).cumsum()
    found = {
        name: jobs.groupby(name, observed=True)["hours"].agg(["size", "sum"])
        for name in ("kind", "state", "Account", "User", "month", "size")
    }
    found["runs"] = jobs.groupby("run")["hours"].sum().nlargest(20).to_frame()
    found["queue"] = jobs.groupby("size", observed=True)["wait"].quantile([0.5, 0.9, 0.99])
    return found
