"""Final runs against reported R&D spend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from computebill.base.assumptions import Assumption
from computebill.base.notebook import Shown
from computebill.kernels.units import SECONDS_PER_HOUR
from computebill.uncertainty.distribution import KEYS, Distribution
from computebill.uncertainty.draws import Method, Settings, settings
from computebill.uncertainty.sensitivity import Driver, Swing, drivers, swings

from .bases import DOLLARS
from .comparison import SKIPPED, Given, Progress, SpendTotals, ask, followed
from .compiled import CompiledProgramme, Outcome
from .exploration import Exploration, split_rest
from .followers import Follower, read_followers
from .grades import bill_bound
from .inputs import programme_assumptions, run_inputs, scenario_inputs, sources_of
from .joint import Joint, joint_of
from .regressions import Prediction
from .scenarios import PricedScenario, price_scenarios
from .spec import BASE_VARIANT, Programme, Run
from .stages import VariantTotals, price_variants
from .totals import TOTALS, Chunk, sample, share_of, total_names, total_rows

if TYPE_CHECKING:
    import pandas as pd

Sink = Callable[[dict[str, Tensor]], None]


@dataclass(frozen=True)
class PricedRun:
    """One run of a programme; FLOP, hours and dollars as distributions, and its size."""

    run: Run
    counted: bool
    flop: Distribution
    gpu_hours: Distribution
    cost_usd: Distribution
    size: Distribution
    """In the unit of the programme's basis."""
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
            "size": self.size.to_dict(),
            "stage": self.run.stage,
            "mark": self.run.mark,
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


