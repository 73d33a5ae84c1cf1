"""Final runs against reported spend, as a page tells them."""

from __future__ import annotations

from collections.abc import Sequence

from computebill.programmes.bases import BASES
from computebill.programmes.loading import shipped_programmes
from computebill.programmes.measured_shares import shares_elsewhere
from computebill.views.answers import PROGRAMMES, spend
from computebill.views.charts import organisations
from computebill.views.charts import spend as drawn
from computebill.views.charts.steps import SHARE
from computebill.views.exploration import PRIOR, prior_text
from computebill.views.result import Result, amount_of, basis_of, distribution
from computebill.views.text import (
    UNKNOWN,
    amount_interval,
    bounded,
    count_interval,
    flop_interval,
    money_interval,
    percent,
    percent_interval,
)

from .document import Chart, Report, Section, Table, charted, parts, sections
from .steps import tornado, waterfall

SMALLEST_PART = 0.001


def report(result: Result, is_alone: bool = True) -> Report:
    """Tell one programme; beside others, what is elsewhere is told with the comparison."""
    moved = tornado(drawn.swings(result), result.get("swings") or [], SHARE)
    found = sections(
        Section("Where the money went", parts([_shares([result]), waterfall(drawn.whole(result))])),
        Section("Runs", parts([_runs(result)]), is_main=False),
        Section("What the rest went to", parts([_rest(result)]), _rest_told(result)),
        Section("What drives the share", parts([moved, _drivers(result)])),
        Section("Under other assumptions", parts([_variants(result)]), is_main=False),
        Section("Under every combination of methods", parts([_multiverse(result)])),
        Section("The follower's bill", parts([_followers([result]), _followers_by_kind(result)])),
        Section("Scenarios", parts([_scenarios([result])])),
        _elsewhere([result]) if is_alone else None,
    )
    return Report.of(spend.answer(result), result, found)


def comparison(results: Sequence[Result]) -> Report:
    """Tell several programmes side by side."""
    together = {PROGRAMMES: results}
    results = spend.told_apart(results)
    found = sections(
        Section("By organisation and window", parts([_overview(results)])),
        Section("By company", parts([_shares(results), _dollars(results)])),
        Section("The follower's bill", parts([_followers(results)])),
        Section("Scenarios", parts([_scenarios(results)])),
        _elsewhere(results),
    )
    is_told = any(each["final_share"] is not None for each in results)
    return Report.of(spend.comparison(together), {}, found if is_told else ())


def _overview(results: Sequence[Result]) -> Chart | None:
    """Draw organisations by grade and basis, where these are more than a few of one kind."""
    several = {(each.get("grade"), each.get("basis")) for each in results}
    if len(several) < 2:
        return None
    headings, keys = ("programme", "grade", "counted in", "final share"), ("name", "grade", "basis")
    picture = organisations.overview(results)
    return charted(picture, "Shares by grade", headings, (*keys, "text"), keys[1:])


def _rest(result: Result) -> Chart | None:
    picture = organisations.rest(result)
    if picture is None:
        return None
    found = result["exploration"]
    rests_on = {each["kind"]: each["rests_on"] for each in found["kinds"]}
    prior = {each["kind"]: prior_text(each) for each in found["prior"]["share_of_rest"]}
    cells = [
        (
            row["name"],
            row["kind"],
            row["interval"],
            prior.get(row["name"], ""),
            rests_on.get(row["name"], ""),
        )
        for row in picture.rows
    ]
    headings = ("part", "kind", "of R&D compute", f"{PRIOR}: of the rest", "rests on")
    return Chart(picture, Table("The rest by kind", headings, cells, ("kind", "rests on")))


def _rest_told(result: Result) -> str:
    found = result.get("exploration")
    if not found or not found["left_out"]:
        return ""
    return (
        f"In {percent(found['left_out'])} of the draws the kinds would take more than was "
        "reported; these are left out here."
    )


def _multiverse(result: Result) -> Chart | None:
    headings, keys = ("choice", "median of medians (5th–95th)"), ("name", "text")
    picture = organisations.multiverse(result)
    return charted(picture, "Medians by choice", headings, keys)


def _followers_by_kind(result: Result) -> Table | None:
    found = result.get("follower_by_kind")
    if not found:
        return None
    unit, key = drawn.unit_of(result), f"bill_{basis_of(result).key}"
    cells = [
        (
            each["name"],
            bounded(unit.interval(distribution(each[key])), each.get("bound")),
            percent_interval(distribution(each["share"])),
            each["description"],
        )
        for each in found
    ]
    title = "By kind: what each skips is a judgement, given as a range"
    return Table(title, ("follower", "bill", "of the leader's", "who"), cells, ("who",))


def _shares(results: Sequence[Result]) -> Chart | None:
    picture = drawn.shares(results)
    if picture is None:
        return None
    cells = [
        (
            each["title"],
            spend.share_text(each),
            *(
                bounded(
                    drawn.unit_of(each).interval(amount_of(each, name)),
                    (each.get("bounds") or {}).get(name),
                )
                for name in spend.AMOUNTS
            ),
        )
        for each in results
    ]
    headings = ("programme", "final share", "final runs", "experiments and all else", "R&D compute")
    return Chart(picture, Table("Final runs and the rest", headings, cells))


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
                _final_runs(each),
                percent_interval(distribution(each["final_share"])),
                "" if effect is None else f"{effect * 100:+.2f} points".replace("-", "−"),
                each.get("why", each.get("description", "")),
            )
        )
    headings = ("variant", "final runs", "final share", "effect on the median", "why")
    return Chart(picture, Table("Variants", headings, cells, ("why",)))


def _final_runs(variant: Result) -> str:
    """Write the final runs of a variant, which may be counted in another unit."""
    for basis in BASES.values():
        found = variant.get(f"final_runs_{basis.key}")
        if found is not None:
            return amount_interval(distribution(found), basis.name)
    return UNKNOWN


def _followers(results: Sequence[Result]) -> Chart | None:
    known = [each for each in results if each["follower"]]
    picture = drawn.followers(known)
    if picture is None:
        return None
    cells = []
    for each in known:
        unit, key = drawn.unit_of(each), f"bill_{basis_of(each).key}"
        bills = [
            bounded(unit.interval(distribution(step[key])), step.get("bound"))
            for step in each["follower"][::5]
        ]
        cells.append((each["title"], *bills))
    skipped = [f"{percent(step['skipped'])} skipped" for step in known[0]["follower"][::5]]
    table = Table("The follower's bill", ("programme", *skipped), cells)
    return Chart(picture, table)


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
