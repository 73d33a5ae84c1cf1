"""Final runs against reported R&D spend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from computebill.base.assumptions import Assumption
from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.kernels import quantiles
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Method, Settings, settings
from computebill.uncertainty.sensitivity import Driver, Swing, drivers, swings

from .bill import Outcome, ProgrammeBill
from .inputs import programme_assumptions, scenario_inputs, sources_of
from .regressions import Prediction, Regressions
from .scenarios import ScenarioBill, price_scenarios
from .spec import BASE_VARIANT, Change, LoadedProgramme, Programme, Run, load_programme

if TYPE_CHECKING:
    import pandas as pd

SKIPPED = tuple(step / 20 for step in range(21))
"""Parts of the exploration that a follower skips, for the follower's bill."""

JOINT_CELLS = 20

LEAST_KEPT = 0.01
"""Where fewer draws than this fit the spend, what is left says nothing."""

Progress = Callable[[int], None]
Sink = Callable[[dict[str, Tensor]], None]


@dataclass(frozen=True)
class RunBill:
    """One run of a programme; FLOP, hours and dollars as distributions."""

    run: Run
    counted: bool
    flop: Distribution
    gpu_hours: Distribution
    cost_usd: Distribution
    prediction: Prediction | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        found: dict[str, Any] = {
            "name": self.run.name,
            "released": self.run.released,
            "counted": self.counted,
            "flop": self.flop.to_dict(),
            "gpu_hours": self.gpu_hours.to_dict(),
            "cost_usd": self.cost_usd.to_dict(),
            "source": self.run.source,
            "note": self.run.note,
        }
        if self.prediction is not None:
            found["regression"] = {
                "flop_on_line": self.prediction.line.to_dict(),
                "models": self.prediction.models,
                "residual_sd_log10": self.prediction.residual_sd,
            }
        return found


@dataclass(frozen=True)
class Totals:
    """A programme's totals under one set of assumptions, in USD."""

    final_runs_usd: Distribution
    rnd_compute_usd: Distribution
    final_share: Distribution
    exploration_usd: Distribution
    excess: float
    """Share of all draws in which the final runs exceed the R&D compute."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "probability_final_exceeds_rnd": self.excess,
            "final_runs_usd": self.final_runs_usd.to_dict(),
            "rnd_compute_usd": self.rnd_compute_usd.to_dict(),
            "final_share": self.final_share.to_dict(),
            "exploration_usd": self.exploration_usd.to_dict(),
        }


@dataclass(frozen=True)
class Step:
    """A variant's change and the totals once it is made."""

    change: Change
    totals: Totals
    before: Totals

    @property
    def effect(self) -> float:
        """Change of the median share, as a fraction (0.01 is one percentage point)."""
        return self.totals.final_share.p50 - self.before.final_share.p50

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.change.name,
            "why": self.change.why,
            "source": self.change.source,
            "effect_on_share_p50": self.effect,
            **self.totals.to_dict(),
        }


@dataclass(frozen=True)
class VariantTotals:
    """A variant, change by change."""

    name: str
    description: str
    totals: Totals
    steps: tuple[Step, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "description": self.description,
            **self.totals.to_dict(),
            "changes": [step.to_dict() for step in self.steps],
        }


