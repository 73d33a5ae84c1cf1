"""Accelerators, one or all, as a page tells them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from computebill.hardware.accelerators import Accelerator
from computebill.training.efficiency import efficiency_assumptions
from computebill.views.answers import hardware
from computebill.views.charts import hardware as drawn
from computebill.views.hardware import figure_rows, price_notes, usd_range
from computebill.views.result import Result

from .document import Chart, Report, Section, Table, charted, parts, sections

PEAKS = "source of the peaks"


def listed(result: Result) -> Report:
    """Tell the accelerators that are known."""
    found = result["accelerators"]
    known = [each for each in found if hardware.rate(each)]
    section = Section("All accelerators", parts([_over_time(known), _prices(found), _all(found)]))
    return Report.of(hardware.listed(result), result, sections(section))


def _over_time(known: Sequence[Mapping[str, Any]]) -> Chart | None:
    headings = ("accelerator", "maker", "released", "peak", "memory")
    keys = ("title", "vendor", "day", "text", "memory")
    return charted(drawn.over_time(known), "Peaks", headings, keys, ("maker",))


def _prices(found: Sequence[Mapping[str, Any]]) -> Chart | None:
    headings, keys = ("accelerator", drawn.HOUR, "providers"), ("name", "text", "providers")
    return charted(drawn.prices(found), "An hour", headings, keys)


def _all(found: Sequence[Mapping[str, Any]]) -> Table:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.6g}"

    cells = [
        (
            each["name"],
            each["title"],
            "announced" if each["announced"] else each["release_date"] or "",
            number(hardware.rate(each) or None),
            number(each["fp8_tflops"]),
            *(number(each[key]) for key in ("memory_gb", "memory_bandwidth_gb_s", "chip_watt")),
            drawn.hour(each),
            each.get("source", ""),
        )
        for each in found
    ]
    headings = ("name", "title", "released", "16 bits", "fp8", "GB", "GB/s", "W", "an hour", PEAKS)
    title = "Accelerators: dense TFLOP/s, memory, power, price"
    return Table(title, headings, cells, ("title", "released", PEAKS))


def shown(result: Result) -> Report:
    """Tell one accelerator: figures with their sources, and prices."""
    part = hardware.accelerator_of(result)
    prices = Section("Prices", parts([_cloud(part), _purchase(part)]))
    told = Report.of(hardware.shown(result), result, sections(prices))
    rows = [
        (row.name, f"{row.value} {row.unit}".strip(), drawn.cited(part, row.source, row.note))
        for row in figure_rows(part)
    ]
    if part.efficiency is not None:
        fitted = efficiency_assumptions(part.efficiency)
        rows += [(each.name, each.value, each.source) for each in fitted]
    return dataclasses.replace(told, assumptions=rows)


def _cloud(part: Accelerator) -> Chart | None:
    headings = ("day", "provider", "rented", "USD an hour", "source")
    keys = ("day", "provider", "way", "text", "source")
    left = ("provider", "rented", "source")
    return charted(drawn.cloud(part), "Cloud prices", headings, keys, left)


def _purchase(part: Accelerator) -> Table | None:
    cells = [
        (
            str(price.date),
            usd_range(price),
            price.kind,
            drawn.cited(part, price.source, price_notes(price)),
        )
        for price in part.prices.purchase
    ]
    headings = ("day", "USD a chip", "what", "source")
    return Table("Purchase prices", headings, cells, ("what", "source")) if cells else None
