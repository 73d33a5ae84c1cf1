"""A research programme, as a page tells it."""

from __future__ import annotations

from computebill.views.answers.sweep import answer
from computebill.views.charts import sweep as drawn
from computebill.views.result import Result, distribution
from computebill.views.sweep import PUBLISHED
from computebill.views.text import (
    UNKNOWN,
    count,
    count_interval,
    digits,
    money,
    money_interval,
    percent,
    signed,
)

from .document import Chart, Report, Section, Table, parts, sections
from .steps import waterfall


def report(result: Result) -> Report:
    """Tell one programme."""
    found = sections(
        Section(
            "Where it goes",
            parts([_groups(result), waterfall(drawn.whole(result)), _sizes(result)]),
        ),
        Section("On the cluster", parts([_usage(result)]), _schedule(result)),
        Section("What a budget pays for", parts([_budget(result)])),
        Section("Beside what was published", parts([_published(result)])),
    )
    return Report.of(answer(result), result, found)


def _groups(result: Result) -> Chart:
    cells = []
    for name, _, each in drawn.ordered(result):
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
    left = ("kind", "source and note")
    return Chart(drawn.groups(result), Table("Groups", headings, cells, left))


def _sizes(result: Result) -> Chart | None:
    picture = drawn.sizes(result)
    if picture is None:
        return None
    cells = []
    for each in result["by_size"]:
        saved = each["saved_without_these_and_larger_usd"]
        cells.append(
            (
                drawn.size_name(each["params_from"], each["params_below"]),
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
    return Chart(picture, Table("Sizes", headings, cells))


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
    picture = drawn.usage(result)
    if picture is None:
        return None
    days, at_work = (result["schedule"]["usage"][key] for key in ("days", "gpus"))
    step = max(1, len(days) // 200)
    cells = [
        (digits(day), *(f"{counts[place]:,}" for counts in at_work.values()))
        for place, day in enumerate(days)
        if place % step == 0
    ]
    return Chart(picture, Table("GPUs at work from that day on", ("day", *at_work), cells))


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
            f"Or experiments of {drawn.size_name(each['params_from'], each['params_below'])} alone",
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