@dataclass(frozen=True, repr=False)
class SpendEstimate(SpendTotals, Shown):
    """What ``compare_spend`` finds, beside the totals.

    Attributes:
        reported: what the company reported for the window, USD by kind.
        runs: each run.
        variants: the other variants of the file.
        exploration: the rest by kind, and what nothing explains.
        scenarios: stated sets of experiments, and how much of the exploration they explain.
        sensitivity: assumptions by their part in the share's variance, over all draws.
        swings: the share with one assumption at an end of its interval, the others in the middle.
        joint: numerator and share together; None where one of them does not vary, or the draws
            were too many to keep.
    """

    reported: dict[str, float]
    runs: tuple[PricedRun, ...]
    variants: tuple[VariantTotals, ...]
    exploration: Exploration
    scenarios: tuple[PricedScenario, ...]
    sensitivity: tuple[Driver, ...]
    swings: tuple[Swing, ...]
    joint: Joint | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        return {
            **super().to_dict(),
            "reported": self.reported,
            "runs": [run.to_dict() for run in self.runs],
            "sensitivity": [driver.to_dict() for driver in self.sensitivity],
            "swings": [swing.to_dict() for swing in self.swings],
            "follower": list(self._followers()),
            "follower_by_kind": self.exploration.followers_told(),
            "variants": [variant.to_dict() for variant in self.variants],
            "exploration": self.exploration.to_dict(),
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

    def _followers(self) -> Iterator[dict[str, Any]]:
        """Yield the follower's bill for each part that is skipped; none where it is not known."""
        if not self.totals.final_share.is_known:
            return
        basis = self.programme.counted_in
        for skipped, bill in zip(SKIPPED, self.follower, strict=True):
            found: dict[str, Any] = {"skipped": skipped, "bill_usd": None}
            found[f"bill_{basis.key}"] = bill.to_dict()
            found["bound"] = bill_bound(self.programme, skipped)
            yield found | {"share": self.bill_share(skipped)}

    def _assumptions(self) -> Iterator[Assumption]:
        yield from programme_assumptions(self.programme)
        yield from scenario_inputs(self.scenarios)

    def bill_share(self, skipped: float) -> dict[str, float]:
        """Return p5, p50 and p95 of a follower's bill over the leader's, the same draw by draw."""
        share = self.totals.final_share
        return {key: 1 - skipped + skipped * getattr(share, key) for key in ("p5", "p50", "p95")}

    def to_frame(self) -> pd.DataFrame:
        """Return one row a run: p5, p50, p95 and mean of FLOP, hours and dollars, and its inputs.

        What is the programme's stands in each of its rows; amounts of it are in ``unit``.
        """
        import pandas as pd

        rows, inputs = [], run_inputs(self.programme)
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
                for part in KEYS:
                    row[f"{key}_{part}"] = values.get(part)
            row["source"] = run.run.source
            row["stage"], row["mark"] = run.run.stage, run.run.mark
            row |= inputs[run.run.name]
            rows.append({**row, **self._columns()})
        return pd.DataFrame(rows)

    def _columns(self) -> dict[str, Any]:
        """Return what stands in every row of the programme: its grade, unit and totals."""
        found: dict[str, Any] = {
            "organisation": self.programme.organisation,
            "title": self.programme.title,
            "grade": self.graded.grade,
            "bound": self.graded.bound,
            "set": "; ".join(self.changes),
            "unit": self.programme.counted_in.unit,
        }
        for name in TOTALS:
            values = getattr(self.totals, name).to_dict() or {}
            found |= {f"{name}_{part}": values.get(part) for part in KEYS}
        return found


def compare_spend(
    programme: Given,
    *,
    variant: str = BASE_VARIANT,
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    method: Method = "sobol",
    profiles: Sequence[Path] = (),
    progress: Progress | None = None,
    sink: Sink | None = None,
    followers: Sequence[Follower] | None = None,
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
        followers: ways of following, by kind; those that ship if not given.

    Raises:
        RequestError: naming the field that is wrong.
    """
    chosen = settings(samples, seed, device, method)
    asked = ask(programme, variant, chosen, profiles)
    compiled, loaded = asked.compiled, asked.loaded
    sampled = sample(compiled, chosen, _run_rows, _teller(compiled, progress, sink))
    # Effects are differences between stages on the same points: fewer draws serve.
    brief = chosen._replace(samples=min(chosen.samples, Settings().samples))
    base = sampled.totals
    if not asked.is_base or brief != chosen:
        base = sample(asked.compile(loaded.programme), brief).totals
    first, _, share, _ = range(len(TOTALS))
    is_known = sampled.totals.final_share.is_known
    in_dollars = compiled.programme.basis == DOLLARS.name
    is_joint = is_known and in_dollars and sampled.collector.kept
    draws = sampled.collector.draws() if is_joint else None
    return SpendEstimate(
        **asked.fields(sampled, chosen),
        reported=_reported(compiled.programme),
        runs=_priced_runs(compiled, sampled.more[len(SKIPPED) :]),
        variants=price_variants(loaded, asked.compile, brief, base),
        exploration=split_rest(
            compiled, loaded, chosen, profiles, read_followers() if followers is None else followers
        ),
        scenarios=price_scenarios(compiled, loaded.folder, chosen, profiles),
        sensitivity=tuple(drivers(compiled.columns, share_of(compiled), chosen))
        if is_known
        else (),
        swings=tuple(share_swings(compiled)),
        joint=None if draws is None else joint_of(draws[first], draws[share]),
    )


def share_swings(compiled: CompiledProgramme) -> list[Swing]:
    """Return how far each assumption moves the share, the others at their medians."""
    share = share_of(compiled)
    return swings(compiled.columns, lambda points: share(compiled.draw(points)))


def _run_rows(outcome: Outcome) -> Tensor:
    """The follower's bills, then FLOP, hours, dollars and the size of each run."""
    bill = outcome.bill
    by_run = (bill.flop, bill.seconds / SECONDS_PER_HOUR, bill.usd, outcome.sizes)
    return torch.cat([followed(outcome), *by_run])


def _priced_runs(
    compiled: CompiledProgramme, rows: Sequence[Distribution]
) -> tuple[PricedRun, ...]:
    runs, predicted = compiled.programme.runs, compiled.predictions
    flop, hours, usd, size = (rows[i * len(runs) : (i + 1) * len(runs)] for i in range(4))
    return tuple(
        PricedRun(run, counted, flop[i], hours[i], usd[i], size[i], predicted.get(run.name))
        for i, (run, counted) in enumerate(zip(runs, compiled.counted, strict=True))
    )


def _reported(programme: Programme) -> dict[str, float]:
    """Add up what was reported by kind, at medians; estimated items are left out."""
    sums: dict[str, float] = {}
    for item in programme.reported:
        if item.estimated:
            continue
        total = item.median / programme.per_usd(item)
        key = f"{item.counts_as}_{DOLLARS.key if item.money else programme.counted_in.key}"
        sums[key] = sums.get(key, 0.0) + total
    return sums


def _teller(
    compiled: CompiledProgramme, progress: Progress | None, sink: Sink | None = None
) -> Callable[[Chunk], None]:
    """Return what tells of each chunk of draws."""
    names = [f"cost_usd {run.name}" for run in compiled.programme.runs]
    key = compiled.programme.counted_in.key

    def tell(chunk: Chunk) -> None:
        if sink is not None:
            columns = dict(zip(total_names(key), total_rows(chunk.outcome), strict=True))
            sink(columns | dict(zip(names, chunk.outcome.bill.usd, strict=True)))
        if progress is not None:
            progress(chunk.drawn)

    return tell
