"""What a second of accelerators costs and takes: rent, owning, electricity, carbon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from computebill.kernels.run import Hour, price_time
from computebill.uncertainty.draws import Columns, Settings, bundle

DRAWS = Settings(samples=2**13)
"""Draws of what an hour costs: its quantiles are read off once."""


class Rate(NamedTuple):
    """What a second of all accelerators takes, in the unit of its name."""

    p5: float
    p50: float
    p95: float

    @property
    def is_exact(self) -> bool:
        """Whether nothing of it is uncertain."""
        return self.p5 == self.p95


def rates(quantities: Mapping[str, Any], count: float) -> dict[str, Rate]:
    """Return what a second takes, by ``usd`` (rent), ``amortised_usd``, ``kwh`` and ``kg_co2e``.

    Args:
        quantities: inputs of an hour, by the fields of ``kernels.run.Hour``.
        count: accelerators.
    """
    columns = Columns(list(quantities.values()), list(quantities), "cpu")
    values = columns.draw(columns.points(DRAWS, 0, 0, DRAWS.samples))
    hour = bundle(Hour, dict(zip(quantities, values, strict=True)))
    bill = price_time(torch.tensor([float(count)], dtype=torch.float64), hour)
    taken = {
        "usd": bill.cloud,
        "amortised_usd": bill.amortised,
        "kwh": bill.energy_mwh * 1e3,
        "kg_co2e": bill.carbon_t * 1e3,
    }
    shares = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)
    found = {}
    for name, each in taken.items():
        low, middle, high = each.double().expand(DRAWS.samples).quantile(shares).tolist()
        if middle == middle:  # not NaN: it is known
            found[name] = Rate(low, middle, high)
    return found
