"""Which measurements are made, in which order, and how long each may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from computebill.base.constants import number
from computebill.kernels.measure import attention, collectives, copies, host, load, matmul, step
from computebill.kernels.measure.devices import memory_free_bytes
from computebill.kernels.measure.matmul import DTYPES
from computebill.kernels.measure.outcome import Skip, attempt, reason

from .models import FITTED, Sizes, decoder, unit_width
from .result import PRODUCTS, QUIET, Timed, best_products

PARTS = ("matmul", "copy", "launches", "attention", "block", "step", "collectives", "load")
"""Parts that are measured, in this order."""

NARROW_GAIN = number("benchmark.suite.NARROW_GAIN")  # base/constants.toml

UNSTEADY = number("benchmark.suite.UNSTEADY")  # base/constants.toml

AGAIN_SECONDS = 0.5

LOOK_EDGE = 1024
"""Edge of a product that stands for the best one, where that was not looked for."""

PROBE_EDGES = {"cpu": 512}
PROBE_SECONDS = 0.1

Results = tuple[object, ...]


@dataclass(frozen=True)
class Budget:
    """Seconds of each part.

    Attributes:
        name: quick or full.
        matmul: time for the products of each dtype [s].
        copy: time for copies of all kinds and sizes [s].
        launches: time for the host's launches [s].
        attention: time for all back ends of a shape of attention [s].
        block: time for a transformer block [s].
        step: time for a training step [s].
        steps: how many decoders are fitted.
        collectives: time for all collectives [s]; 0 leaves them out.
        load: time of work before the driver is asked [s].
        is_compiled: whether blocks are measured compiled, too.
    """

    name: str
    matmul: float
    copy: float
    launches: float
    attention: float
    block: float
    step: float
    steps: int
    collectives: float
    load: float
    is_compiled: bool


QUICK = Budget("quick", 3.0, 3.0, 0.5, 3.0, 1.5, 1.5, 6, 0.0, 1.0, False)
FULL = Budget("full", 15.0, 8.0, 1.0, 8.0, 4.0, 5.0, len(FITTED), 15.0, 2.0, True)


@dataclass(frozen=True)
class Done:
    """A measurement, done.

    Attributes:
        what: was measured.
        share: share of the whole suite that was planned for it.
        results: results that it gave.
    """

    what: str
    share: float
    results: Results


_Task = tuple[str, float, Callable[[], Results]]


class Suite:
    """The measurements of a device.

    Args:
        device: device that is measured.
        budget: how long each may take.
        parts: parts to measure, of ``PARTS``.
        dtypes: dtypes of products; all that the device multiplies if not given.
    """

    def __init__(
        self,
        device: torch.device,
        budget: Budget,
        parts: Sequence[str],
        dtypes: Sequence[str] | None = None,
    ) -> None:
        self._device, self._budget = device, budget
        self._parts = tuple(part for part in PARTS if part in parts)
        self._asked = dtypes
        self._found: list[object] = []
        self._rates: dict[str, float] = {}
        self._fastest = 0.0
        self._unit: int | None = None

    def run(self) -> Iterator[Done]:
        """Measure; yields after each measurement, so that an interrupt loses only one."""
        whole = sum(_SHARES[part] for part in self._parts)
        for part in self._parts:
            for what, share, call in self._safely(part):
                results = attempt(what, call)
                if isinstance(results, Skip):
                    results = (results,)
                self._found.extend(results)
                yield Done(what, share * _SHARES[part] / whole, results)
        yield from self._again()

    def _safely(self, part: str) -> Iterator[_Task]:
        """Yield a part's tasks; a driver that refuses what they begin with ends only the part."""
        try:
            yield from self._tasks(part)
        except RuntimeError as error:
            why = reason(error)
            yield part, 0.0, lambda: (Skip(part, why),)

    def _again(self) -> Iterator[Done]:
        """Time the best products once more: what stood in their way may have gone."""
        for best in best_products(self._found).values():
            found = matmul.measure_product(
                best.m, best.n, best.k, best.dtype, self._device, seconds=AGAIN_SECONDS
            )
            self._found.append(found)
            yield Done(f"{best.dtype} product", 0.0, (found,))

    def _tasks(self, part: str) -> Iterator[_Task]:
        makers: dict[str, Callable[[], Iterator[_Task]]] = {
            "matmul": self._products,
            "copy": self._copies,
            "launches": self._launches,
            "attention": self._attention,
            "block": self._blocks,
            "step": self._steps,
            "collectives": self._collectives,
            "load": self._load,
        }
        return makers[part]()

    def _products(self) -> Iterator[_Task]:
        usable, lacking = matmul.dtypes_of(self._device)
        asked = tuple(DTYPES) if self._asked is None else self._asked
        refused = tuple(
            Skip(f"{each.what} products", each.why) for each in lacking if each.what in asked
        )
        names = [name for name in usable if name in asked]
        yield "dtypes", 0.0 if names else 1.0, lambda: refused
        for name in names:

            def search(dtype: str = name) -> Results:
                found = matmul.search_best(dtype, self._device, seconds=self._budget.matmul)
                return (found,) if isinstance(found, Skip) else (found, *found.skipped)

            yield f"{name} products", 1 / len(names), search

    def _copies(self) -> Iterator[_Task]:
        seconds = self._budget.copy
        yield "memory", 1.0, lambda: copies.measure_bandwidth(self._device, seconds=seconds)

    def _launches(self) -> Iterator[_Task]:
        seconds = self._budget.launches
        yield "launches", 1.0, lambda: (host.measure_launches(self._device, seconds=seconds),)

    def _attention(self) -> Iterator[_Task]:
        sizes, dtype = self._decoder(), PRODUCTS[self._policy()]
        # As many tokens in fewer, longer sequences.
        longer = sizes.sequence * 2
        shapes = [
            sizes.shape.attention(sizes.batch, sizes.sequence),
            sizes.shape.attention(max(sizes.batch // 2, 1), longer),
        ]
        for shape in shapes:

            def time(each: attention.AttentionShape = shape) -> Results:
                return attention.measure_attention(
                    each, self._device, dtype=dtype, seconds=self._budget.attention / 2
                )

            yield f"attention of {shape.sequence} tokens", 1 / len(shapes), time

    def _blocks(self) -> Iterator[_Task]:
        sizes, policy = self._decoder(), self._policy()
        kinds = (False, True) if self._budget.is_compiled else (False,)
        for is_compiled in kinds:

            def time(compiled: bool = is_compiled) -> Results:
                return (
                    step.measure_block(
                        sizes.shape,
                        sizes.batch,
                        sizes.sequence,
                        self._device,
                        step.Execution(policy, compiled),
                        seconds=self._budget.block,
                    ),
                )

            yield "compiled block" if is_compiled else "block", 1 / len(kinds), time

    def _steps(self) -> Iterator[_Task]:
        rows = FITTED[: self._budget.steps]
        unit = self.unit()
        for each in (decoder(row, unit) for row in rows):

            def time(sizes: Sizes = each) -> Results:
                return (self.step(sizes),)

            yield "training steps", 1 / len(rows), time
        yield "disturbed steps", 0.0, self._disturbed
        if self._budget.is_compiled:
            yield "compiled step", 0.0, self._compiled

    def _compiled(self) -> Results:
        """A step by torch.compile, shown beside the others; nothing is fitted to it."""
        sizes = self._decoder()
        return (
            step.measure_step(
                sizes.shape,
                sizes.batch,
                sizes.sequence,
                self._device,
                step.Execution(self._policy(), compiled=True),
                seconds=self._budget.step,
            ),
        )

    def _disturbed(self) -> Results:
        """Time those again that ran while the device was slower than it has shown since."""
        timed = [each for each in self._found if isinstance(each, Timed)]
        slow = [each for each in timed if each.probe < QUIET * self._fastest]
        return tuple(
            self._once(Sizes(each.step.shape, each.step.batch, each.step.sequence)) for each in slow
        )

    def step(self, sizes: Sizes) -> Timed | Skip:
        """Time a decoder's training step; again, where other work stood in its way.

        Args:
            sizes: sizes of the decoder.
        """
        first = self._once(sizes)
        if isinstance(first, Skip) or self._is_steady(first):
            return first
        second = self._once(sizes)
        return first if isinstance(second, Skip) or second.probe < first.probe else second

    def _once(self, sizes: Sizes) -> Timed | Skip:
        before = self._probe()
        found = step.measure_step(
            sizes.shape,
            sizes.batch,
            sizes.sequence,
            self._device,
            step.Execution(self._policy()),
            seconds=self._budget.step,
        )
        if isinstance(found, Skip):
            return found
        probe = min(before, self._probe())
        self._fastest = max(self._fastest, probe)
        return Timed(found, probe)

    def _probe(self) -> float:
        """What a small product reaches now, FLOP a second: less where other work is beside."""
        edges = (PROBE_EDGES.get(self._device.type, 4096),) * 3
        dtype = PRODUCTS[self._policy()]
        found = matmul.measure_product(*edges, dtype, self._device, seconds=PROBE_SECONDS)
        return 0.0 if isinstance(found, Skip) else found.flop_per_s

    def _is_steady(self, found: Timed) -> bool:
        whole = found.step.whole
        return found.probe >= QUIET * self._fastest and whole.p95 < UNSTEADY * whole.p5

    def _collectives(self) -> Iterator[_Task]:
        seconds = self._budget.collectives
        if not seconds:
            yield "collectives", 1.0, lambda: (Skip("collectives", "left out of a quick bench"),)
            return
        sizes = (2**10, 2**16, 2**20, 2**24, 2**28)
        yield (
            "collectives",
            1.0,
            lambda: collectives.measure_collectives(self._device, sizes=sizes, seconds=seconds),
        )

    def _load(self) -> Iterator[_Task]:
        dtype, seconds = PRODUCTS[self._policy()], self._budget.load
        yield (
            "conditions under load",
            1.0,
            lambda: (load.conditions_under_load(self._device, dtype=dtype, seconds=seconds),),
        )

    def _rate(self, dtype: str) -> float:
        """Best rate of a dtype that was found, or a quick look at it; 0 where there is none."""
        best = best_products(self._found)
        if dtype in best:
            return best[dtype].flop_per_s
        if dtype not in self._rates:
            edges = (LOOK_EDGE,) * 3
            found = matmul.measure_product(*edges, dtype, self._device, seconds=0.2)
            self._rates[dtype] = 0.0 if isinstance(found, Skip) else found.flop_per_s
        return self._rates[dtype]

    def _policy(self) -> str:
        """How decoders are trained: in 16 bits where that is faster; a CPU always in 32."""
        if self._device.type == "cpu":
            return "fp32"
        is_faster = self._rate("bf16") > NARROW_GAIN * self._rate("fp32")
        return "autocast" if is_faster else "fp32"

    def unit(self) -> int:
        """Width that decoders' widths are multiples of: the same for all of a suite."""
        if self._unit is None:
            rate = self._rate(PRODUCTS[self._policy()])
            self._unit = unit_width(rate, memory_free_bytes(self._device))
        return self._unit

    def _decoder(self) -> Sizes:
        return decoder(FITTED[0], self.unit())


_SHARES = {
    "matmul": 5.0,
    "copy": 1.0,
    "launches": 0.2,
    "attention": 1.0,
    "block": 1.0,
    "step": 4.0,
    "collectives": 2.0,
    "load": 0.3,
}
"""Parts' shares of a suite's time, about."""
