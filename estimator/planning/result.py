"""What a search of layouts finds: the best, what comes near, and why others are left out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from computebill.base.amounts import STEP_LAW
from computebill.base.assumptions import Assumption, given_inputs
from computebill.base.notebook import Shown
from computebill.costs.method import cost_method
from computebill.costs.spot_rates import Rate
from computebill.hardware.accelerators import Accelerator
from computebill.runs.estimate import RunEstimate
from computebill.runs.spec import LLAMA_3, LLAMA_3_FAILURES
from computebill.training.handover import Handed, Step, hand_over
from computebill.training.layout import Layout
from computebill.training.memory_odds import fit_odds, memory_interval
from computebill.training.offers import offer_of

from .spec import PlanSpec

if TYPE_CHECKING:
    import pandas as pd

PRICED = ("step_seconds", "mfu", "goodput", "days", "gpu_hours", "cost_usd", "energy_mwh")
"""Of the best layout's estimate, that are told with it."""

NO_INPUTS = ("name", "top")
"""Of a plan's fields, that decide nothing."""


@dataclass(frozen=True, repr=False)
class Candidate:
    """A layout that is legal and fits, priced at medians.

    Attributes:
        accelerator: the part.
        precision: of products.
        layout: over accelerators.
        step_seconds: of a step.
        memory_gb: of the fullest process.
        days: of the whole run.
        cost_usd: of renting it; NaN where no price is known.
        energy_mwh: that it takes; NaN where the part's power is not known.
    """

    accelerator: Accelerator
    precision: str
    layout: Layout
    step_seconds: float
    memory_gb: float
    days: float
    cost_usd: float
    energy_mwh: float

    def __repr__(self) -> str:
        """Return where it is and how fast, in one line."""
        on = f"{self.layout.accelerators:,} x {self.accelerator.name}, {self.precision}"
        return f"<Candidate {on}: {self.step_seconds:.3g} s a step, {self.memory_gb:.3g} GB>"

    @property
    def memory_share(self) -> float:
        """Of the accelerator's memory, that the fullest process takes."""
        return self.memory_gb / self.accelerator.memory_gb.value

    @property
    def fit_odds(self) -> float:
        """How likely the fullest process fits."""
        return fit_odds(self.memory_gb, self.accelerator.memory_gb.value)

    @property
    def cluster(self) -> tuple[str, str, int]:
        """What it runs on: accelerator, precision, number."""
        return self.accelerator.name, self.precision, self.layout.accelerators

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; what is not known is null."""
        figures = {
            name: getattr(self, name)
            for name in ("step_seconds", "memory_gb", "days", "cost_usd", "energy_mwh")
        }
        return {
            "accelerator": self.accelerator.name,
            "precision": self.precision,
            "layout": self.layout.to_dict(),
            **{name: None if math.isnan(value) else value for name, value in figures.items()},
            "memory_interval_gb": memory_interval(self.memory_gb),
            "fit_odds": self.fit_odds,
        }


@dataclass(frozen=True, repr=False)
class Plan(Shown):
    """What ``plan`` finds.

    Attributes:
        spec: what was asked.
        best: by the objective, under all limits.
        estimate: of the best, with intervals.
        runners_up: the next best of other layouts, by the objective; of those that hardly differ in
            time and memory, the first.
        alike: layouts that were passed over for that.
        pareto: that nothing else beats in days, cost and share of the memory, by days.
        each: the best of every accelerator and precision that keeps the limits, by the objective.
        dropped: the other accelerators and precisions, and why none of their layouts is left.
        evaluated: layouts that were timed and weighed.
        feasible: of them, those that are legal and fit.
        excluded: of them, those that break each rule; one may break several.
        search_seconds: that the search took.
        apart: gap between two layouts, in its logarithm, of which one in two measured pairs is
            predicted wrong by more.
    """

    spec: PlanSpec
    best: Candidate
    estimate: RunEstimate
    runners_up: tuple[Candidate, ...]
    alike: int
    pareto: tuple[Candidate, ...]
    each: tuple[Candidate, ...]
    dropped: Mapping[tuple[str, str], str]
    evaluated: int
    feasible: int
    excluded: Mapping[str, int]
    search_seconds: float
    apart: float

    def odds(self, other: Candidate) -> float | None:
        """Return how likely another layout really takes longer a step than the best.

        Errors of two layouts' predictions differ by ``apart`` or more in half of all measured
        pairs; larger differences are as rare as in an exponential distribution of that median.
        None on other accelerators, or another number of them, whose errors are more apart.
        """
        if other.cluster != self.best.cluster:
            return None
        gap = math.log(other.step_seconds / self.best.step_seconds)
        tail = 0.5 * math.exp2(-abs(gap) / self.apart)
        return 1.0 - tail if gap >= 0 else tail

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every number that went in beside what was given, with its source."""
        of_search = (*self._batch(), *self._room(), *self._offer(), *self._degrees())
        of_search = (*of_search, *self._interruptions())
        return (*self.estimate.assumptions, *of_search)

    def _room(self) -> Iterator[Assumption]:
        """Yield what the search asked of memory, where nobody said it."""
        names = {"fit_odds": "least odds of fitting", "memory_margin": "memory that stays free"}
        for field, name in names.items():
            if field not in self.spec.model_fields_set:
                yield Assumption(name, f"{getattr(self.spec, field):g}", "the default")

    def _batch(self) -> Iterator[Assumption]:
        """Yield the sequences of a step, where nobody said them."""
        if self.spec.global_batch is None and self.spec.global_batch_tokens is None:
            factor, power = STEP_LAW
            law = f"{factor:g} x (tokens of the run)^{power:g} tokens, the power of two below"
            source = f"{law}: Li et al. 2025, arXiv:2503.04715; --global-batch"
            told = f"{self.estimate.spec.global_batch:,.0f} sequences"
            yield Assumption("global batch", told, source)

    def _offer(self) -> Iterator[Assumption]:
        """Yield what layouts the framework has, where one is known."""
        choice = self.spec.software_choice
        offer = offer_of(choice.framework, choice.year)
        if offer is not None:
            yield Assumption(f"layouts of {offer.title}", offer.told, offer.source)

    def _interruptions(self) -> Iterator[Assumption]:
        """Yield how often spot machines are taken away, where they are, or may be."""
        spec, name = self.spec, "spot machines taken away, a GPU and day"
        rate = spec.interruptions(str(self.estimate.spec.accelerator))
        if spec.interruptions_per_gpu_day is not None:
            beside = spec.failures_per_gpu_day
            others = LLAMA_3_FAILURES if beside is None else beside.value
            told = rate.source if isinstance(rate, Rate) else "given"
            source = f"{told}; the others of the failures, {others:.4g}, are "
            yield Assumption(name, f"{rate:g}", source + (LLAMA_3 if beside is None else "given"))
        elif spec.commitment == "spot":
            source = "nobody said how often: --interruptions-per-gpu-day"
            yield Assumption(name, "none", source)

    def _degrees(self) -> Iterator[Assumption]:
        """Yield degrees that the trainer decided, where nobody gave them."""
        trainer = self.best.layout.trainer
        if trainer is None:
            return
        for name, degrees in trainer.degrees.items():
            if name not in self.spec.choices:
                tried = ", ".join(map(str, degrees))
                yield Assumption(f"{name} that is tried", tried, trainer.degrees_source)

    def handed(self, framework: str) -> Handed:
        """Return the best layout in a framework's own words, what was assumed as comments.

        Args:
            framework: megatron, torchtitan, nanotron, deepspeed, nemo, axolotl or accelerate.

        Raises:
            RequestError: where there is no such framework.
        """
        best, sequence = self.best, self.estimate.model
        step = Step(
            None if sequence is None else sequence.card.sequence,
            best.precision,
            model=None if sequence is None else sequence.card.architecture,
        )
        return hand_over(framework, best.layout, step, list(self._comments(step)))

    def _comments(self, step: Step) -> Iterator[str]:
        """Yield what whoever starts the layout should know of it."""
        best, figures = self.best, self.estimate.to_dict()
        count, limit = best.layout.accelerators, best.accelerator.memory_gb.value
        yield f"{self.spec.name}: {count} x {best.accelerator.name}, least {self.spec.objective}"
        yield (
            f"Predicted: {best.step_seconds:.3g} s a step, MFU {figures['mfu']['p50']:.3f}, "
            f"{best.memory_gb:.3g} of {limit:g} GB (odds of fitting {best.fit_odds:.2f})"
        )
        yield f"Assumed: nodes of {step.node_devices} accelerators, where there are as many"
        for offered in self._offer():
            yield f"Of the {offered.name}: {offered.value}"
        for each in self.estimate.assumptions:
            if each.source.startswith("assumed") and "layout does not say" in each.source:
                yield f"Assumed: {each.name} {each.value}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        figures = self.estimate.to_dict()
        priced = {key: figures[key] for key in PRICED}
        observed = cost_method().mfu.observed
        best = self.best.to_dict()
        return {
            "name": self.spec.name,
            "objective": self.spec.objective,
            "best": {**best, **priced, "memory_gb": self.best.memory_gb},
            "runners_up": [
                {**each.to_dict(), "odds_slower": self.odds(each)} for each in self.runners_up
            ],
            "runners_up_alike": self.alike,
            "pareto": [each.to_dict() for each in self.pareto],
            "by_accelerator": [each.to_dict() for each in self.each],
            "dropped": [
                {"accelerator": name, "precision": precision, "reason": reason}
                for (name, precision), reason in self.dropped.items()
            ],
            "observed_mfu": {
                "runs": observed.runs,
                "p10": observed.p10,
                "p50": observed.p50,
                "p90": observed.p90,
                "source": observed.source,
            },
            "notes": list(self.estimate.notes),
            "evaluated": self.evaluated,
            "feasible": self.feasible,
            "excluded": dict(self.excluded),
            "search_seconds": self.search_seconds,
            "inputs": [each.to_dict() for each in given_inputs(self.spec, left_out=NO_INPUTS)],
            "assumptions": [each.to_dict() for each in self.assumptions],
            "samples": figures["samples"],
            "seed": figures["seed"],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a layout: the best, runners-up, and the front."""
        import pandas as pd

        groups = (("best", (self.best,)), ("runner-up", self.runners_up), ("front", self.pareto))
        rows = []
        for role, candidates in groups:
            for each in candidates:
                told = each.to_dict()
                del told["memory_interval_gb"]
                rows.append({"role": role, **told, **told.pop("layout")})
        return pd.DataFrame(rows).drop(columns="layout")