@dataclass(frozen=True)
class Joint:
    """Final runs and share together: a grid of cells equally likely along each axis."""

    rank_correlation: float
    final_runs_usd_edges: list[float]
    final_share_edges: list[float]
    probability: list[list[float]]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``probability[i][j]`` is cost cell i, share cell j."""
        return dict(self.__dict__)


@dataclass(frozen=True, repr=False)
class SpendEstimate(Shown):
    """What ``compare_spend`` finds.

    Attributes:
        name: of the programme, as asked for.
        variant: which set of assumptions the figures are under.
        programme: the spec they come from, the variant's changes made.
        totals: final runs, R&D compute, share, exploration.
        reported: what the company reported for the window, USD by kind.
        runs: each run.
        follower: the bill of one who skips each part of ``SKIPPED``.
        variants: the other variants of the file.
        scenarios: stated sets of experiments, and how much of the exploration they explain.
        sensitivity: assumptions by their part in the share's variance, over all draws.
        swings: the share with one assumption at an end of its interval, the others in the middle.
        joint: numerator and share together; None where one of them does not vary, or the draws
            were too many to keep.
        settings: draws, seed, device.
    """

    name: str
    variant: str
    programme: Programme
    totals: Totals
    reported: dict[str, float]
    runs: tuple[RunBill, ...]
    follower: tuple[Distribution, ...]
    variants: tuple[VariantTotals, ...]
    scenarios: tuple[ScenarioBill, ...]
    sensitivity: tuple[Driver, ...]
    swings: tuple[Swing, ...]
    joint: Joint | None
    settings: Settings

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        window = self.programme.window.months
        releases = self.programme.released_in
        return {
            "programme": self.name,
            "organisation": self.programme.organisation,
            "title": self.programme.title,
            "variant": self.variant,
            "window": {"start": str(window.first_day), "end": str(window.last_day)},
            "releases": {"start": str(releases.first_day), "end": str(releases.last_day)},
            "reported": self.reported,
            **self.totals.to_dict(),
            "runs": [run.to_dict() for run in self.runs],
            "sensitivity": [driver.to_dict() for driver in self.sensitivity],
            "swings": [swing.to_dict() for swing in self.swings],
            "follower": [
                {"skipped": skipped, "bill_usd": bill.to_dict(), "share": self.bill_share(skipped)}
                for skipped, bill in zip(SKIPPED, self.follower, strict=True)
            ],
            "variants": [variant.to_dict() for variant in self.variants],
            "scenarios": [scenario.to_dict() for scenario in self.scenarios],
            "joint": self.joint.to_dict() if self.joint else None,
            "assumptions": [each.to_dict() for each in self._assumptions()],
            "sources": {
                key: source.model_dump()
                for key, source in sources_of(self.programme, self.scenarios).items()
            },
            "samples": self.settings.samples,
            "seed": self.settings.seed,
            "device": self.settings.device,
            "method": self.settings.method,
        }

    def _assumptions(self) -> Iterator[Assumption]:
        yield from programme_assumptions(self.programme)
        yield from scenario_inputs(self.scenarios)

    def bill_share(self, skipped: float) -> dict[str, float]:
        """Return p5, p50 and p95 of a follower's bill over the leader's, the same draw by draw."""
        share = self.totals.final_share
        return {key: 1 - skipped + skipped * getattr(share, key) for key in ("p5", "p50", "p95")}

    def to_frame(self) -> pd.DataFrame:
        """Return one row a run: p5, p50, p95 and mean of FLOP, hours and dollars."""
        import pandas as pd

        rows = []
        for run in self.runs:
            row: dict[str, Any] = {
                "programme": self.name,
                "variant": self.variant,
                "run": run.run.name,
                "released": run.run.released,
                "counted": run.counted,
            }
            for key in ("flop", "gpu_hours", "cost_usd"):
                values = getattr(run, key).to_dict() or {}
                for part in ("p5", "p50", "p95", "mean"):
                    row[f"{key}_{part}"] = values.get(part)
            row["source"] = run.run.source
            rows.append(row)
        return pd.DataFrame(rows)


def compare_spend(
    programme: str | Path | Mapping[str, Any] | Programme | LoadedProgramme,
    *,
    variant: str = BASE_VARIANT,
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    method: Method = "sobol",
    profiles: Sequence[Path] = (),
    progress: Progress | None = None,
    sink: Sink | None = None,
) -> SpendEstimate:
    """Set an organisation's final runs against the R&D compute it reported.

    Args:
        programme: a shipped name (``minimax-2025``), a TOML file, its data, or a Programme.
        variant: ``as-published`` or a variant of the file.
        samples: Monte Carlo draws.
        seed: same seed, same draws.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        method: ``sobol`` (scrambled) or ``random``.
        profiles: folders of accelerator profiles of one's own.
        progress: called with the number of draws just done.
        sink: called with each chunk of draws, a tensor of ``(draws,)`` by column name.

    Raises:
        RequestError: naming the field that is wrong.
    """
    chosen = settings(samples, seed, device, method)
    loaded = load_programme(programme)
    regressions = Regressions(loaded.regression_models(), seed, chosen.device)

    def compiled(spec: Programme) -> ProgrammeBill:
        return ProgrammeBill(spec, regressions, chosen.device, profiles)

    bill = compiled(loaded.stages(variant)[-1][1])
    is_base = variant in (BASE_VARIANT, loaded.programme.base_name)
    collector, sampled = simulate(bill, chosen, progress, sink)
    # Effects are differences between stages on the same points: fewer draws serve.
    brief = chosen._replace(samples=min(chosen.samples, Settings().samples))
    base = sampled.totals
    if not is_base or brief != chosen:
        base = _totals(compiled(loaded.programme), brief)
    return SpendEstimate(
        name=loaded.name,
        variant=loaded.programme.base_name if is_base else variant,
        programme=bill.programme,
        totals=sampled.totals,
        reported=_reported(bill.programme),
        runs=sampled.runs,
        follower=sampled.follower,
        variants=_variants(loaded, compiled, brief, base),
        scenarios=price_scenarios(bill, loaded.folder, chosen, profiles),
        sensitivity=tuple(drivers(bill.columns, share_of(bill), chosen)),
        swings=tuple(swings(bill.columns, share_of(bill))),
        joint=_joint(collector) if collector.kept else None,
        settings=chosen,
    )


@dataclass(frozen=True)
class Sampled:
    """What draws of a programme give: its sums, its runs, and the follower's bills."""

    totals: Totals
    runs: tuple[RunBill, ...]
    follower: tuple[Distribution, ...]


