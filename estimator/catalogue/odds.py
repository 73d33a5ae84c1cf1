"""Odds that a row's training compute exceeds the thresholds of a rule set."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch

from computebill.kernels.exceedance import lognormal_odds
from computebill.regulation.rules import RuleSet
from computebill.regulation.thresholds import marks

from .cells import Texts
from .derive import Figure, Inputs, Z

PREFIX = "odds_above_"
BASE = "base_model"
"""The item of a rule set that a tune's base is."""

BASE_NOTES = {
    "counts": "counts the base's training, which the row's FLOP may lack",
    "silent": "does not say whether the base's training counts",
    "not_read": "was not read on whether the base's training counts",
    "need_not": "lets the base's training be left out, which the row's FLOP may hold",
    "does_not_count": "does not count the base's training, which the row's FLOP may hold",
}
"""What to know of a tune, by what becomes of its base."""


def odds_columns(flop: Figure, rows: Inputs, rules: RuleSet) -> dict[str, pa.Array]:
    """Return the odds of exceeding each threshold, one column a value.

    Where a rule set does not count the base's training, a tune's own FLOP go before the row's.

    Args:
        flop: FLOP of the rows.
        rows: what they tell.
        rules: what counts.
    """
    median = flop.median
    if rules.treatment(BASE) == "does_not_count":
        tuned = rows["finetune_flop"]
        median = torch.where(torch.isfinite(tuned), tuned, median)
    found = {}
    for mark in marks():
        value = median.new_tensor(mark.value)
        odds = lognormal_odds(value, median, flop.below / Z, flop.above / Z).cpu().numpy()
        found[f"{PREFIX}{mark.text}"] = pa.array(odds, mask=~np.isfinite(odds))
    return found


def base_notes(base_model: Texts, rules: RuleSet) -> Texts:
    """Return what to know of tunes' odds, row by row."""
    is_tune = base_model.told(bool)
    told = f"{rules.name} {BASE_NOTES[rules.treatment(BASE)]}"
    return Texts(np.asarray(is_tune).astype(np.int64), ["", told])
