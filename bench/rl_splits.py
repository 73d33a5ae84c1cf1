"""Where published splits of reinforcement learning stand among all that ``plan`` looks at:
``python bench/rl_splits.py``. Prints one line a split and mean answer: its rank, how much longer it
takes than the best, who waits, and who was seen to.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch

from computebill.planning.rollout_result import RolloutPlan
from computebill.planning.rollouts import plan_rollouts

TABLE = Path(__file__).parents[1] / "tests/data/rl_splits.csv"
PROMPT = 150
"""Tokens of a prompt, which nobody says."""


class Standing(NamedTuple):
    """Where a published split stands.

    Attributes:
        name: model and split.
        mean: tokens of an answer that are taken.
        rank: among all, by days.
        tried: how many.
        longer: days over those of the best.
        waits: role that is predicted to wait.
        seen: role that was seen to; empty where nobody says.
        best: the best split.
    """

    name: str
    mean: float
    rank: int
    tried: int
    longer: float
    waits: str
    seen: str
    best: str


def planned(row: pd.Series, mean: float) -> RolloutPlan:
    """Return the plan of a published run's accelerators at a mean answer."""
    return plan_rollouts(
        {
            "kind": "rl",
            "params": row["params_b"] * 1e9,
            "params_active": row["active_b"] * 1e9,
            "steps": 100,
            "prompts": row["prompts"],
            "samples_per_prompt": row["samples"],
            "prompt_length": PROMPT,
            "answer_mean": mean,
            "references": row["references"],
            "accelerator": row["accelerator"],
            "count": row["trains"],
            "generation": {"count": row["writes"], "staleness": 1},
        },
        samples=2,
    )


def standings() -> list[Standing]:
    """Return where each published split stands, at both ends of what its mean answer may be."""
    rows = pd.read_csv(TABLE, comment="#")
    found = []
    for _, row in rows.iterrows():
        for mean in dict.fromkeys((row["mean_low"], row["mean_high"])):
            plan = planned(row, float(mean))
            assert plan.given is not None
            own, rank = plan.given
            name = f"{row['model']}, {row['writes']} write, {row['trains']} train"
            seen = "" if pd.isna(row["waits"]) else str(row["waits"])
            longer = own.days / plan.best.days
            found.append(
                Standing(
                    name, mean, rank, plan.tried, longer, own.waiting, seen, plan.best.split.text
                )
            )
    return found


def main() -> None:
    torch.set_num_threads(1)
    for each in standings():
        seen = f"seen: {each.seen}" if each.seen else "nobody says who waits"
        print(
            f"{each.name}, answers of {each.mean:,.0f}: rank {each.rank} of {each.tried}, "
            f"{each.longer:.2f} times the days of {each.best}; waits: {each.waits}, {seen}"
        )


if __name__ == "__main__":
    main()
