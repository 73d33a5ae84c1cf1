"""Tables of final runs against reported R&D spend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.programmes.comparison import SHOWN_SKIPS, SpendTotals
from computebill.programmes.grades import UNTOLD, amount_bounds, bill_bound
from computebill.programmes.loading import shipped_programmes
from computebill.programmes.measured_shares import ShareElsewhere, shares_elsewhere
from computebill.programmes.spec import NEVER
from computebill.programmes.totals import AMOUNTS
from computebill.programmes.windows import Trend, in_time, overlaps, trend

from . import tables
from .exploration import exploration, followers_by_kind
from .text import (
    amount,
    amount_interval,
    beyond_spend,
    bounded,
    count_interval,
    flop_interval,
    money_interval,
    monte_carlo,
    percent,
    percent_interval,
)

if TYPE_CHECKING:
    from computebill.programmes.spend import PricedRun, SpendEstimate
    from computebill.programmes.stages import VariantTotals

MOST_DRIVERS = 6
GRADES_TOLD = {
    "A": "A, both sides are the organisation's own figures in one unit.",
    "B": "B, R&D compute as reported against runs of published or estimated sizes.",
    "C": "C, one side is a guess, a plan, or something else than R&D compute.",
}
MOVED = "of the months that the drawn lag leads to"
LABELS = {
    "rnd_compute_usd": "R&D compute, as reported",
    "inference_compute_usd": "Inference compute",
    "operating_expenses_usd": "Operating expenses",
    "revenue_usd": "Revenue",
}


def comparison(estimates: Sequence[SpendTotals]) -> Iterator[RenderableType]:
    """Several programmes side by side, one a row, and which of them cannot hold together."""
    variants = dict.fromkeys(estimate.variant for estimate in estimates)
    priced = [each.price_given for each in estimates if each.price_given is not None]
    price = f", price {priced[0]}" if priced else ""
    table = tables.table(
        f"Final training runs against R&D compute, {', '.join(variants)}{price}; "
        "median (5th–95th percentile)",
        ("everything else", "grade", "R&D compute"),
    )
    headings = ("programme", "grade", "R&D compute", "final runs", "final share", "everything else")
    for heading in headings:
        is_text = heading in ("programme", "grade")
        table.add_column(heading, justify="left" if is_text else "right", overflow="fold")
    for estimate in estimates:
        amounts = _amounts(estimate)
        table.add_row(
            estimate.programme.title,
            estimate.graded.grade,
            amounts["rnd_compute"],
            amounts["final_runs"],
            Text(share_told(estimate), style="bold"),
            amounts["exploration"],
        )
    yield table
    untold = [each.programme.title for each in estimates if UNTOLD in each.graded.reasons]
    if untold:
        yield Text(f"–: {UNTOLD}. So of {'; '.join(untold)}.", style="dim")
    if priced:
        yield from _unpriced(estimates)
    for estimate in estimates:
        yield from _warnings(estimate, f"{estimate.programme.title}: ")
    for each in overlaps(estimates):
        yield Text(
            f"{each.first} and {each.second} have {each.months} months of spend in common: they "
            "are no independent observations.",
            style="yellow",
        )


def _unpriced(estimates: Sequence[SpendTotals]) -> Iterator[Text]:
    """Tell which programmes the price that was given says nothing of."""
    left = [each.programme.title for each in estimates if each.price_given is None]
    if left:
        why = "not counted in hours or dollars, or the variant has a price of its own"
        yield Text(f"Left as they are by the price ({why}): {'; '.join(left)}.", style="dim")


def _amounts(estimate: SpendTotals) -> dict[str, str]:
    """Return the amounts of a programme, in dollars where they have a price, with their bounds."""
    totals, basis = estimate.totals, estimate.programme.basis
    bounds = amount_bounds(estimate.programme)
    told = {name: amount_interval(getattr(totals, name), basis) for name in AMOUNTS}
    told |= {name: money_interval(usd) for name, usd in totals.in_usd.items()}
    return {name: bounded(text, bounds[name]) for name, text in told.items()}


def share_told(estimate: SpendTotals) -> str:
    """Return a programme's share with its interval, and whether it is a bound only."""
    return bounded(percent_interval(estimate.totals.final_share), estimate.graded.bound)


def grades(estimates: Sequence[SpendTotals]) -> str:
    """Return what the grades of a table mean."""
    found = {estimate.graded.grade for estimate in estimates}
    return "Grades: " + " ".join(GRADES_TOLD[each] for each in sorted(found)) + "\n"


def windows(estimates: Sequence[SpendTotals]) -> Iterator[RenderableType]:
    """One organisation's programmes in the order of time, and whether its share moved."""
    ordered = in_time(estimates)
    yield from comparison(ordered)
    yield grades(ordered)
    yield Text(trend_told(trend(ordered)), style="bold")


