"""Charts of accelerators."""

from __future__ import annotations

from typing import Any

from computebill.hardware.accelerators import find_accelerator
from computebill.views.charts import hardware

Results = dict[str, dict[str, Any]]


def test_the_rarer_makers_share_a_colour(results: Results) -> None:
    known = [each for each in results["hardware"]["accelerators"] if hardware.rate(each)]
    picture = hardware.over_time(known)
    assert picture is not None
    vendors = {row["vendor"] for row in picture.rows}
    assert len(vendors) <= hardware.MOST_VENDORS + 1
    assert "NVIDIA" in vendors
    assert hardware.over_time([{**known[0], "release_date": None}]) is None


def test_prices_stand_dearest_first(results: Results) -> None:
    found = results["hardware"]["accelerators"]
    picture = hardware.prices(found)
    assert picture is not None
    middles = [row["p50"] for row in picture.rows]
    assert middles == sorted(middles, reverse=True)
    assert len(middles) == sum(each["usd_per_hour"] is not None for each in found)
    assert hardware.prices([{**found[0], "usd_per_hour": None}]) is None


def test_doubtful_prices_are_drawn_and_marked() -> None:
    part = find_accelerator("h100-sxm")
    picture = hardware.cloud(part)
    assert picture is not None
    assert {row["doubtful"] for row in picture.rows} == {True, False}
    days = [row["day"] for row in picture.rows]
    assert set(days) == {str(price.date) for price in part.prices.cloud}
