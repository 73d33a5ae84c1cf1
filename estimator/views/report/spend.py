"""Final runs against reported spend, as a page tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import altair as alt

from computebill.programmes.measured_shares import shares_elsewhere
from computebill.programmes.spec import shipped_programmes
from computebill.views.text import (
    beyond_spend,
    count_interval,
    flop_interval,
    money,
    money_interval,
    percent,
    percent_interval,
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
)
from .steps import Part, tornado, waterfall

MOST_RUNS = 24
MOST_SHARE = 2.0
"""Where an axis of shares ends at the latest."""
RUNS_APART = 5
SMALLEST_PART = 0.001
TOTALS = ("final_share", "final_runs_usd", "exploration_usd", "rnd_compute_usd")


def report(result: Result, is_alone: bool = True) -> Report:
    """Tell one programme; beside others, what is elsewhere is told with the comparison."""
    share, final, rest, whole = (distribution(result[key]) for key in TOTALS)
    who, title = result["organisation"], result["title"]
    answer = (
        f"Final training runs took {percent_interval(share)} of {who}'s R&D compute: "
        f"{money_interval(final)} of {money(whole.p50)}"
    )
    # No rest is left where they took more than all.
    if rest.p50 < 0:
        answer += ", which is more than all of it, so the assumptions cannot hold together."
    else:
        answer += f"; the rest, {money_interval(rest)}, went to experiments and all else."
    found = sections(
        Section("Where the money went", parts([_shares([result]), _waterfall(result)])),
        Section("Runs", parts([_runs(result)])),
        Section("What drives the share", parts([_tornado(result), _drivers(result)])),
        Section("Under other assumptions", parts([_variants(result)])),
        Section("The follower's bill", parts([_followers([result])])),
        Section("Scenarios", parts([_scenarios([result])])),
        _elsewhere([result]) if is_alone else None,
    )
    figures = (
        figure("final share of R&D compute", percent_interval(share)),
        figure("final runs", money_interval(final)),
        figure("experiments and all else", money_interval(rest)),
        Figure("R&D compute, as reported", money(result["reported"].get("rnd_compute_usd", 0.0))),
    )
    told = Report(f"{title}, {result['variant']}", answer, figures, found, notes=_notes(result))
    return told.told(result)


def comparison(results: Sequence[Result]) -> Report:
    """Tell several programmes side by side."""
    results = _told_apart(results)
    ordered = sorted(results, key=lambda each: each["final_share"]["p50"])
    told = [
        f"{percent_interval(distribution(each['final_share']))} at {each['organisation']}"
        for each in ordered
    ]
    listed = ", ".join(told[:-1]) + f" and {told[-1]}"
    figures = [
        figure(each["title"], percent_interval(distribution(each["final_share"])))
        for each in results
    ]
    notes = [f"{each['organisation']}: {note}" for each in results for note in _notes(each)]
    return Report(
        "Final training runs against R&D compute",
        f"Final training runs are a minority of R&D compute: {listed}."
        if all(each["final_share"]["p50"] < 0.5 for each in results)
        else f"Of R&D compute, final training runs took {listed}.",
        figures,
        sections(
            Section("By company", parts([_shares(results), _dollars(results)])),
            Section("The follower's bill", parts([_followers(results)])),
            Section("Scenarios", parts([_scenarios(results)])),
            _elsewhere(results),
        ),
        notes=notes,
    )


def _told_apart(results: Sequence[Result]) -> list[Result]:
    """Return results with names of their own.

    Of one organisation twice that is the title, of one title twice its variant, then a number.
    """
    found: list[Result] = []
    owners = Counter(each["organisation"] for each in results)
    titles = Counter(each["title"] for each in results)
    seen: Counter[str] = Counter()
    for each in results:
        title, owner = each["title"], each["organisation"]
        if titles[title] > 1:
            title, owner = (f"{name}, {each['variant']}" for name in (title, owner))
            seen[title] += 1
            number = f" ({seen[title]})" if seen[title] > 1 else ""
            title, owner = title + number, owner + number
        elif owners[owner] > 1:
            owner = title
        found.append({**each, "title": title, "organisation": owner})
    return found


def _notes(result: Result) -> list[str]:
    told = beyond_spend(result["probability_final_exceeds_rnd"])
    return [] if told is None else [told]


def _shares(results: Sequence[Result]) -> Chart:
    rows, cells = [], []
    for each in results:
        share, final, rest = (distribution(each[key]) for key in TOTALS[:3])
        median = min(share.p50, 1.0)
        common = {
            "name": each["title"],
            **drawing.ends(share),
            "short": percent_interval(share),
        }
        for part, start, end, usd in (
            ("final runs", 0.0, median, final),
            ("experiments and all else", median, 1.0, rest),
        ):
            rows.append(
                {**common, "part": part, "start": start, "end": end, "text": money_interval(usd)}
            )
        cells.append(
            (
                each["title"],
                percent_interval(share),
                money_interval(final),
                money_interval(rest),
                money_interval(distribution(each["rnd_compute_usd"])),
            )
        )
    says = (
        "Red is the median share of final runs, the line its 5th to 95th percentile: a quantile "
        "of the ratio, not a ratio of quantiles."
    )
    if any(row["p95"] > 1.0 for row in rows):
        says += " Beyond 100 % the final runs cost more than was reported."
    if any(row["p95"] > MOST_SHARE for row in rows):
        says += " An arrow goes on to what is written."
    return Chart(
        "Final runs and the rest of R&D compute",
        says,
        _share_bars(rows),
        Table(
            "Final runs and the rest",
            ("programme", "final share", "final runs", "experiments and all else", "R&D compute"),
            cells,
        ),
    )


def _share_bars(rows: drawing.Rows) -> Any:
    order = ["final runs", "experiments and all else"]
    chosen, opacity = drawing.toggled("part")
    base = alt.Chart(drawing.data(rows)).encode(y=drawing.names("name", rows))
    most = min(MOST_SHARE, max(1.0, *(row["p95"] for row in rows)))
    x = drawing.amount("start", "share of R&D compute", drawing.PERCENT, ends=(0.0, most))
    shapes = (
        base.mark_bar(height=24)
        .encode(
            x=x,
            x2="end:Q",
            color=drawing.colours("part", order, (drawing.FINAL, drawing.REST)),
            opacity=opacity,
            tooltip=drawing.tips(
                name="programme", part="part", text="median (5th–95th)", short="final share"
            ),
        )
        .add_params(chosen, drawing.zoom("x"))
    )
    once = base.transform_filter("datum.part === 'final runs'")
    inside = once.transform_filter(f"datum.p5 < {most}")
    lines = inside.mark_rule(color=drawing.INK, strokeWidth=2).encode(x="p5:Q", x2="p95:Q")
    points = inside.mark_tick(color=drawing.INK, thickness=2.5, size=16).encode(x="p50:Q")
    beyond = once.transform_filter(f"datum.p95 > {most}").mark_point(
        shape="triangle-right", filled=True, size=110, color=drawing.INK, opacity=1
    )
    texts = once.mark_text(
        color=drawing.INK, fontSize=12, align="left", dy=-drawing.ROW // 2 - 1
    ).encode(x=alt.datum(0), text="short:N")
    layers = (shapes, lines, points, beyond.encode(x=alt.datum(most)), texts)
    return alt.layer(*layers).properties(height=drawing.tall(rows, 58))


def _dollars(results: Sequence[Result]) -> Chart:
    rows, cells = [], []
    for each in results:
        for label, key in (("final runs", "final_runs_usd"), ("all else", "exploration_usd")):
            usd = distribution(each[key])
            text = money_interval(usd)
            rows.append(
                {
                    "name": f"{each['organisation']}: {label}",
                    "kind": label,
                    "text": text,
                    "short": money(usd.p50),
                    **drawing.ends(usd),
                }
            )
            cells.append((each["title"], label, text))
    return Chart(
        "The same in dollars",
        f"Medians and 5th to 95th percentiles, on a logarithmic axis.{drawing.goes_below(rows)}",
        drawing.intervals(rows, "USD", drawing.DOLLARS, is_log=True),
        Table(
            "Final runs and all else", ("programme", "part", "median (5th–95th)"), cells, ("part",)
        ),
    )


def _waterfall(result: Result) -> Chart | None:
    counted = [run for run in result["runs"] if run["counted"] and run["cost_usd"]]
    counted.sort(key=lambda run: -run["cost_usd"]["mean"])
    found = [
        Part(run["name"], "final run", distribution(run["cost_usd"]))
        for run in counted[:RUNS_APART]
    ]
    final, whole = (distribution(result[key]) for key in ("final_runs_usd", "rnd_compute_usd"))
    left = len(counted) - len(found)
    if left:
        rest = final.mean - sum(part.value.mean for part in found)
        found.append(Part(f"{left} other final run{'s' * (left > 1)}", "final run", rest))
    exploration = distribution(result["exploration_usd"])
    says = "From the dearest run to all R&D compute. "
    stated = result["scenarios"][0] if result["scenarios"] else None
    if stated is not None and stated["cost_usd"]["mean"] < exploration.mean:
        usd = distribution(stated["cost_usd"])
        found.append(Part(f"stated experiments ({stated['name']})", "experiments", usd))
        found.append(Part("all else", "all else", exploration.mean - usd.mean))
        says += "The stated experiments are a scenario, not a fact. "
    else:
        found.append(Part("experiments and all else", "all else", exploration))
    found.append(Part("R&D compute", "whole", whole))
    return waterfall("From one run to the whole programme", says, found)


def _runs(result: Result) -> Chart | None:
    known = [run for run in result["runs"] if run["cost_usd"]]
    known.sort(key=lambda run: (not run["counted"], -run["cost_usd"]["p50"]))
    if not known:
        return None
    rows, cells = [], []
    for run in known:
        usd = distribution(run["cost_usd"])
        kind = "counted" if run["counted"] else "not counted"
        text = money_interval(usd)
        rows.append(
            {
                "name": run["name"],
                "kind": kind,
                "text": text,
                "short": money(usd.p50),
                **drawing.ends(usd),
            }
        )
        source = result["sources"].get(run["source"], {}).get("title", run["source"])
        cells.append(
            (
                run["name"],
                run["released"],
                kind,
                flop_interval(distribution(run["flop"])),
                count_interval(distribution(run["gpu_hours"])),
                text,
                source,
                run["note"] or "",
            )
        )
    shown = rows[:MOST_RUNS]
    return Chart(
        "Runs, dearest first",
        "Cost of each run, median and 5th to 95th percentile, on a logarithmic axis"
        + (f"; the {len(shown)} dearest of {len(rows)}." if len(rows) > len(shown) else "."),
        drawing.intervals(shown, "cost, USD", drawing.DOLLARS, is_log=True, of="run"),
        Table(
            "Runs",
            ("run", "released", "kind", "FLOP", "GPU-hours", "cost", "source", "note"),
            cells,
            ("released", "kind", "source", "note"),
        ),
    )


def _tornado(result: Result) -> Chart | None:
    return tornado(
        "How far each assumption moves the share",
        result.get("swings") or [],
        "final share of R&D compute",
        percent,
        drawing.PERCENT,
    )


def _drivers(result: Result) -> Table | None:
    cells = [
        (each["assumption"], percent(max(0.0, each["first_order"])), percent(each["total"]))
        for each in result["sensitivity"]
        if each["total"] >= SMALLEST_PART
    ]
    title = "Parts of the share's variance, the largest"
    return Table(title, ("assumption", "alone", "with others"), cells) if cells else None


def _variants(result: Result) -> Chart | None:
    if len(result["variants"]) < 2:
        return None
    rows, cells = [], []
    for variant in result["variants"]:
        changes = [(f"{variant['name']}: {each['name']}", each) for each in variant["changes"]]
        for name, each in [*changes, (variant["name"], variant)]:
            share = distribution(each["final_share"])
            text, effect = percent_interval(share), each.get("effect_on_share_p50")
            kind = "one change after another" if effect is not None else "variant"
            rows.append(
                {
                    "name": name,
                    "kind": kind,
                    "text": text,
                    "short": percent(share.p50),
                    **drawing.ends(share),
                }
            )
            cells.append(
                (
                    name,
                    money_interval(distribution(each["final_runs_usd"])),
                    text,
                    "" if effect is None else f"{effect * 100:+.2f} points".replace("-", "−"),
                    each.get("why", each.get("description", "")),
                )
            )
    return Chart(
        "The share under other assumptions",
        "Each change as it is made after those above it, then the whole variant.",
        drawing.intervals(
            rows, "final share of R&D compute", drawing.PERCENT, is_log=False, of="variant"
        ),
        Table(
            "Variants",
            ("variant", "final runs", "final share", "effect on the median", "why"),
            cells,
            ("why",),
        ),
    )


def _followers(results: Sequence[Result]) -> Chart:
    rows, cells = [], []
    for each in results:
        for step in each["follower"]:
            skipped, bill = step["skipped"], distribution(step["bill_usd"])
            row = {"programme": each["title"], "skipped": skipped, "text": money_interval(bill)}
            rows.append({**row, **step["share"], "part": percent(skipped)})
        cells.append(
            (
                each["title"],
                *(money_interval(distribution(step["bill_usd"])) for step in each["follower"][::5]),
            )
        )
    headings = [f"{percent(step['skipped'])} skipped" for step in results[0]["follower"][::5]]
    return Chart(
        "What is left to pay for one who follows",
        "Final runs and what is not skipped of the exploration, as a share of the leader's bill; "
        "bands are 5th to 95th percentile.",
        _follower_lines(rows),
        Table("The follower's bill", ("programme", *headings), cells),
    )


def _follower_lines(rows: drawing.Rows) -> Any:
    order = list(dict.fromkeys(str(row["programme"]) for row in rows))
    chosen, opacity = drawing.toggled("programme")
    title = "part of the exploration that is skipped"
    # A little beyond both ends, or their points are cut.
    x = drawing.amount("skipped", title, drawing.PERCENT, ends=(-0.02, 1.02))
    base = alt.Chart(drawing.data(rows)).encode(x=x, color=drawing.colours("programme", order))
    ends = drawing.from_nothing(row["p95"] for row in rows)
    y = drawing.height("p5", "bill, share of the leader's", drawing.PERCENT, ends=ends)
    bands = base.mark_area().encode(
        y=y,
        y2="p95:Q",
        opacity=alt.condition(chosen, alt.value(0.16), alt.value(0.02)),
    )
    lines = base.mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=60, opacity=0.9)).encode(
        y="p50:Q",
        opacity=opacity,
        tooltip=drawing.tips(programme="programme", part="skipped", text="bill"),
    )
    return alt.layer(bands, lines.add_params(chosen, drawing.zoom())).properties(height=300)


def _scenarios(results: Sequence[Result]) -> Table | None:
    cells = []
    for each in results:
        for scenario in each["scenarios"]:
            groups = "; ".join(f"{percent(g['share'])} {g['name']}" for g in scenario["groups"])
            cells.append(
                (
                    f"{each['organisation']}: {scenario['name']}",
                    f"{scenario['experiments']:,}",
                    count_interval(distribution(scenario["gpu_hours"])),
                    money_interval(distribution(scenario["cost_usd"])),
                    percent_interval(distribution(scenario["share_of_exploration"])),
                    groups,
                )
            )
    headings = ("scenario", "experiments", "GPU-hours", "cost", "of everything else", "of it")
    title = "Scenarios, not facts: what stated experiments would explain of everything else"
    return Table(title, headings, cells, ("of it",)) if cells else None


def _elsewhere(results: Sequence[Result]) -> Section | None:
    """Set programmes that ship beside shares that others measured."""
    if not {each["programme"] for each in results} & set(shipped_programmes()):
        return None
    cells = [
        (row.programme, percent(row.final_share), row.basis, row.source)
        for row in shares_elsewhere()
    ]
    headings = ("programme", "final share", "of", "source")
    table = Table("The same share elsewhere, each on its own basis", headings, cells, headings[2:])
    return Section("Elsewhere", [table])
