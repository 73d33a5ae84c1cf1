"""What a benchmark found, as an object, as JSON and as rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from computebill.base.assumptions import Assumption
from computebill.base.constants import number
from computebill.base.notebook import Shown
from computebill.hardware.accelerators import Accelerator
from computebill.hardware.assumptions import (
    bandwidth_assumption,
    memory_assumption,
    peak_assumption,
)
from computebill.kernels.measure.attention import Attention
from computebill.kernels.measure.clock import Timing
from computebill.kernels.measure.collectives import Collective
from computebill.kernels.measure.copies import Traffic, fastest
from computebill.kernels.measure.devices import Conditions, Hardware
from computebill.kernels.measure.host import Launches
from computebill.kernels.measure.matmul import Product, Search
from computebill.kernels.measure.outcome import Skip
from computebill.kernels.measure.step import Block, TrainingStep

if TYPE_CHECKING:
    import pandas as pd

TERA, GIGA = 1e12, 1e9

T = TypeVar("T")


PRODUCTS = {"fp32": "fp32", "autocast": "bf16", "bf16": "bf16"}
"""Dtype of products, by the policy of a step."""

QUIET = number("benchmark.result.QUIET")  # base/constants.toml


@dataclass(frozen=True)
class Timed:
    """A training step, and how fast the device was around it.

    Attributes:
        step: training step as measured.
        probe: FLOP a second of one small product, the slower of before and after.
    """

    step: TrainingStep
    probe: float


@dataclass(frozen=True)
class Checked:
    """A step that was predicted before it was run.

    Attributes:
        timed: the step as it was run.
        predicted: seconds, with the efficiencies fitted on this device.
        shipped: seconds, with the shipped efficiencies.
    """

    timed: Timed
    predicted: float
    shipped: float

    @property
    def step(self) -> TrainingStep:
        """The step as run."""
        return self.timed.step

    @property
    def error(self) -> float:
        """Error of the prediction, as a fraction of what was measured."""
        return self.predicted / self.step.whole.seconds - 1


@dataclass(frozen=True)
class Change:
    """A step as estimated from the datasheet, and from what was measured.

    Attributes:
        what: is estimated.
        datasheet: seconds of a step; None for a device without a datasheet profile.
        measured: seconds of a step, with the measured profile.
    """

    what: str
    datasheet: float | None
    measured: float


@dataclass(frozen=True, repr=False)
class Bench(Shown):
    """What a benchmark found.

    Attributes:
        date: day of the measurement.
        version: version of computebill.
        budget: quick or full.
        seconds: duration of the measurement [s].
        is_interrupted: whether it was stopped before its end.
        device: name of the device that was measured; None where this machine has none of that name.
        datasheet: the shipped profile of the part; None where it has none.
        remarks: what speaks against the figures, in one line each.
        results: everything measured, in order.
        skipped: everything that was not, and why.
        load: what the device did while it worked.
        profile: the measured profile, with what the step model uses; None without a rate.
        fit_error: mean error of the fitted steps, as a fraction; None where none was fitted.
        changes: what the measured profile changes in estimates.
        checks: steps that were predicted and then run.
    """

    date: dt.date
    version: str
    budget: str
    seconds: float
    is_interrupted: bool
    device: Hardware | None
    datasheet: Accelerator | None
    remarks: tuple[str, ...]
    results: tuple[object, ...]
    skipped: tuple[Skip, ...]
    load: Conditions | None = None
    profile: Accelerator | None = None
    fit_error: float | None = None
    changes: tuple[Change, ...] = ()
    checks: tuple[Checked, ...] = ()

    def of(self, kind: type[T]) -> list[T]:
        """Return the results of one kind."""
        return [each for each in self.results if isinstance(each, kind)]

    @property
    def best(self) -> dict[str, Product]:
        """The fastest product of each dtype, timed again after it was found."""
        return best_products(self.results)

    @property
    def bandwidth(self) -> dict[str, Traffic]:
        """The fastest copy, triad and read."""
        return fastest(self.of(Traffic))

    @property
    def check_error(self) -> float | None:
        """Mean error of all predicted steps, as a fraction; None where none was run."""
        return _mean([abs(each.error) for each in self.checks])

    @property
    def quiet_checks(self) -> list[Checked]:
        """Predicted steps that ran while the device was as fast as at its best."""
        return [each for each in self.checks if self.speed(each.timed) >= QUIET]

    @property
    def quiet_error(self) -> float | None:
        """Mean error of those, as a fraction; None where there is none."""
        return _mean([abs(each.error) for each in self.quiet_checks])

    def speed(self, timed: Timed) -> float:
        """Return how fast the device was around a step, over the fastest of all steps."""
        return timed.probe / fastest_probe([*self.of(Timed), *(c.timed for c in self.checks)])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        moved = self.bandwidth
        launches = self.of(Launches)
        return {
            "date": self.date.isoformat(),
            "version": self.version,
            "budget": self.budget,
            "seconds": self.seconds,
            "interrupted": self.is_interrupted,
            "device": None if self.device is None else asdict(self.device),
            "remarks": list(self.remarks),
            "datasheet": datasheet_figures(self.datasheet),
            "matmul": [_product(each, is_best) for each, is_best in self._products()],
            **{
                f"{kind}_gb_s": moved[kind].bytes_per_s / GIGA if kind in moved else None
                for kind in ("copy", "triad", "read")
            },
            "host": {"launches_per_s": launches[0].per_s if launches else None},
            "attention": [_attention(each) for each in self.of(Attention)],
            "block": [_block(each) for each in self.of(Block)],
            "step": [
                {**step_row(each.step), "mfu": self.mfu(each.step), "speed": self.speed(each)}
                for each in self.of(Timed)
            ],
            "compiled_step": [
                {**step_row(each), "mfu": self.mfu(each)} for each in self.of(TrainingStep)
            ],
            "collectives": [_collective(each) for each in self.of(Collective)],
            "conditions": None if self.load is None else asdict(self.load),
            "profile": _profile(self.profile),
            "fit": {"steps": self._fitted_steps, "mape": self.fit_error},
            "estimates": [vars(each) for each in self.changes],
            "check": [{**_checked(c), "speed": self.speed(c.timed)} for c in self.checks],
            "check_mape": self.check_error,
            "check_quiet": {"steps": len(self.quiet_checks), "mape": self.quiet_error},
            "skipped": [asdict(each) for each in self.skipped],
            "assumptions": [each.to_dict() for each in self._assumptions()],
        }

    def _assumptions(self) -> Iterator[Assumption]:
        """Yield the datasheet's figures that the measured ones stand beside."""
        known = self.datasheet
        if known is None:
            return
        for dtype in known.precisions:
            yield peak_assumption(known, dtype)
        yield memory_assumption(known)
        yield bandwidth_assumption(known)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a measurement: what it is of, and its seconds and rate."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        found = self.to_dict()
        for part in ("matmul", "attention", "block", "step", "collectives", "check"):
            rows += [{"part": part, **each} for each in found[part]]
        for kind, each in self.bandwidth.items():
            rate = each.bytes_per_s / GIGA
            rows.append({"part": "copy", "kind": kind, "gb_s": rate, **_timing(each.timing)})
        return pd.DataFrame(rows)

    def mfu(self, step: TrainingStep) -> dict[str, float]:
        """Return a step's utilisation by convention: of the datasheet's peak, or the best product.

        Nothing where neither is known.
        """
        peak = self.peak(PRODUCTS[step.policy])
        if peak is None:
            return {}
        return {convention: rate / peak for convention, rate in step.flop_per_s.items()}

    def peak(self, dtype: str) -> float | None:
        """Return what utilisations are a share of, FLOP/s; None where it is not known."""
        known = self.datasheet
        if known is not None and dtype in known.precisions:
            return known.peak_flop_per_s(dtype)
        best = self.best.get(dtype)
        return None if best is None else best.flop_per_s

    @property
    def _fitted_steps(self) -> int:
        own = None if self.profile is None else self.profile.efficiency
        return 0 if own is None else own.rows

    def _products(self) -> list[tuple[Product, bool]]:
        best = self.best
        first = [(each, True) for each in best.values()]
        return first + [
            (each, False)
            for search in self.of(Search)
            for each in search.tried
            if (each.m, each.n, each.k) != (search.best.m, search.best.n, search.best.k)
        ]


