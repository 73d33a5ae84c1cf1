"""Accelerators, one or all, as a page tells them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from computebill.hardware.accelerators import Accelerator
from computebill.training.efficiency import efficiency_assumptions
from computebill.views.hardware import cloud_amounts, figure_rows, price_notes, usd_range
from computebill.views.text import digits

from . import drawing
from .document import Chart, Figure, Report, Result, Section, Table, parts, sections

MOST_VENDORS = 7
OTHERS = "others"
PEAKS = "source of the peaks"


def listed(result: Result) -> Report:
    """Tell the accelerators that are known."""
    found = result["accelerators"]
    known = [each for each in found if _rate(each)]
    priced = [each["usd_per_hour"] for each in found if each["usd_per_hour"] is not None]
    best = max((each for each in known if not each["announced"]), key=_rate)
    answer = (
        f"{len(found)} accelerators of {len({each['vendor'] for each in found})} makers; the "
        f"fastest at 16 bits is {best['title']} with {digits(_rate(best))} TFLOP/s"
    )
    if priced:
        answer += f", and an hour of one costs ${min(priced):.2f} to ${max(priced):.2f} on demand"
    figures = [
        Figure("accelerators", f"{len(found)}"),
        Figure("with a price of an hour", f"{len(priced)}"),
        Figure("announced, not shipped", f"{sum(each['announced'] for each in found)}"),
    ]
    section = Section("All accelerators", parts([_over_time(known), _prices(found), _all(found)]))
    return Report("Accelerators", f"{answer}.", figures, sections(section)).told(result)


def _rate(row: Mapping[str, Any]) -> float:
    return float(row["bf16_tflops"] or row["fp16_tflops"] or 0.0)


def _hour(row: Mapping[str, Any]) -> str:
    return "" if row["usd_per_hour"] is None else f"${row['usd_per_hour']:.2f}"


def _over_time(known: Sequence[Mapping[str, Any]]) -> Chart | None:
    dated = [each for each in known if each["release_date"]]
    if not dated:
        return None
    vendors = Counter(each["vendor"] for each in dated)
    largest = [name for name, _ in vendors.most_common(MOST_VENDORS)]
    rows = [
        {
            "title": each["title"],
            "date": each["release_date"],
            "day": each["release_date"],
            "value": _rate(each),
            "vendor": each["vendor"] if each["vendor"] in largest else OTHERS,
            "text": f"{digits(_rate(each))} TFLOP/s",
            "memory": f"{each['memory_gb']:g} GB, {digits(each['memory_bandwidth_gb_s'])} GB/s",
            "hour": _hour(each),
        }
        for each in dated
    ]
    cells = [(row["title"], row["vendor"], row["day"], row["text"], row["memory"]) for row in rows]
    return Chart(
        "Peak at 16 bits against the day of release",
        "Dense peaks of one chip, without sparsity, on a logarithmic axis.",
        _scatter(rows, [*largest, *([OTHERS] if len(vendors) > len(largest) else [])]),
        Table("Peaks", ("accelerator", "maker", "released", "peak", "memory"), cells, ("maker",)),
    )


def _scatter(rows: drawing.Rows, order: Sequence[str]) -> Any:
    chosen, opacity = drawing.toggled("vendor")
    tooltip = drawing.tips(
        title="accelerator", day="released", text="peak", memory="memory", hour="an hour"
    )
    return (
        alt.Chart(drawing.data(rows))
        .mark_point(filled=True, size=70)
        .encode(
            x=drawing.dates("date"),
            y=drawing.height("value", "TFLOP/s at 16 bits", drawing.COUNTS, is_log=True),
            color=drawing.colours("vendor", order),
            opacity=opacity,
            tooltip=tooltip,
        )
        .add_params(chosen, drawing.zoom())
        .properties(height=420)
    )


def _prices(found: Sequence[Mapping[str, Any]]) -> Chart | None:
    priced = [each for each in found if each["usd_per_hour"] is not None]
    if not priced:
        return None
    rows = []
    for each in sorted(priced, key=lambda each: -each["usd_per_hour"]):
        middle = each["usd_per_hour"]
        low, high = (each.get(f"usd_per_hour_{end}", middle) for end in ("p10", "p90"))
        text = _hour(each) if low == high else f"{_hour(each)} ({low:.2f}–{high:.2f})"
        providers = f"{each.get('providers', '')}"
        ends = {"p5": low, "p50": middle, "p95": high, "short": text, "text": text}
        rows.append({"name": each["title"], "providers": providers, **ends})
    title, told = "USD an hour, on demand", "the middle provider (one in ten to nine in ten)"
    cells = [(str(row["name"]), str(row["text"]), str(row["providers"])) for row in rows]
    return Chart(
        "What an hour costs",
        "One chip on demand: the middle provider, and the line from one in ten to nine in ten of "
        "them, by their last prices on record; computebill hardware show NAME --html FILE tells "
        "every price with its source.",
        drawing.intervals(rows, title, drawing.DOLLARS, is_log=True, of="accelerator", told=told),
        Table("An hour", ("accelerator", title, "providers"), cells),
    )


def _all(found: Sequence[Mapping[str, Any]]) -> Table:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.6g}"

    cells = [
        (
            each["name"],
            each["title"],
            "announced" if each["announced"] else each["release_date"] or "",
            number(_rate(each) or None),
            number(each["fp8_tflops"]),
            *(number(each[key]) for key in ("memory_gb", "memory_bandwidth_gb_s", "chip_watt")),
            _hour(each),
            each.get("source", ""),
        )
        for each in found
    ]
    headings = ("name", "title", "released", "16 bits", "fp8", "GB", "GB/s", "W", "an hour", PEAKS)
    title = "Accelerators: dense TFLOP/s, memory, power, price"
    return Table(title, headings, cells, ("title", "released", PEAKS))


def shown(result: Result) -> Report:
    """Tell one accelerator: figures with their sources, and prices."""
    part = Accelerator.model_validate({key: result[key] for key in set(result) - {"about"}})
    precision = part.default_precision
    peak, bandwidth = part.peak(precision), part.memory_bandwidth_gb_s
    answer = (
        f"{part.title} reaches {digits(peak.value)} TFLOP/s dense in {precision} by its "
        f"datasheet, and has {part.memory_gb.value:g} GB of memory at {digits(bandwidth.value)} "
        "GB/s."
    )
    figures = [
        *(Figure(f"{name}, TFLOP/s", digits(part.peak(name).value)) for name in part.precisions),
        Figure("memory, GB", f"{part.memory_gb.value:g}"),
        Figure("memory, GB/s", digits(bandwidth.value)),
    ]
    if part.power.chip_watt:
        figures.append(Figure("power, W", f"{part.power.chip_watt.value:g}"))
    prices = Section("Prices", parts([_cloud(part), _purchase(part)]))
    told = Report(part.title, answer, figures, sections(prices)).told(result)
    rows = [
        (row.name, f"{row.value} {row.unit}".strip(), _cited(part, row.source, row.note))
        for row in figure_rows(part)
    ]
    if part.efficiency is not None:
        fitted = efficiency_assumptions(part.efficiency)
        rows += [(each.name, each.value, each.source) for each in fitted]
    notes = [part.notes] if part.notes else []
    return dataclasses.replace(told, assumptions=rows, notes=notes)


def _cited(part: Accelerator, key: str, note: str) -> str:
    title = part.sources[key].title
    return f"{title}; {note}" if note else title


def _cloud(part: Accelerator) -> Chart | None:
    rows = [
        {
            "date": str(price.date),
            "day": str(price.date),
            "provider": price.provider,
            "way": way,
            "value": usd,
            "text": f"${usd:.2f}",
            "source": _cited(part, price.source, price_notes(price)),
            "doubtful": price.doubtful,
        }
        for price in reversed(part.prices.cloud)
        for way, usd in cloud_amounts(price).items()
        if usd is not None
    ]
    if not rows:
        return None
    used = {row["way"] for row in rows}
    order = [way for way in cloud_amounts(part.prices.cloud[0]) if way in used]
    keys = ("day", "provider", "way", "text", "source")
    cells = [tuple(str(row[key]) for key in keys) for row in rows]
    headings = ("day", "provider", "rented", "USD an hour", "source")
    return Chart(
        "Price of an hour, by day and provider",
        "Every price on record of one chip; doubtful ones are hollow, and not used.",
        _price_points(rows, order),
        Table("Cloud prices", headings, cells, ("provider", "rented", "source")),
    )


def _price_points(rows: drawing.Rows, order: Sequence[str]) -> Any:
    chosen, opacity = drawing.toggled("way")
    ends = drawing.from_nothing(row["value"] for row in rows)
    tooltip = drawing.tips(
        provider="provider", day="day", way="rented", text="USD an hour", source="source"
    )
    return (
        alt.Chart(drawing.data(rows))
        .mark_point(filled=True, size=45, strokeWidth=1.5)
        .encode(
            fillOpacity=alt.condition("datum.doubtful", alt.value(0), alt.value(1)),
            stroke=drawing.colours("way", order),
            x=drawing.dates("date"),
            y=drawing.height("value", "USD an hour", drawing.DOLLARS, ends=ends),
            color=drawing.colours("way", order),
            opacity=opacity,
            tooltip=tooltip,
        )
        .add_params(chosen, drawing.zoom())
        .properties(height=360)
    )


def _purchase(part: Accelerator) -> Table | None:
    cells = [
        (
            str(price.date),
            usd_range(price),
            price.kind,
            _cited(part, price.source, price_notes(price)),
        )
        for price in part.prices.purchase
    ]
    headings = ("day", "USD a chip", "what", "source")
    return Table("Purchase prices", headings, cells, ("what", "source")) if cells else None
