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
NO_RESTART = ("evaluation", "interactive")
"""Kinds whose jobs follow each other without being restarts."""
BY = ["kind", "state", "Account", "User", "size"]


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
    jobs = read_jobs(path)
    cube = cube_of(jobs)
    found = {
        name: cube.groupby(name, observed=True)[["jobs", "hours"]].sum() for name in (*BY, "month")
    }
    found["cube"] = cube
    found["runs"] = runs_of(jobs)
    found["queue"] = jobs.groupby("size", observed=True)["wait"].quantile([0.5, 0.9, 0.99])
    return found


def read_jobs(path: Path) -> pd.DataFrame:
    """Return the jobs without their steps, each once, with their hours, kind and wait."""
    jobs = pd.read_csv(path, sep="|", dtype=str)
    jobs = jobs[~jobs["JobID"].str.contains(".", regex=False)]
    for name in ("Submit", "Start", "End"):
        jobs[name] = pd.to_datetime(jobs[name], errors="coerce")
    jobs["seconds"] = jobs["Elapsed"].map(seconds_of)
    jobs = jobs.sort_values("seconds").drop_duplicates(["JobID", "Start"], keep="last")
    jobs["gpus"] = jobs["AllocTRES"].map(gpus_of)
    jobs["hours"] = jobs["gpus"] * jobs["seconds"] / 3600
    jobs["kind"] = jobs["JobName"].map(kind_of)
    jobs["state"] = jobs["State"].str.split().str[0].str.lower()
    jobs["size"] = pd.cut(jobs["gpus"], [0, 1, 8, 64, 512, 4096, float("inf")])
    jobs["wait"] = (jobs["Start"] - jobs["Submit"]).dt.total_seconds()
    return jobs


def cube_of(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return jobs and hours by all of that and by month, those of a longer job divided."""
    sums = []
    for month in pd.period_range(jobs["Start"].min(), jobs["End"].max(), freq="M"):
        first, last = month.start_time, (month + 1).start_time
        inside = jobs[(jobs["Start"] < last) & ((jobs["End"] > first) | (jobs["Start"] >= first))]
        seconds = inside["End"].clip(upper=last) - inside["Start"].clip(lower=first)
        part = inside[BY].copy()
        part["jobs"] = (inside["Start"] >= first).astype(float)
        share = seconds.dt.total_seconds() / inside["seconds"].clip(lower=1)
        part["hours"] = inside["hours"] * share
        cells = part.groupby(BY, observed=True)[["jobs", "hours"]].sum().reset_index()
        sums.append(cells.assign(month=str(month)))
    return pd.concat(sums, ignore_index=True)


def runs_of(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return runs: a job and those that go on with it, the largest first."""
    jobs = jobs[jobs["hours"] > 0].sort_values(["User", "Account", "JobName", "Start"])
    by = jobs.groupby(["User", "Account", "JobName"], sort=False)
    pause = (jobs["Start"] - by["End"].shift()).dt.total_seconds()
    is_restart = (pause >= -60) & (pause <= 86400) & (by["gpus"].shift() == jobs["gpus"])
    is_restart &= by["state"].shift() != "completed"
    is_restart &= ~jobs["kind"].isin(NO_RESTART) & ~by["kind"].shift().isin(NO_RESTART)
    jobs["pause"] = pause.where(is_restart, 0.0).clip(lower=0.0) / 3600
    jobs["run"] = (~is_restart).cumsum()
    told = {
        "jobs": ("hours", "size"),
        "hours": ("hours", "sum"),
        "pause": ("pause", "sum"),
        "name": ("JobName", "first"),
        "user": ("User", "first"),
        "start": ("Start", "first"),
        "end": ("End", "last"),
    }
    return jobs.groupby("run").agg(**told).sort_values("hours", ascending=False)
