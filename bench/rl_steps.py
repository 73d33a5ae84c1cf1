"""How much longer published steps of reinforcement learning take than sweeps predict:
``python bench/rl_steps.py``. Prints the quantiles for estimator/training/rl.toml.

A step on policy waits for its longest answer, taken to be as long as may be; prompts are taken to
have 150 tokens, which nobody says.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from computebill.sweep.effort import effort_of
from computebill.sweep.expand import cells
from computebill.sweep.spec import Group
from computebill.sweep.workshop import make_workshop

TABLE = Path(__file__).parents[1] / "tests/data/rl_steps.csv"
PROMPT = 150
SAMPLES = 16


def predicted(row: pd.Series[float]) -> float:
    """Seconds of a step, before what practice adds."""
    group = Group.model_validate(
        {
            "name": "step",
            "kind": "rl",
            "params": row["params_b"] * 1e9,
            "params_active": row["active_b"] * 1e9,
            "accelerator": row["accelerator"],
            "precision": "bf16",
            "count": row["gpus"],
            "steps": 1,
            "prompts": row["rollouts"] / SAMPLES,
            "samples_per_prompt": SAMPLES,
            "input_tokens": PROMPT,
            "output_tokens": row["avg_seq"] - PROMPT,
            "tail": row["max_seq"] / row["avg_seq"] if row["policy"] == "on" else 1,
        }
    )
    (cell,) = cells(group)
    workshop = make_workshop("modern", None, (), None)
    (given,) = cell.chunks()
    return float(effort_of(workshop.experiments(cell, given), workshop).seconds) / row["gpus"]


def ratios() -> pd.Series[float]:
    """Measured over predicted seconds of each published step."""
    rows = pd.read_csv(TABLE, comment="#")
    tokens = rows["rollouts"] * rows["avg_seq"]
    measured = tokens / (rows["tokens_per_s_per_gpu"] * rows["gpus"])
    return measured / rows.apply(predicted, axis=1)


def main() -> None:
    torch.set_num_threads(1)
    found = ratios()
    low, middle, high = np.exp(np.quantile(np.log(found), [0.05, 0.5, 0.95]))
    print(f"low = {low:.3g}\nmiddle = {middle:.3g}\nhigh = {high:.3g}\nrows = {len(found)}")


if __name__ == "__main__":
    main()
