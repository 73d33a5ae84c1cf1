"""A research programme, as a page tells it."""

from __future__ import annotations

from typing import Any

import altair as alt

from computebill.views.sweep import PUBLISHED
from computebill.views.text import (
    UNKNOWN,
    count,
    count_interval,
    digits,
    flop_interval,
    money,
    money_interval,
    percent,
    percent_interval,
    scale_of,
)

from . import drawing
from .document import (
    Chart,
    Figure,
    Report,
    Result,
    Section,
    Table,
    distribution,
    figure,
    parts,
    sections,
    signed,
)
from .steps import Part, waterfall


def report(result: Result) -> Report:
    """Tell one programme."""
    hours, usd = distribution(result["gpu_hours"]), distribution(result["cost_usd"])
    answer = f"The {result['experiments']:,} experiments take {count_interval(hours)} GPU-hours"
    answer += f" and cost {money_interval(usd)} rented" if usd.is_known else ""
    figures = [
        Figure("experiments", f"{result['experiments']:,}"),
        figure("GPU-hours", count_interval(hours)),
    ]
    flop = distribution(result["flop"])
    figures += [figure("training FLOP", flop_interval(flop))] * flop.is_known
    figures += [figure("cost, rented", money_interval(usd))] * usd.is_known
    if result["share_of_programme"]:
        share = percent_interval(distribution(result["share_of_programme"]))
        of = "cost" if result["share_basis"] == "cost_usd" else "GPU-hours"
        answer += f": {share} of the programme's {of}, final run included"
        figures.append(figure(f"share of the programme's {of}", share))
    found = sections(
        Section("Where it goes", parts([_groups(result), _whole(result), _sizes(result)])),
        Section("On the cluster", parts([_usage(result)]), _schedule(result)),
        Section("What a budget pays for", parts([_budget(result)])),
        Section("Beside what was published", parts([_published(result)])),
    )
    notes = [result["description"]] if result.get("description") else []
    return Report(result["name"], f"{answer}.", figures, found, notes=notes).told(result)


def _unit(result: Result) -> tuple[str, str, str, Any, Any]:
    """Return the key, title, labels and writers of what a programme is told in."""
    if result["cost_usd"] is not None:
        return "cost_usd", "cost, rented (USD)", drawing.DOLLARS, money, money_interval
    return "gpu_hours", "GPU-hours", drawing.COUNTS, count, count_interval


def _groups(result: Result) -> Chart:
    key, title, labels, write, write_interval = _unit(result)
    rows, cells = [], []
    ordered = sorted(result["groups"], key=lambda group: -group["share"])
    named = [(group["name"], "experiments", group) for group in ordered]
    if result["final"] is not None:
        named.append(("final run", "final run", result["final"]))
    for name, kind, each in named:
        value = distribution(each[key])
        text = write_interval(value)
        if value.is_known:
            rows.append(
                {
                    "name": name,
                    "kind": kind,
                    "text": text,
                    "short": write(value.p50),
                    **drawing.ends(value),
                }
            )
        source = result.get("sources", {}).get(each.get("source"), {})
        cells.append(
            (
                name,
                each.get("kind", ""),
                f"{each.get('experiments', 1):,}",
                percent(each["mfu"]) if each.get("mfu") is not None else UNKNOWN,
                count_interval(distribution(each["gpu_hours"])),
                money_interval(distribution(each["cost_usd"])),
                percent(each["share"]) if "share" in each else "",
                "; ".join(filter(None, (source.get("title"), each.get("note")))),
            )
        )
    headings = (
        "group",
        "kind",
        "experiments",
        "MFU",
        "GPU-hours",
        "cost, rented",
        "of the experiments",
        "source and note",
    )
    return Chart(
        "By group",
        f"Median and 5th to 95th percentile, on a logarithmic axis.{drawing.goes_below(rows)}",
        drawing.intervals(rows, title, labels, is_log=True, of="group"),
        Table("Groups", headings, cells, ("kind", "source and note")),
    )


def _whole(result: Result) -> Chart | None:
    key, title, labels, write, write_interval = _unit(result)
    if result["final"] is None or result["final"][key] is None:
        return None
    found = [Part("final run", "final run", distribution(result["final"][key]))]
    ordered = sorted(result["groups"], key=lambda group: -group["share"])
    found += [Part(each["name"], "experiments", distribution(each[key])) for each in ordered]
    found.append(Part("whole programme", "whole", sum(part.value.mean for part in found)))
    return waterfall(
        "From the final run to the whole programme", "", found, write, write_interval, title, labels
    )


def _size(low: float | None, high: float | None) -> str:
    if low is None:
        return "not known"
    return f"{_round(low)}–{_round(high)}" if high else f"{_round(low)} and more"


