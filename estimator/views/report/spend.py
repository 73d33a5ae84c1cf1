"""Final runs against reported spend, as a page tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from computebill.programmes.bases import BASES
from computebill.programmes.loading import shipped_programmes
from computebill.programmes.measured_shares import shares_elsewhere
from computebill.uncertainty.distribution import Distribution
from computebill.views.charts import organisations
from computebill.views.charts import spend as drawn
from computebill.views.charts.steps import SHARE
from computebill.views.exploration import PRIOR, prior_text
from computebill.views.result import Result, amount_of, basis_of, distribution
from computebill.views.text import (
    UNKNOWN,
    amount_interval,
    beyond_spend,
    bounded,
    count_interval,
    flop_interval,
    money_interval,
    percent,
    percent_interval,
)

from .document import Chart, Figure, Report, Section, Table, charted, figure, parts, sections
from .steps import tornado, waterfall

SMALLEST_PART = 0.001
MOST_TOLD = 4
"""Programmes that a headline tells one by one."""
AMOUNTS = ("final_runs", "exploration", "rnd_compute")


def report(result: Result, is_alone: bool = True) -> Report:
    """Tell one programme; beside others, what is elsewhere is told with the comparison."""
    final, rest, whole = (amount_of(result, name) for name in AMOUNTS)
    unit, title = drawn.unit_of(result), result["title"]
    told_share = _share(result)
    bounds, reported = result.get("bounds") or {}, unit.one(_reported(result, whole))
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
    figures = (
        figure("final share of R&D compute", told_share),
        figure("final runs", bounded(unit.interval(final), bounds.get("final_runs"))),
        figure("experiments and all else", bounded(unit.interval(rest), bounds.get("exploration"))),
        Figure("R&D compute, as reported", bounded(reported, bounds.get("rnd_compute"))),
        *([Figure("grade", result["grade"])] if "grade" in result else []),
    )
    answer = _answer(result, told_share)
    told = Report(f"{title}, {result['variant']}", answer, figures, found, notes=_notes(result))
    return told.told(result)


def _answer(result: Result, told_share: str) -> str:
    """Tell a programme's share in one sentence."""
    final, rest, whole = (amount_of(result, name) for name in AMOUNTS)
    unit, who = drawn.unit_of(result), result["organisation"]
    if not final.is_known:
        return (
            f"What final training runs took of {who}'s R&D compute, {unit.one(whole.p50)}, cannot "
            "be told: none of them has a published size."
        )
    answer = (
        f"Final training runs took {told_share} of {who}'s R&D compute: "
        f"{unit.interval(final)} of {unit.one(whole.p50)}"
    )
    if result.get("grade") == "C":
        answer = f"Of grade C, one side being a guess or no R&D compute: {answer}"
    # No rest is left where they took more than all.
    if rest.p50 < 0:
        return f"{answer}, which is more than all of it, so the assumptions cannot hold together."
    return f"{answer}; the rest, {unit.interval(rest)}, went to experiments and all else."


def _share(result: Result) -> str:
    """Write a programme's share, and which way it is bounded."""
    return bounded(percent_interval(distribution(result["final_share"])), result.get("bound"))


def _reported(result: Result, whole: Distribution) -> float:
    key = f"rnd_compute_{basis_of(result).key}"
    return float(result["reported"].get(key, whole.p50))


def comparison(results: Sequence[Result]) -> Report:
    """Tell several programmes side by side."""
    results = _told_apart(results)
    known = [each for each in results if each["final_share"] is not None]
    if not known:
        return Report("Final training runs against R&D compute", "No share can be told.")
    figures = [figure(each["title"], _share(each)) for each in known]
    notes = [f"{each['organisation']}: {note}" for each in results for note in _notes(each)]
    return Report(
        "Final training runs against R&D compute",
        _headline(known),
        figures,
        sections(
            Section("By organisation and window", parts([_overview(results)])),
            Section("By company", parts([_shares(results), _dollars(results)])),
            Section("The follower's bill", parts([_followers(results)])),
            Section("Scenarios", parts([_scenarios(results)])),
            _elsewhere(results),
        ),
        notes=[*notes, *_overlaps(results)],
    )


def _headline(known: Sequence[Result]) -> str:
    """Tell the shares of several programmes in one sentence; none of grade C beside better ones."""
    sure = [each for each in known if each.get("grade") != "C"] or known
    ordered = sorted(sure, key=lambda each: float(each["final_share"]["p50"]))
    if len(ordered) > MOST_TOLD:
        low, high = (
            f"{percent(each['final_share']['p50'])} ({each['title']})"
            for each in (ordered[0], ordered[-1])
        )
        owners = len({each["owner"] for each in ordered})
        return (
            f"In {len(ordered)} programmes of {owners} organisations, final training "
            f"runs took from {low} to {high} of R&D compute."
        )
    told = [f"{_share(each)} at {each['organisation']}" for each in ordered]
    listed = " and ".join(part for part in (", ".join(told[:-1]), told[-1]) if part)
    if all(each["final_share"]["p50"] < 0.5 for each in ordered):
        return f"Final training runs are a minority of R&D compute: {listed}."
    return f"Of R&D compute, final training runs took {listed}."


def _overlaps(results: Sequence[Result]) -> list[str]:
    """Tell which windows of one organisation have days in common."""
    found = []
    for i, one in enumerate(results):
        for other in results[:i]:
            is_same = (one["owner"], one.get("basis")) == (other["owner"], other.get("basis"))
            ours, theirs = one["window"], other["window"]
            meets = ours["start"] <= theirs["end"] and theirs["start"] <= ours["end"]
            if is_same and meets and one["programme"] != other["programme"]:
                found.append(
                    f"{other['title']} and {one['title']} have a part of their spend in common: "
                    "they are no independent observations."
                )
    return found


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
        apart = {"title": title, "organisation": owner, "owner": each["organisation"]}
        found.append({**each, **apart})
    return found


def _notes(result: Result) -> list[str]:
    told = beyond_spend(result["probability_final_exceeds_rnd"])
    notes = [] if told is None else [told]
    if result.get("grade") == "C":
        notes += [f"Grade C: {reason}." for reason in result["grade_reasons"]]
    return notes


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
            _share(each),
            *(
                bounded(
                    drawn.unit_of(each).interval(amount_of(each, name)),
                    (each.get("bounds") or {}).get(name),
                )
                for name in AMOUNTS
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
