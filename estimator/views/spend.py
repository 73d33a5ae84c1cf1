"""Tables of final runs against reported R&D spend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.programmes.comparison import SKIPPED, SpendTotals
from computebill.programmes.loading import shipped_programmes
from computebill.programmes.measured_shares import ShareElsewhere, shares_elsewhere

from . import tables
from .text import (
    beyond_spend,
    count_interval,
    flop_interval,
    money,
    money_interval,
    monte_carlo,
    percent,
    percent_interval,
)

if TYPE_CHECKING:
    from computebill.programmes.spend import SpendEstimate
    from computebill.programmes.stages import VariantTotals

MOST_DRIVERS = 6
FOLLOWER_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
LABELS = {
    "rnd_compute_usd": "R&D compute, as reported",
    "inference_compute_usd": "Inference compute",
    "operating_expenses_usd": "Operating expenses",
    "revenue_usd": "Revenue",
}


def comparison(estimates: Sequence[SpendTotals]) -> Iterator[RenderableType]:
    """Several programmes side by side, one a row, and which of them cannot hold together."""
    variants = dict.fromkeys(estimate.variant for estimate in estimates)
    table = tables.table(
        f"Final training runs against R&D compute, {', '.join(variants)}; "
        "median (5th–95th percentile)"
    )
    for heading in ("programme", "R&D compute", "final runs", "final share", "everything else"):
        table.add_column(heading, justify="left" if heading == "programme" else "right")
    for estimate in estimates:
        totals = estimate.totals
        table.add_row(
            estimate.programme.title,
            money_interval(totals.rnd_compute),
            money_interval(totals.final_runs),
            Text(percent_interval(totals.final_share), style="bold"),
            money_interval(totals.exploration),
        )
    yield table
    for estimate in estimates:
        yield from _warnings(estimate, f"{estimate.programme.title}: ")


def elsewhere_of(estimate: SpendEstimate) -> Sequence[ShareElsewhere]:
    """Return the shares to set beside one programme: none where it is of one's own."""
    return shares_elsewhere() if estimate.name in shipped_programmes() else ()


def full(
    estimate: SpendEstimate, elsewhere: Sequence[ShareElsewhere], narrow: bool = False
) -> Iterator[RenderableType]:
    """Everything about one programme, the answer first; fewer columns where it is ``narrow``."""
    yield _answer(estimate)
    yield _runs(estimate, narrow)
    yield from _warnings(estimate)
    if len(estimate.variants) > 1:
        yield _variants(estimate.variants)
    yield _drivers(estimate)
    if estimate.scenarios:
        yield scenarios([estimate])
    yield followers([estimate])
    if elsewhere:
        yield context(elsewhere)


def brief(estimate: SpendEstimate) -> str:
    """Return the share of final runs, in one line."""
    totals = estimate.totals
    return (
        f"{estimate.programme.title}, {estimate.variant}; "
        f"Final runs {money_interval(totals.final_runs)}; "
        f"Final share of R&D compute {percent_interval(totals.final_share)}"
    )


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
    table = tables.table(f"{programme.title}, {estimate.variant}")
    table.add_column("")
    table.add_column("median (5th–95th percentile)", justify="right")
    table.add_column("MC error", justify="right")
    totals = estimate.totals
    table.add_row("Spend of", str(programme.window.months), "")
    table.add_row("Releases of", str(programme.released_in), "")
    for key, usd in estimate.reported.items():
        label = LABELS.get(key, key.removesuffix("_usd").replace("_", " ").capitalize())
        table.add_row(label, money(usd), "")
    added = totals.rnd_compute
    reported = estimate.reported.get("rnd_compute_usd", 0.0)
    if abs(added.p50 - reported) > 1e-9 * added.p50:
        table.add_row("R&D compute, with what is added", money_interval(added), monte_carlo(added))
    rows = (
        ("Final runs", money_interval(totals.final_runs), totals.final_runs_usd),
        ("Final share of R&D compute", percent_interval(totals.final_share), totals.final_share),
        (
            "Experiments and all else",
            money_interval(totals.exploration),
            totals.exploration,
        ),
    )
    for label, text, value in rows:
        table.add_row(Text(label, style="bold"), Text(text, style="bold"), monte_carlo(value))
    return table


def _runs(estimate: SpendEstimate, narrow: bool) -> Table:
    table = tables.table("Runs, dearest first")
    # On a narrow terminal fewer columns: a figure that is cut reads as another figure.
    headings = ("FLOP", "cost") if narrow else ("released", "FLOP", "GPU-hours", "cost", "MC error")
    table.add_column("run", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    ordered = sorted(estimate.runs, key=lambda run: (not run.counted, -(run.cost_usd.p50 or 0.0)))
    for run in ordered:
        cells = {
            "released": run.run.released,
            "FLOP": flop_interval(run.flop),
            "GPU-hours": count_interval(run.gpu_hours),
            "cost": money_interval(run.cost_usd),
            "MC error": monte_carlo(run.cost_usd),
        }
        name = run.run.name if run.counted else f"{run.run.name} (not counted)"
        shown = [cells[heading] for heading in headings]
        table.add_row(name, *shown, style="" if run.counted else "dim")
    return table


def _warnings(estimate: SpendTotals, whose: str = "") -> Iterator[Text]:
    told = beyond_spend(estimate.totals.excess, estimate.programme.assumptions.within_spend)
    if told is not None:
        yield Text(f"{whose}{told}", style="yellow")


def _variants(variants: Sequence[VariantTotals]) -> Table:
    table = tables.table("Under other assumptions, change by change")
    for heading in ("variant", "final runs", "final share", "effect on the median"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for variant in variants:
        totals = variant.totals
        table.add_row(
            Text(variant.name, style="bold"),
            money_interval(totals.final_runs),
            percent_interval(totals.final_share),
            "",
        )
        for step in variant.steps:
            beyond = step.totals.excess
            mark = f" ({percent(beyond)} of draws beyond the spend)" if beyond >= 0.001 else ""
            table.add_row(
                f"  {step.change.name}{mark}",
                money_interval(step.totals.final_runs),
                percent_interval(step.totals.final_share),
                f"{step.effect * 100:+.2f} points",
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
    for step in FOLLOWER_STEPS:
        table.add_column(f"k = {step:.0%}", justify="right")
    for estimate in estimates:
        bills = dict(zip(SKIPPED, estimate.follower, strict=True))
        table.add_row(
            estimate.programme.organisation,
            *(money_interval(bills[step]) for step in FOLLOWER_STEPS),
        )
    return table


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