def simulate(
    bill: ProgrammeBill,
    chosen: Settings,
    progress: Progress | None = None,
    sink: Sink | None = None,
) -> tuple[Collector, Sampled]:
    """Draw a programme, chunk by chunk.

    Args:
        bill: the programme.
        chosen: draws.
        progress: called with the number of draws just done.
        sink: called with each chunk of draws.

    Raises:
        RequestError: where too few draws hold together.
    """
    runs = bill.programme.runs
    collector = Collector(4 + len(SKIPPED) + 3 * len(runs), chosen)
    followed = 1 - torch.tensor(SKIPPED, dtype=torch.float64, device=chosen.device)[:, None]
    excess = 0
    for chunk in _outcomes(bill, chosen):
        outcome, prices = chunk.outcome, chunk.outcome.bill
        totals = _total_rows(outcome)
        follower = outcome.final_usd + followed * outcome.exploration_usd
        by_run = (prices.flop, prices.seconds / SECONDS_PER_HOUR, prices.usd)
        collector.add(chunk.replicate, torch.cat([totals, follower, *by_run]))
        excess += chunk.excess
        if sink is not None:
            sink(_named(totals, prices.usd, runs))
        if progress is not None:
            progress(chunk.drawn)
    found = collector.finish()
    figures = found[4 + len(SKIPPED) :]
    flop, hours, usd = (figures[i * len(runs) : (i + 1) * len(runs)] for i in range(3))
    bills = tuple(
        RunBill(run, bill.counted[i], flop[i], hours[i], usd[i], bill.predictions.get(run.name))
        for i, run in enumerate(runs)
    )
    bill_of_follower = tuple(found[4 : 4 + len(SKIPPED)])
    of_totals = _as_totals(found[:4], excess / chosen.samples)
    return collector, Sampled(of_totals, bills, bill_of_follower)


def share_of(bill: ProgrammeBill) -> Callable[[Tensor], Tensor]:
    """Return the share as a function of points; where draws are left out, one counts as 1."""
    largest = 1.0 if bill.programme.assumptions.within_spend else torch.inf
    return lambda points: bill.evaluate(points).share.clamp(max=largest)


class _Chunk(NamedTuple):
    replicate: int
    outcome: Outcome
    drawn: int
    excess: int


