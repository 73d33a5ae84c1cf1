"""Accelerators as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from computebill.base.errors import RequestError
from computebill.costs.prices import typical_cloud_price
from computebill.hardware.accelerators import Accelerator
from computebill.hardware.assumptions import source_title
from computebill.hardware.figures import Cited, CloudPrice, Figure, Price, PurchasePrice
from computebill.hardware.fitted import Fitted

from . import tables

UNCHECKED = "not re-checked"
"""The mark of a figure that nobody compared with a second source."""

UNITS = {
    "memory_gb": "GB",
    "memory_bandwidth_gb_s": "GB/s",
    "measured_memory_bandwidth_gb_s": "GB/s",
    "price_usd": "USD",
    "peak_tflops": "TFLOP/s dense",
    "links.inside.bandwidth_gb_s": "GB/s a direction",
    "links.inside.latency_us": "us a hop",
    "links.inside.domain_size": "chips",
    "links.across.bandwidth_gb_s": "GB/s a direction",
    "links.across.latency_us": "us a hop",
    "node_size": "chips",
    "power": "W",
    "measured": "TFLOP/s",
}
"""Unit of each field, by the start of its path."""

LAST_PRICES = 10
"""Cloud prices shown where not all are asked for."""


def summary_rows(accelerators: Iterable[Accelerator]) -> list[dict[str, Any]]:
    """Return one row an accelerator: TFLOP/s, GB, GB/s, W, median USD an hour on demand."""
    return [_summary(accelerator) for accelerator in accelerators]


def _summary(accelerator: Accelerator) -> dict[str, Any]:
    release = accelerator.release_date
    return {
        "name": accelerator.name,
        "title": accelerator.title,
        "vendor": accelerator.vendor,
        "announced": accelerator.announced,
        "release_date": release.value.isoformat() if release else None,
        "bf16_tflops": _value(accelerator.peak_tflops.bf16),
        "fp16_tflops": _value(accelerator.peak_tflops.fp16),
        "fp8_tflops": _value(accelerator.peak_tflops.fp8),
        "memory_gb": accelerator.memory_gb.value,
        "memory_bandwidth_gb_s": accelerator.memory_bandwidth_gb_s.value,
        "chip_watt": _value(accelerator.power.chip_watt),
        **_typical_usd(accelerator),
        "source": source_title(accelerator, accelerator.peak(accelerator.default_precision).source),
    }


def _value(figure: Figure | None) -> float | None:
    return figure.value if figure else None


def _typical_usd(accelerator: Accelerator) -> dict[str, float | int | None]:
    """Return what providers ask for an hour on demand: the middle one, one in ten, nine in ten."""
    names = ("usd_per_hour", "usd_per_hour_p10", "usd_per_hour_p90", "providers")
    try:
        found = typical_cloud_price(accelerator)
    except RequestError:
        return dict.fromkeys(names)
    usd = (round(each, 4) for each in (found.p50, found.p10, found.p90))
    return dict(zip(names, (*usd, found.count), strict=True))


def summary_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return the table of all accelerators."""
    table = tables.table(
        f"{len(rows)} accelerators. TFLOP/s dense, 16 bit: bf16, else fp16; USD/h: median provider",
        ("title", "W", "fp8", "GB/s", "released"),
    )
    for column in ("name", "title", "released"):
        table.add_column(column, no_wrap=column == "name")
    for column in ("16 bit", "fp8", "GB", "GB/s", "W", "USD/h"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row["name"],
            row["title"],
            "announced" if row["announced"] else row["release_date"] or "",
            _number(row["bf16_tflops"] or row["fp16_tflops"]),
            *(_number(row[key]) for key in ("fp8_tflops", "memory_gb")),
            *(_number(row[key]) for key in ("memory_bandwidth_gb_s", "chip_watt")),
            "" if row["usd_per_hour"] is None else f"{row['usd_per_hour']:.2f}",
        )
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def profile_view(accelerator: Accelerator, *, all_prices: bool = False) -> list[Text | Table]:
    """Return one accelerator's figures, each with its source, then its prices."""
    parts: list[Text | Table] = [_heading(accelerator), _figure_table(accelerator)]
    if accelerator.efficiency is not None:
        parts.append(_efficiency_table(accelerator.efficiency))
    if accelerator.prices.purchase:
        parts.append(_purchase_table(accelerator))
    if accelerator.prices.cloud:
        parts.append(_cloud_table(accelerator, all_prices))
    parts.append(_source_table(accelerator))
    return parts


def _heading(accelerator: Accelerator) -> Text:
    lines = [f"{accelerator.title} ({accelerator.name})"]
    about = [accelerator.vendor, accelerator.form_factor, accelerator.links.inside.kind]
    lines.append(", ".join(text for text in about if text))
    if accelerator.announced:
        lines.append("Announced: no shipped specification yet.")
    if accelerator.aliases:
        lines.append("Also: " + "; ".join(accelerator.aliases))
    if accelerator.notes:
        lines.append(accelerator.notes)
    if accelerator.unknown:
        lines.append("Looked for and not found: " + ", ".join(accelerator.unknown) + ".")
    return Text("\n".join(lines))