def _round(value: float) -> str:
    factor, letter = scale_of(value)
    return f"{value / factor:g} {letter}".rstrip()


def _sizes(result: Result) -> Chart | None:
    key, title, labels, write, _ = _unit(result)
    if sum(each["params_from"] is not None for each in result["by_size"]) < 2:
        return None
    rows, cells = [], []
    for each in result["by_size"]:
        name, value = _size(each["params_from"], each["params_below"]), each[key] or 0.0
        rows.append({"name": name, "value": value, "text": write(value)})
        saved = each["saved_without_these_and_larger_usd"]
        cells.append(
            (
                name,
                f"{each['experiments']:,}",
                count(each["gpu_hours"] or 0.0),
                UNKNOWN if each["cost_usd"] is None else money(each["cost_usd"]),
                UNKNOWN if saved is None else money(saved),
            )
        )
    headings = (
        "active parameters",
        "experiments",
        "GPU-hours",
        "cost",
        "saved without these and larger",
    )
    return Chart(
        "By active parameters",
        "Medians only: that of all experiments, divided as the means of the sizes are. The table "
        "tells what is saved without the largest.",
        drawing.bars(rows, title, labels, of="active parameters"),
        Table("Sizes", headings, cells),
    )


def _schedule(result: Result) -> str:
    given = result["schedule"]
    if given is None:
        return ""
    return (
        f"At the medians, on {given['gpus']:,} GPUs and the largest first, all have ended after "
        f"{digits(given['days'])} days; no schedule is shorter than {digits(given['bound_days'])}. "
        f"{percent(given['idle_share'])} of the cluster is idle until then."
    )


def _usage(result: Result) -> Chart | None:
    given = (result["schedule"] or {}).get("usage")
    if not given:
        return None
    days, at_work = given["days"], given["gpus"]
    rows = [
        {"day": day, "gpus": gpus, "group": group, "text": f"{gpus:,}", "when": digits(day)}
        for group, counts in at_work.items()
        for day, gpus in zip(days, counts, strict=True)
    ]
    step = max(1, len(days) // 200)
    cells = [
        (digits(day), *(f"{counts[place]:,}" for counts in at_work.values()))
        for place, day in enumerate(days)
        if place % step == 0
    ]
    return Chart(
        "GPUs at work over time",
        "The groups one on another; the dashed line is the whole cluster.",
        _areas(rows, list(at_work), result["schedule"]["gpus"]),
        Table("GPUs at work from that day on", ("day", *at_work), cells),
    )


def _areas(rows: drawing.Rows, groups: list[str], gpus: int) -> Any:
    chosen, opacity = drawing.toggled("group")
    area = (
        alt.Chart(drawing.data(rows))
        .mark_area(interpolate="step-after")
        .encode(
            x=drawing.amount("day", "day", drawing.COUNTS),
            y=alt.Y(
                "gpus:Q",
                stack="zero",
                title="GPUs at work",
                axis=alt.Axis(labelExpr=drawing.COUNTS),
            ),
            color=drawing.colours("group", groups),
            opacity=opacity,
            tooltip=drawing.tips(group="group", when="from day", text="GPUs"),
        )
        .add_params(chosen, drawing.zoom("x"))
    )
    rule = (
        alt.Chart(drawing.data([{"gpus": gpus}]))
        .mark_rule(color=drawing.INK, strokeDash=[6, 4], strokeWidth=1.5)
        .encode(y="gpus:Q")
    )
    return alt.layer(area, rule).properties(height=300)


def _budget(result: Result) -> Table | None:
    given = result["budget"]
    if given is None:
        return None
    cells = [
        ("Odds that all experiments cost no more", percent(given["odds_all_fit"])),
        _fits(given["part_that_fits"]),
    ]
    cells += [
        (
            f"Or experiments of {_size(each['params_from'], each['params_below'])} alone",
            f"{each['experiments']:,}",
        )
        for each in given["by_size"]
    ]
    return Table(f"What {money(given['budget_usd'])} pays for, at the medians", ("", ""), cells)


def _fits(part: float) -> tuple[str, str]:
    """Return how much of the programme a budget pays for: a part of it, or how many times all."""
    if part < 1.0:
        return "Part of the programme", percent(part)
    return "How many times the whole programme", digits(part)


def _published(result: Result) -> Table | None:
    cells = []
    for each in result["published"]:
        label, write = PUBLISHED[each["quantity"]]
        own, said = each["estimate"], each["value"]
        off = signed(own / said - 1) if own is not None and said else UNKNOWN
        source = result.get("sources", {}).get(each["source"], {}).get("title", each["source"])
        cells.append((label, write(said), UNKNOWN if own is None else write(own), off, source))
    headings = ("figure", "published", "estimate", "off by", "source")
    return Table("Beside what was published", headings, cells, ("source",)) if cells else None