def steadiest(results: Sequence[object]) -> list[object]:
    """Leave out steps that were timed again while the device was faster."""
    best: dict[object, Timed] = {}
    for each in results:
        if isinstance(each, Timed):
            kept = best.setdefault(_decoder(each), each)
            if each.probe > kept.probe:
                best[_decoder(each)] = each
    return [each for each in results if not isinstance(each, Timed) or best[_decoder(each)] is each]


def _decoder(timed: Timed) -> object:
    return timed.step.shape, timed.step.batch, timed.step.sequence


def fastest_probe(timed: Iterable[Timed]) -> float:
    """Return the highest speed around any of some steps; 1 where none is told."""
    return max((each.probe for each in timed), default=0.0) or 1.0


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def best_products(results: Iterable[object]) -> dict[str, Product]:
    """Return the fastest product of each dtype among results: each search's best, timed twice."""
    found: dict[str, Product] = {}
    for each in results:
        best = each.best if isinstance(each, Search) else each
        if not isinstance(best, Product):
            continue
        if best.dtype not in found or best.flop_per_s > found[best.dtype].flop_per_s:
            found[best.dtype] = best
    return found


def reached_rates(results: Iterable[object]) -> dict[str, float]:
    """Return FLOP a second of each dtype that blocks and whole steps reached, the highest."""
    found: dict[str, float] = {}
    for each in results:
        if isinstance(each, Timed):
            policy, rate = each.step.policy, each.step.flop_per_s["causal"]
        elif isinstance(each, Block):
            policy, rate = each.policy, each.forward_flop_per_s
        else:
            continue
        dtype = PRODUCTS[policy]
        found[dtype] = max(rate, found.get(dtype, 0.0))
    return found


