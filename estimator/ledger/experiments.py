"""What was run, as a sweep's file: groups of jobs of one kind and project, and the final runs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .result import Ledger
from .schema import FINAL, UNKNOWN
from .telling import SHARED, clean, needs_final_runs, spread, table_text

HEAD = """\
# What a lab's records tell that it ran, as a sweep: computebill sweep {file} prices it again, on
# other accelerators or at other prices, and groups may be left out or made larger. A group is the
# jobs of one kind, project and size; each takes the mean of their hours. Inference of a product and
# idle accelerators are none. More than a million jobs need --yes.
"""

SWEEP_KINDS = {
    "pretraining research": "pretrain",
    "post-training": "finetune",
    "data generation": "generate",
    "evaluation": "evaluate",
    "failed or restarted": "pretrain",
    "interactive": "evaluate",
    UNKNOWN: "pretrain",
}
"""What an experiment of each kind of job is; by it, FLOP of hours are told."""

MOST = 150
"""Groups that are told by themselves; a sweep has 200 at most."""
BY = ["kind", "project", "size", "accelerator"]


def sweep_text(found: Ledger, name: str, file: str) -> str:
    """Return a sweep's file of what was run.

    Args:
        found: what records tell.
        name: of the sweep.
        file: name of the file, for the comment at its head.

    Raises:
        RequestError: where no job is of a final run.
    """
    needs_final_runs(found, "--sweep-to")
    final = found.cells[found.cells["kind"] == FINAL]
    whole: dict[str, Any] = {"name": clean(name), "description": _description(found)}
    if prices := _prices(found):
        whole["price"] = prices
    hours = final.groupby("accelerator")["gpu_hours"].sum()
    known = hours.drop(UNKNOWN, errors="ignore")
    whole["final"] = {"gpu_hours": float(hours.sum())}
    if len(known):
        whole["final"]["accelerator"] = str(known.idxmax())
    text = HEAD.format(file=file) + "\n" + table_text(whole)
    return text + "".join(f"\n{table_text({'groups': [each]})}" for each in _groups(found))


def _description(found: Ledger) -> str:
    start, end = found.period if found.period is not None else (None, None)
    when = f", {start:%Y-%m-%d} to {end:%Y-%m-%d}" if start and end else ""
    return f"What {found.rows_used:,} rows of records tell{when}."


def _prices(found: Ledger) -> dict[str, Any]:
    """Return what an hour of each accelerator cost [USD], where all of its hours have a price."""
    cells, parts = found.cells, found.parts["accelerator"]
    known = cells[cells["accelerator"] != UNKNOWN]
    unpriced = set(known.loc[known["cost_usd"].isna(), "accelerator"])
    sums = known.groupby("accelerator")[["cost_usd", "gpu_hours"]].sum()
    prices = (sums["cost_usd"] / sums["gpu_hours"]).drop(list(unpriced))
    return {
        str(name): spread(float(price), parts[str(name)].cost_usd, f"{SHARED} of {name}")
        for name, price in prices.items()
        if price > 0
    }


def _groups(found: Ledger) -> list[dict[str, Any]]:
    """Return groups of experiments, the most hours first."""
    cells = found.cells[found.cells["kind"].isin([*SWEEP_KINDS])]
    sums = cells.groupby(BY, as_index=False)[["jobs", "gpu_hours"]].sum()
    sums = sums[sums["gpu_hours"] > 0].sort_values("gpu_hours", ascending=False)
    rest = sums.iloc[MOST:].assign(project="(others)", size="any")
    several = rest.groupby(BY, as_index=False)[["jobs", "gpu_hours"]].sum()
    sums = pd.concat([sums.iloc[:MOST], several], ignore_index=True)
    return [_group(row) for row in sums.to_dict("records")]


def of_size(size: str) -> str:
    """Return a size of jobs in words."""
    return f"{size} accelerator{'' if size == '1' else 's'}"


def _group(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a group; its experiments take all of its hours together."""
    jobs = max(1, round(row["jobs"]))
    size = "" if row["size"] == UNKNOWN else of_size(row["size"])
    told = [row["kind"], row["project"], size]
    group = {
        "name": clean(", ".join(each for each in told if each not in ("", UNKNOWN)) or UNKNOWN),
        "kind": SWEEP_KINDS[row["kind"]],
        "repeats": jobs,
        "gpu_hours": float(row["gpu_hours"]) / jobs,
    }
    if row["kind"] == UNKNOWN:
        group["note"] = "No rule names these jobs."
    if row["accelerator"] != UNKNOWN:
        group |= {"accelerator": row["accelerator"]}
    return group
