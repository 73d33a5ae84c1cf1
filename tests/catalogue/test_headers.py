"""Headings in their spellings, and mappings that go before them."""

from __future__ import annotations

import pytest

from computebill.base.errors import RequestError
from computebill.catalogue.headers import find_columns, read_heading


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("Training compute (FLOP)", ("flop", 1.0)),
        ("training_compute", ("flop", 1.0)),
        ("Training compute (petaFLOP)", ("flop", 1e15)),
        ("Training compute (PF-days)", ("flop", 8.64e19)),
        ("Hardware utilization", ("mfu", 1.0)),
        ("Hardware utilization (MFU)", ("mfu", 1.0)),
        ("Hardware utilization (HFU)", ("hfu", 1.0)),
        ("Training dataset size (datapoints)", ("tokens", 1.0)),
        ("Training dataset size (gradients)", ("tokens", 1.0)),
        ("Training dataset size (total)", ("tokens", 1.0)),
        ("System", ("model", 1.0)),
        ("Training time (hours)", ("hours", 1.0)),
        ("Training time (days)", ("hours", 24.0)),
        ("Training time (d)", ("hours", 24.0)),
        ("Training time (months)", ("hours", 730.5)),
        ("Training time (m)", None),
        ("GPU-days", ("chip_hours", 24.0)),
        ("GPU hours (millions)", ("chip_hours", 1e6)),
        ("Training FLOPs", ("flop", 1.0)),
        ("Training compute (ZFLOPs)", ("flop", 1e21)),
        ("MFU (%)", ("mfu", 0.01)),
        ("Parameters (in billions)", ("params", 1e9)),
        ("Training compute cost (million USD)", ("listed_cost", 1e6)),
        ("Parameters (B)", ("params", 1e9)),
        ("Training compute cost (2023 USD)", ("listed_cost", 1.0)),
        ("Training compute cost (cloud)", ("listed_cost_cloud", 1.0)),
        ("Country (from Organization)", None),
        ("Organization categorization", None),
        ("Hardware acquisition cost", None),
    ],
)
def test_headings_in_all_their_spellings(heading: str, field: tuple[str, float] | None) -> None:
    assert read_heading(heading) == field


def test_a_mapping_goes_before_what_a_heading_looks_like() -> None:
    headings = ["Size (B)", "Parameters", "Days"]
    found = find_columns(headings, {"params": "Size (B)"})
    assert found["params"].heading == "Size (B)"
    with pytest.raises(RequestError, match=r"mapping\.params: got 'None'; the file has no such"):
        find_columns(headings, {"params": "None"})
    with pytest.raises(RequestError, match=r"mapping\.parms: is no field"):
        find_columns(headings, {"parms": "Days"})
