from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from computebill.catalogue.costs import different_pairs, find_chip
from computebill.costs import method
from computebill.costs.ownership import price_with_server, years_owned
from computebill.costs.prices import purchase_price
from computebill.hardware.accelerators import find_accelerator

CASES = pd.read_csv(Path(__file__).parents[1] / "data/amortised_cost_cases.csv", comment="#")


def test_hardware_is_worth_what_the_published_code_says_when_training_begins() -> None:
    """Cottier et al. 2024, 36 runs: the first price, less what it lost since it was had."""
    ratios = []
    for case in CASES.itertuples():
        name = find_chip(str(case.hardware), "", ()).name
        accelerator = find_accelerator(name) if name else None
        if accelerator is None or not accelerator.prices.purchase:
            continue
        start = dt.date.fromisoformat(str(case.training_start))
        quote = purchase_price(accelerator, date=start)
        years = years_owned(accelerator, quote, start)
        rate = method.cost_method().depreciation.orders_per_year
        value = price_with_server(accelerator, quote) * 10 ** (-rate * years)
        ratios.append(value / float(str(case.server_value_per_chip_at_start_usd)))
    assert len(ratios) >= 26
    assert np.median(ratios) == pytest.approx(1.0, abs=0.01)
    assert np.mean(np.abs(np.array(ratios) - 1) < 0.1) >= 0.9


def test_pairs_are_told_apart() -> None:
    one, other = np.array([0, 2, 0, 2, 1]), np.array([5, 0, 5, 1, 0])
    codes, pairs = different_pairs(one, other)
    assert [pairs[code] for code in codes] == list(zip(one, other, strict=True))
    assert len(pairs) == 4