def datasheet_figures(accelerator: Accelerator | None) -> dict[str, Any] | None:
    """Return what a table sets beside the measured figures; None without a profile."""
    if accelerator is None:
        return None
    return {
        "name": accelerator.name,
        "title": accelerator.title,
        "peak_tflops": {name: accelerator.peak(name).value for name in accelerator.precisions},
        "memory_gb": accelerator.memory_gb.value,
        "memory_bandwidth_gb_s": accelerator.memory_bandwidth_gb_s.value,
    }


def step_name(step: TrainingStep) -> str:
    """Return a step's name: width, depth and tokens."""
    return f"{step.shape.hidden} x {step.shape.layers}, {step.batch} x {step.sequence}"


def step_row(step: TrainingStep) -> dict[str, Any]:
    """Return a training step as JSON."""
    memory = step.memory_bytes
    return {
        "model": step_name(step),
        **asdict(step.shape),
        "params": step.shape.parameters,
        "batch": step.batch,
        "sequence": step.sequence,
        "policy": step.policy,
        "compiled": step.compiled,
        **_timing(step.whole),
        "forward_seconds": step.forward.seconds,
        "backward_seconds": step.backward.seconds,
        "optimizer_seconds": step.optimizer.seconds,
        "tokens_per_s": step.tokens_per_s,
        "tflops": {name: rate / TERA for name, rate in step.flop_per_s.items()},
        "memory_gb": None if memory is None else memory / GIGA,
    }


def _timing(timing: Timing) -> dict[str, float]:
    return {
        "seconds": timing.seconds,
        "p5_seconds": timing.p5,
        "p95_seconds": timing.p95,
        "repeats": timing.repeats,
    }


def _product(product: Product, is_best: bool) -> dict[str, Any]:
    return {
        "m": product.m,
        "n": product.n,
        "k": product.k,
        "dtype": product.dtype,
        "flop": product.flop,
        "tflops": product.flop_per_s / TERA,
        # The slow end of the times is the low end of the rate.
        "p5_tflops": product.flop / product.timing.p95 / TERA,
        "p95_tflops": product.flop / product.timing.p5 / TERA,
        **_timing(product.timing),
        "best": is_best,
    }


def _attention(found: Attention) -> dict[str, Any]:
    return {
        **asdict(found.shape),
        "backend": found.backend,
        "dtype": found.dtype,
        **_passes(found),
    }


def _block(found: Block) -> dict[str, Any]:
    return {
        **asdict(found.shape),
        "batch": found.batch,
        "sequence": found.sequence,
        "policy": found.policy,
        "compiled": found.compiled,
        **_passes(found),
    }


def _passes(found: Attention | Block) -> dict[str, float]:
    return {
        "forward_seconds": found.forward.seconds,
        "backward_seconds": found.backward.seconds,
        "forward_tflops": found.forward_flop_per_s / TERA,
        "backward_tflops": found.backward_flop_per_s / TERA,
    }


def _collective(found: Collective) -> dict[str, Any]:
    return {
        "operation": found.operation,
        "backend": found.backend,
        "ranks": found.ranks,
        "bytes": found.size_bytes,
        "bus_gb_s": found.bus_bytes_per_s / GIGA,
        **_timing(found.timing),
    }


def _checked(found: Checked) -> dict[str, Any]:
    return {
        **step_row(found.step),
        "predicted_seconds": found.predicted,
        "shipped_predicted_seconds": found.shipped,
        "error": found.error,
    }


def _profile(accelerator: Accelerator | None) -> Mapping[str, Any] | None:
    if accelerator is None:
        return None
    found: Mapping[str, Any] = accelerator.model_dump(
        mode="json", exclude_none=True, exclude={"prices", "sources", "links", "power"}
    )
    return found