def trend_told(found: Trend) -> str:
    """Return one sentence on whether shares differ by more than their intervals."""
    left_out = ""
    if found.left_out:
        left_out = f" Not compared: {', '.join(found.left_out)} (overlaps, bounds, not known)."
    if len(found.windows) < 2:
        return f"Fewer than two windows can be compared, so nothing shows a trend.{left_out}"
    medians = ", ".join(
        f"{percent(each.totals.final_share.p50)} ({each.name})" for each in found.windows
    )
    if not found.is_larger:
        return (
            f"No trend: the medians, {medians}, differ by less than their own intervals.{left_out}"
        )
    pairs = " and ".join(f"{one} against {other}" for one, other in found.apart)
    doubt = f", where {' and '.join(found.guessed)} {_is_or_are(found.guessed)} of grade C"
    return (
        f"The medians, {medians}, differ by more than their intervals: {pairs}"
        f"{doubt if found.guessed else ''}.{left_out}"
    )


def _is_or_are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def elsewhere_of(estimate: SpendEstimate) -> Sequence[ShareElsewhere]:
    """Return the shares to set beside one programme: none where it is of one's own."""
    return shares_elsewhere() if estimate.name in shipped_programmes() else ()


def full(estimate: SpendEstimate, elsewhere: Sequence[ShareElsewhere]) -> Iterator[RenderableType]:
    """Everything about one programme, the answer first."""
    yield _answer(estimate)
    yield _runs(estimate)
    yield from _warnings(estimate)
    if len(estimate.variants) > 1:
        yield _variants(estimate.variants)
    if estimate.sensitivity:
        yield _drivers(estimate)
    yield from exploration(estimate.exploration)
    if estimate.scenarios:
        yield scenarios([estimate])
    if estimate.totals.final_share.is_known:
        yield followers([estimate])
    yield from followers_by_kind(estimate.exploration)
    if elsewhere:
        yield context(elsewhere)


def scenarios(estimates: Sequence[SpendEstimate]) -> Table:
    """What stated sets of experiments would explain of what is not final runs."""
    table = tables.table(
        "Scenarios, not facts: what stated experiments would explain of everything else"
    )
    table.add_column("programme: scenario", overflow="fold")
    for heading in ("experiments", "GPU-hours", "cost", "of everything else"):
        table.add_column(heading, justify="right")
    for estimate in estimates:
        for each in estimate.scenarios:
            table.add_row(
                f"{estimate.programme.title}: {each.scenario.name}",
                f"{each.experiments:,}",
                count_interval(each.gpu_hours),
                money_interval(each.cost_usd),
                percent_interval(each.explained),
            )
            for name, share in each.groups.items():
                table.add_row(Text(f"  {percent(share)} {name}", style="dim"))
    return table


def _answer(estimate: SpendEstimate) -> Table:
    programme = estimate.programme
    basis, key = programme.basis, programme.counted_in.key
    bounds = amount_bounds(programme)
    table = tables.table(f"{programme.title}, {estimate.heading}")
    table.add_column("")
    table.add_column("median (5th–95th percentile)", justify="right")
    table.add_column("MC error", justify="right")
    totals = estimate.totals
    table.add_row("Spend of", str(programme.window.months), "")
    table.add_row("Releases of", str(programme.released_in), "")
    table.add_row("Grade", estimate.graded.grade, "")
    if estimate.price_given is not None:
        table.add_row("Price of an hour, USD, as given", estimate.price_given, "")
    for each, reported_amount in estimate.reported.items():
        name, _, unit = each.rpartition(f"_{key}")
        label = LABELS.get(each, each.removesuffix("_usd").replace("_", " ").capitalize())
        if not unit and name == "rnd_compute":
            label = LABELS["rnd_compute_usd"]
        told = amount(reported_amount, "dollars" if each.endswith("_usd") else basis)
        is_base = label == LABELS["rnd_compute_usd"]
        table.add_row(label, bounded(told, bounds["rnd_compute"]) if is_base else told, "")
    added = totals.rnd_compute
    reported = estimate.reported.get(f"rnd_compute_{key}", 0.0)
    if abs(added.p50 - reported) > 1e-3 * added.p50:
        told = bounded(amount_interval(added, basis), bounds["rnd_compute"])
        has_lag = programme.assumptions.lag is not None
        label = "R&D compute, " + (MOVED if has_lag else "with what is added")
        table.add_row(label, told, monte_carlo(added))
    final, rest = (
        bounded(amount_interval(getattr(totals, name), basis), bounds[name])
        for name in ("final_runs", "exploration")
    )
    rows = (
        ("Final runs", final, totals.final_runs),
        ("Final share of R&D compute", share_told(estimate), totals.final_share),
        ("Experiments and all else", rest, totals.exploration),
    )
    for label, text, value in rows:
        table.add_row(Text(label, style="bold"), Text(text, style="bold"), monte_carlo(value))
    for name, usd in totals.in_usd.items():
        told = f"{name.replace('_', ' ').capitalize().replace('Rnd', 'R&D')}, in dollars"
        table.add_row(told, bounded(money_interval(usd), bounds[name]), monte_carlo(usd))
    return table