def _figure_table(accelerator: Accelerator) -> Table:
    table = tables.table("Figures of one chip")
    for column in ("figure", "value", "unit", "source", "note"):
        table.add_column(column, justify="right" if column == "value" else "left")
    for row in figure_rows(accelerator):
        table.add_row(row.name, row.value, row.unit, row.source, _marked(row.note))
    return table


def _marked(note: str) -> Text:
    text = Text(note)
    text.highlight_words([UNCHECKED], style="yellow")
    return text


def _efficiency_table(fitted: Fitted) -> Table:
    table = tables.table(f"Efficiencies, {fitted.origin}")
    table.add_column("efficiency")
    table.add_column("value", justify="right")
    for name, value in fitted.values.items():
        table.add_row(name, f"{value:.4g}")
    return table


class FigureRow(NamedTuple):
    """A figure of one chip, as a table has it; the source is a key of the profile's."""

    name: str
    value: str
    unit: str
    source: str
    note: str


def figure_rows(accelerator: Accelerator) -> Iterator[FigureRow]:
    """Yield the figures of one chip, prices apart."""
    for path, cited in accelerator.cited():
        if isinstance(cited, Price):
            continue
        label, value = _label_and_value(path, cited)
        unit = next((text for start, text in UNITS.items() if path.startswith(start)), "")
        mark = "" if accelerator.is_checked(cited) else UNCHECKED
        note = "; ".join(text for text in (mark, cited.note) if text)
        yield FigureRow(label, value, unit, cited.source, note)


def _label_and_value(path: str, cited: Cited) -> tuple[str, str]:
    data = cited.model_dump()
    if "low" in data:
        return path, f"{data['low']:,.0f} to {data['high']:,.0f}"
    if "tflops" in data:
        details = [text for text in (data["shape"], data["software"]) if text]
        return f"measured {data['dtype']} " + ", ".join(details), _number(data["tflops"])
    value = data["value"]
    return path, _number(value) if isinstance(value, float) else str(value)


def price_notes(price: Price) -> str:
    """Return what a reader should know of a price."""
    return "; ".join(_price_remarks(price))


def _price_remarks(price: Price) -> Iterator[str]:
    if price.doubtful:
        yield "doubtful, not used"
    if price.variant:
        yield f"variant: {price.variant}"
    if not price.form_factor_stated:
        yield "form factor not stated"
    if price.note:
        yield price.note


def _purchase_table(accelerator: Accelerator) -> Table:
    table = tables.table("Purchase prices, USD a chip")
    for column in ("date", "USD", "kind", "source", "note"):
        table.add_column(column, justify="right" if column == "USD" else "left")
    for price in accelerator.prices.purchase:
        table.add_row(
            str(price.date), usd_range(price), price.kind, price.source, price_notes(price)
        )
    return table


def usd_range(price: PurchasePrice) -> str:
    """Return a purchase price, or its two ends."""
    low = f"{price.low_usd:,.0f}"
    return low if price.low_usd == price.high_usd else f"{low} to {price.high_usd:,.0f}"


def _cloud_table(accelerator: Accelerator, all_prices: bool) -> Table:
    prices = accelerator.prices.cloud
    kept = prices if all_prices else prices[-LAST_PRICES:]
    table = tables.table(f"Cloud prices, USD a chip and hour: {len(kept)} of {len(prices)}")
    for column in ("date", "provider", "on demand", "1 year", "3 years", "spot", "block"):
        table.add_column(column, justify="left" if column in ("date", "provider") else "right")
    for column in ("kind", "source", "note"):
        table.add_column(column)
    for price in kept:
        table.add_row(
            str(price.date),
            price.provider,
            *("" if usd is None else f"{usd:.2f}" for usd in cloud_amounts(price).values()),
            price.kind,
            price.source,
            price_notes(price),
        )
    return table


def cloud_amounts(price: CloudPrice) -> dict[str, float | None]:
    """Return what an hour costs, USD, by the way it is rented."""
    return {
        "on demand": price.on_demand_usd,
        "1 year": price.committed_1y_usd,
        "3 years": price.committed_3y_usd,
        "spot": price.spot_usd,
        "block": price.capacity_block_usd,
    }


def _source_table(accelerator: Accelerator) -> Table:
    table = tables.table("Sources")
    for column in ("source", "title, address", "licence", "note"):
        table.add_column(column, overflow="fold")
    for key, source in accelerator.sources.items():
        mark = "" if source.checked else UNCHECKED
        remarks = "; ".join(text for text in (mark, source.note) if text)
        table.add_row(
            key, Text(f"{source.title}\n{source.address}".strip()), source.licence, remarks
        )
    return table