def _outcomes(bill: ProgrammeBill, chosen: Settings) -> Iterator[_Chunk]:
    """Price the programme chunk by chunk, leaving out draws where it asks for that."""
    kept = 0
    for replicate, points in bill.columns.chunks(chosen):
        outcome = bill.evaluate(points, replicate)
        if bool((outcome.rnd_usd <= 0).any()):
            raise RequestError(
                "reported", "R&D compute is zero or negative in some draws; allowed: above 0 in all"
            )
        fits = outcome.exploration_usd >= 0
        excess = points.shape[1] - int(fits.sum())
        if excess and bill.programme.assumptions.within_spend:
            outcome = outcome.select(fits)
        kept += outcome.final_usd.shape[0]
        yield _Chunk(replicate, outcome, points.shape[1], excess)
    if kept < LEAST_KEPT * chosen.samples:
        raise RequestError(
            "assumptions.within_spend",
            f"the final runs stay within R&D compute in {kept} of {chosen.samples} draws; "
            f"allowed: at least {LEAST_KEPT:.0%}",
        )


def _total_rows(outcome: Outcome) -> Tensor:
    rows = (outcome.final_usd, outcome.rnd_usd, outcome.share, outcome.exploration_usd)
    return torch.stack(rows)


def _as_totals(rows: Sequence[Distribution], excess: float) -> Totals:
    final, rnd, share, exploration = rows
    return Totals(final, rnd, share, exploration, excess)


def _named(totals: Tensor, usd: Tensor, runs: Sequence[Run]) -> dict[str, Tensor]:
    names = ("final_runs_usd", "rnd_compute_usd", "final_share", "exploration_usd")
    columns = dict(zip(names, totals, strict=True))
    columns.update({f"cost_usd {run.name}": row for run, row in zip(runs, usd, strict=True)})
    return columns


def _totals(bill: ProgrammeBill, chosen: Settings) -> Totals:
    collector = Collector(4, chosen)
    excess = 0
    for chunk in _outcomes(bill, chosen):
        collector.add(chunk.replicate, _total_rows(chunk.outcome))
        excess += chunk.excess
    return _as_totals(collector.finish(), excess / chosen.samples)


def totals_and_costs(
    bill: ProgrammeBill, chosen: Settings
) -> tuple[Totals, tuple[Distribution, ...]]:
    """Return a programme's sums and what each run costs, and nothing else: soon done.

    Raises:
        RequestError: where too few draws hold together.
    """
    collector = Collector(4 + len(bill.programme.runs), chosen)
    excess = 0
    for chunk in _outcomes(bill, chosen):
        rows = torch.cat([_total_rows(chunk.outcome), chunk.outcome.bill.usd])
        collector.add(chunk.replicate, rows)
        excess += chunk.excess
    found = collector.finish()
    return _as_totals(found[:4], excess / chosen.samples), tuple(found[4:])


def _variants(
    loaded: LoadedProgramme,
    compiled: Callable[[Programme], ProgrammeBill],
    chosen: Settings,
    base: Totals,
) -> tuple[VariantTotals, ...]:
    found = [VariantTotals(loaded.programme.base_name, loaded.programme.description, base, ())]
    for variant in loaded.programme.variants:
        before, steps = base, []
        for change, spec in loaded.stages(variant.name)[1:]:
            assert change is not None
            totals = _totals(compiled(spec), chosen)
            steps.append(Step(change, totals, before))
            before = totals
        found.append(VariantTotals(variant.name, variant.description, before, tuple(steps)))
    return tuple(found)


def _reported(programme: Programme) -> dict[str, float]:
    """Add up what was reported, USD by kind; estimated items are left to the denominator."""
    sums: dict[str, float] = {}
    for item in programme.reported:
        if item.estimated:
            continue
        rate = 1.0 if item.currency == "USD" else programme.currencies[item.currency].per_usd
        total = sum(term.sign * term.amount.median for term in item.periods) / rate
        key = f"{item.counts_as}_usd"
        sums[key] = sums.get(key, 0.0) + total
    return sums


def _joint(collector: Collector) -> Joint | None:
    draws = collector.draws()
    final, share = draws[0], draws[2]
    if bool((final == final[0]).all()) or bool((share == share[0]).all()):
        return None
    steps = torch.linspace(0, 1, JOINT_CELLS + 1, dtype=torch.float64)
    edges = quantiles.sorted_quantiles(torch.stack([final, share]), steps)
    counts = quantiles.joint_counts(final, share, edges[0], edges[1])
    return Joint(
        float(quantiles.rank_correlation(final, share)),
        edges[0].tolist(),
        edges[1].tolist(),
        (counts / counts.sum()).tolist(),
    )