def _runs(estimate: SpendEstimate) -> Table:
    less = ("MC error", "released", "GPU-hours", "FLOP")
    table = tables.table("Runs, dearest first", less)
    basis = estimate.programme.basis
    sizes = ["FLOP", "GPU-hours", "cost"] if basis == "dollars" else ["size"]
    headings = ["released", *sizes, "MC error"]
    table.add_column("run", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for run in sorted(estimate.runs, key=_dearest):
        cells = {
            "released": run.run.released,
            "FLOP": flop_interval(run.flop),
            "GPU-hours": count_interval(run.gpu_hours),
            "cost": money_interval(run.cost_usd),
            "size": amount_interval(run.size, basis),
            "MC error": monte_carlo(run.size),
        }
        name = f"{run.run.name}{_standing(run)}"
        shown = [cells[heading] for heading in headings]
        table.add_row(name, *shown, style="" if run.counted else "dim")
    return table


def _dearest(run: PricedRun) -> tuple[bool, float]:
    return not run.counted, -run.size.p50 if run.size.is_known else 0.0


def _standing(run: PricedRun) -> str:
    """Return why a run does not count, in brackets."""
    if run.counted:
        return ""
    if run.run.unsized is not None:
        return " (size not published)"
    return " (never released)" if run.run.released == NEVER else " (not counted)"


def _warnings(estimate: SpendTotals, whose: str = "") -> Iterator[Text]:
    told = beyond_spend(estimate.totals.excess, estimate.programme.assumptions.within_spend)
    if told is not None:
        yield Text(f"{whose}{told}", style="yellow")
    if not whose:
        first, *others = estimate.graded.reasons
        more = f" (and {len(others)} more)" if others else ""
        yield Text(f"Grade {estimate.graded.grade}: {first}{more}.", style="dim")


def _variants(variants: Sequence[VariantTotals]) -> Table:
    table = tables.table("Under other assumptions, change by change")
    for heading in ("variant", "final runs", "final share", "effect on the median"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for variant in variants:
        totals = variant.totals
        table.add_row(
            Text(variant.name, style="bold"),
            amount_interval(totals.final_runs, totals.basis.name),
            percent_interval(totals.final_share),
            "",
        )
        for step in variant.steps:
            beyond = step.totals.excess
            mark = f" ({percent(beyond)} of draws beyond the spend)" if beyond >= 0.001 else ""
            table.add_row(
                f"  {step.change.name}{mark}",
                amount_interval(step.totals.final_runs, step.totals.basis.name),
                percent_interval(step.totals.final_share),
                f"{step.effect * 100:+.2f} points" if isfinite(step.effect) else "",
            )
    return table


def _drivers(estimate: SpendEstimate) -> Table:
    table = tables.table("What drives the share: part of its variance")
    table.add_column("assumption")
    table.add_column("alone", justify="right")
    table.add_column("with others", justify="right")
    for driver in estimate.sensitivity[:MOST_DRIVERS]:
        table.add_row(
            driver.assumption,
            percent(max(0.0, driver.first_order)),
            percent(max(0.0, driver.total)),
        )
    return table


def followers(estimates: Sequence[SpendTotals]) -> Table:
    """What is left to pay for one who can skip a part of the exploration, a programme a row."""
    table = tables.table(
        "The follower's bill: final runs + (1 - k) x everything else, the part k of it skipped"
    )
    table.add_column("")
    for step in SHOWN_SKIPS:
        table.add_column(f"k = {step:.0%}", justify="right")
    for estimate in estimates:
        bills = dict(zip(estimate.skipped, estimate.follower, strict=True))
        table.add_row(
            _owner(estimate, estimates),
            *(
                bounded(
                    amount_interval(bills[step], estimate.programme.basis),
                    bill_bound(estimate.programme, step),
                )
                for step in SHOWN_SKIPS
            ),
        )
    return table


def _owner(estimate: SpendTotals, estimates: Sequence[SpendTotals]) -> str:
    """Return the organisation's name, the programme's where it has several."""
    same = [
        each for each in estimates if each.programme.organisation == estimate.programme.organisation
    ]
    return estimate.programme.organisation if len(same) == 1 else estimate.programme.title


def context(elsewhere: Sequence[ShareElsewhere]) -> Table:
    """Shares measured elsewhere."""
    table = tables.table("The same share elsewhere, each on its own basis")
    table.add_column("programme")
    table.add_column("final share", justify="right")
    table.add_column("of")
    table.add_column("source", overflow="fold")
    for row in elsewhere:
        table.add_row(row.programme, percent(row.final_share), row.basis, row.source)
    return table
