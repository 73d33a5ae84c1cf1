"""Charts of accelerators, all or one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from computebill.hardware.accelerators import Accelerator
from computebill.views.answers.hardware import rate
from computebill.views.hardware import cloud_amounts, price_notes
from computebill.views.text import digits

from .axes import dates, from_nothing, height
from .look import COUNTS, DOLLARS
from .marks import colours, intervals, tips, toggled, zoom
from .picture import ROWS, Picture, Rows, shape_of

MOST_VENDORS = 7
OTHERS = "others"
HOUR = "USD an hour, on demand"


def hour(row: Mapping[str, Any]) -> str:
    """Write what an hour costs; nothing where that is not known."""
    return "" if row["usd_per_hour"] is None else f"${row['usd_per_hour']:.2f}"


def cited(part: Accelerator, key: str, note: str) -> str:
    """Return a source's title with a note."""
    title = part.sources[key].title
    return f"{title}; {note}" if note else title


def over_time(known: Sequence[Mapping[str, Any]]) -> Picture | None:
    """Return the peaks by the day of release; None where no day is known."""
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
            "value": rate(each),
            "vendor": each["vendor"] if each["vendor"] in largest else OTHERS,
            "text": f"{digits(rate(each))} TFLOP/s",
            "memory": f"{each['memory_gb']:g} GB, {digits(each['memory_bandwidth_gb_s'])} GB/s",
            "hour": hour(each),
        }
        for each in dated
    ]
    order = [*largest, *([OTHERS] if len(vendors) > len(largest) else [])]
    says = "Dense peaks of one chip, without sparsity, on a logarithmic axis."
    return Picture("Peak at 16 bits against the day of release", says, _scatter(rows, order), rows)


def _scatter(rows: Rows, order: Sequence[str]) -> dict[str, Any]:
    chosen, opacity = toggled("vendor")
    tooltip = tips(
        title="accelerator", day="released", text="peak", memory="memory", hour="an hour"
    )
    return shape_of(
        alt.Chart(ROWS)
        .mark_point(filled=True, size=70)
        .encode(
            x=dates("date", (row["date"] for row in rows)),
            y=height("value", "TFLOP/s at 16 bits", COUNTS, is_log=True),
            color=colours("vendor", order),
            opacity=opacity,
            tooltip=tooltip,
        )
        .add_params(chosen, zoom())
        .properties(height=420)
    )


def prices(found: Sequence[Mapping[str, Any]]) -> Picture | None:
    """Return what an hour of each accelerator costs; None where no price is known."""
    priced = [each for each in found if each["usd_per_hour"] is not None]
    if not priced:
        return None
    rows = []
    for each in sorted(priced, key=lambda each: -each["usd_per_hour"]):
        middle = each["usd_per_hour"]
        low, high = (each.get(f"usd_per_hour_{end}", middle) for end in ("p10", "p90"))
        text = hour(each) if low == high else f"{hour(each)} ({low:.2f}–{high:.2f})"
        providers = f"{each.get('providers', '')}"
        ends = {"p5": low, "p50": middle, "p95": high, "short": text, "text": text}
        rows.append({"name": each["title"], "providers": providers, **ends})
    told = "the middle provider (one in ten to nine in ten)"
    says = (
        "One chip on demand: the middle provider, and the line from one in ten to nine in ten of "
        "them, by their last prices on record; computebill hardware show NAME --html FILE tells "
        "every price with its source."
    )
    axis = (HOUR, DOLLARS)
    title = "What an hour costs"
    return intervals(title, says, rows, axis, is_log=True, of="accelerator", told=told)


def cloud(part: Accelerator) -> Picture | None:
    """Return every price on record of an hour; None where there is none."""
    rows = [
        {
            "date": str(price.date),
            "day": str(price.date),
            "provider": price.provider,
            "way": way,
            "value": usd,
            "text": f"${usd:.2f}",
            "source": cited(part, price.source, price_notes(price)),
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
    says = "Every price on record of one chip; doubtful ones are hollow, and not used."
    shape = _price_points(rows, order)
    return Picture("Price of an hour, by day and provider", says, shape, rows)


def _price_points(rows: Rows, order: Sequence[str]) -> dict[str, Any]:
    chosen, opacity = toggled("way")
    ends = from_nothing(row["value"] for row in rows)
    tooltip = tips(
        provider="provider", day="day", way="rented", text="USD an hour", source="source"
    )
    return shape_of(
        alt.Chart(ROWS)
        .mark_point(filled=True, size=45, strokeWidth=1.5)
        .encode(
            fillOpacity=alt.condition("datum.doubtful", alt.value(0), alt.value(1)),
            stroke=colours("way", order),
            x=dates("date", (row["date"] for row in rows)),
            y=height("value", "USD an hour", DOLLARS, ends=ends),
            color=colours("way", order),
            opacity=opacity,
            tooltip=tooltip,
        )
        .add_params(chosen, zoom())
        .properties(height=360)
    )
