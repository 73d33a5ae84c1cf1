"""Final runs against reported spend, as a page tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from computebill.programmes.loading import shipped_programmes
from computebill.programmes.measured_shares import shares_elsewhere
from computebill.views.charts import spend as drawn
from computebill.views.charts.steps import SHARE
from computebill.views.result import Result, distribution
from computebill.views.text import (
    beyond_spend,
    count_interval,
    flop_interval,
    money,
    money_interval,
    percent,
    percent_interval,
)

from .document import Chart, Figure, Report, Section, Table, charted, figure, parts, sections
from .steps import tornado, waterfall

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
    moved = tornado(drawn.swings(result), result.get("swings") or [], SHARE)
    found = sections(
        Section("Where the money went", parts([_shares([result]), waterfall(drawn.whole(result))])),
        Section("Runs", parts([_runs(result)]), is_main=False),
        Section("What drives the share", parts([moved, _drivers(result)])),
        Section("Under other assumptions", parts([_variants(result)]), is_main=False),
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
    cells = [
        (
            each["title"],
            percent_interval(distribution(each["final_share"])),
            *(money_interval(distribution(each[key])) for key in TOTALS[1:]),
        )
        for each in results
    ]
    headings = ("programme", "final share", "final runs", "experiments and all else", "R&D compute")
    return Chart(drawn.shares(results), Table("Final runs and the rest", headings, cells))


def _dollars(results: Sequence[Result]) -> Chart | None:
    headings, keys = ("programme", "part", "median (5th–95th)"), ("programme", "kind", "text")
    picture = drawn.dollars(results)
    return charted(picture, "Final runs and all else", headings, keys, ("part",))


def _runs(result: Result) -> Chart | None:
    picture = drawn.runs(result)
    if picture is None:
        return None
    cells = [
        (
            run["name"],
            run["released"],
            "counted" if run["counted"] else "not counted",
            flop_interval(distribution(run["flop"])),
            count_interval(distribution(run["gpu_hours"])),
            money_interval(distribution(run["cost_usd"])),
            result["sources"].get(run["source"], {}).get("title", run["source"]),
            run["note"] or "",
        )
        for run in drawn.dearest(result)
    ]
    headings = ("run", "released", "kind", "FLOP", "GPU-hours", "cost", "source", "note")
    left = ("released", "kind", "source", "note")
    return Chart(picture, Table("Runs", headings, cells, left))


def _drivers(result: Result) -> Table | None:
    cells = [
        (each["assumption"], percent(max(0.0, each["first_order"])), percent(each["total"]))
        for each in result["sensitivity"]
        if each["total"] >= SMALLEST_PART
    ]
    title = "Parts of the share's variance, the largest"
    return Table(title, ("assumption", "alone", "with others"), cells) if cells else None


def _variants(result: Result) -> Chart | None:
    picture = drawn.variants(result)
    if picture is None:
        return None
    cells = []
    for name, each in drawn.changes(result):
        effect = each.get("effect_on_share_p50")
        cells.append(
            (
                name,
                money_interval(distribution(each["final_runs_usd"])),
                percent_interval(distribution(each["final_share"])),
                "" if effect is None else f"{effect * 100:+.2f} points".replace("-", "−"),
                each.get("why", each.get("description", "")),
            )
        )
    headings = ("variant", "final runs", "final share", "effect on the median", "why")
    return Chart(picture, Table("Variants", headings, cells, ("why",)))


def _followers(results: Sequence[Result]) -> Chart:
    cells = [
        (
            each["title"],
            *(money_interval(distribution(step["bill_usd"])) for step in each["follower"][::5]),
        )
        for each in results
    ]
    skipped = [f"{percent(step['skipped'])} skipped" for step in results[0]["follower"][::5]]
    table = Table("The follower's bill", ("programme", *skipped), cells)
    return Chart(drawn.followers(results), table)


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
