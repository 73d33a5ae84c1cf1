"""Stages of a run, laid out once; then any number of draws are priced, all stages in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.quantity import Quantity
from computebill.kernels.run import Hour, Interruptions, TimeBill
from computebill.kernels.stages import (
    Pace,
    Passes,
    PassFlop,
    Pools,
    StageFlop,
    TokenPrices,
    stage_bill,
    stage_flop,
    stage_time,
)
from computebill.kernels.units import SECONDS_PER_DAY
from computebill.uncertainty.draws import B, Columns, Settings, bundle

from .stage_inputs import StageRow


class PricedStages(NamedTuple):
    """What stages take in a chunk of draws; ``(stages, draws)`` each.

    Attributes:
        flop: the ledger of FLOP.
        tokens: tokens that updates are made on, epochs counted.
        bill: hours, money, energy; NaN where no accelerator is named.
        days: from a stage's start to its end; NaN where no number of accelerators is given.
        training: accelerator time of updates, and of passes beside them [s].
        writing: accelerator time of samples [s].
        peak_flop: FLOP that the accelerators' peak would have given in the stage's hours.
        beside: quantities that were drawn with the stages' own, ``(quantities, draws)``.
    """

    flop: StageFlop
    tokens: Tensor
    bill: TimeBill
    days: Tensor
    training: Tensor
    writing: Tensor
    peak_flop: Tensor
    beside: Tensor


class StageDraws:
    """Draws of a run's stages; quantities of one shared name have one rank in every draw."""

    def __init__(
        self, rows: list[StageRow], device: str, beside: Mapping[str, Quantity] | None = None
    ) -> None:
        """Lay the quantities out.

        Args:
            rows: of the stages, in order.
            device: to draw on.
            beside: further quantities by name, drawn along.
        """
        self.rows = rows
        self.stages = rows[-1].stage + 1
        self.keys = list(rows[0].quantities)
        extra = dict(beside or {})
        quantities = [row.quantities[key] for key in self.keys for row in rows]
        names = [f"{key}, stage {row.stage + 1}" for key in self.keys for row in rows]
        self.columns = Columns([*quantities, *extra.values()], [*names, *extra], device)
        self._place = torch.tensor([row.stage for row in rows], device=device)

    def chunks(self, chosen: Settings) -> Iterator[tuple[int, PricedStages]]:
        """Yield the replicate and its priced draws until all are drawn."""
        for replicate, points in self.columns.chunks(chosen):
            yield replicate, self.price(points)

    def price(self, points: Tensor) -> PricedStages:
        """Price draws.

        Args:
            points: ``(dimensions, draws)``, uniform.
        """
        values = self.columns.draw(points)
        count = len(self.keys) * len(self.rows)
        shape = (len(self.keys), len(self.rows), points.shape[1])
        given = dict(zip(self.keys, values[:count].reshape(shape), strict=True))
        given |= _derived(given)
        passes, of = bundle(Passes, given), bundle(PassFlop, given)
        pace, pools = _pace(given), bundle(Pools, given)
        peak = given["peak_flop_per_s"]
        flop = stage_flop(passes, of, given["given_seconds"] * peak * given["utilisation"])
        time = stage_time(passes, flop, pace, pools, bundle(Interruptions, given))
        hours = (bundle(Hour, given), _under(Hour, "apart.", given))
        bill = stage_bill(passes, time, hours, _under(TokenPrices, "sold.", given))
        return PricedStages(
            flop=StageFlop(*map(self._by_stage, flop)),
            tokens=self._by_stage(passes.trained),
            bill=TimeBill(*map(self._by_stage, bill)),
            days=self._by_stage(time.wall) / SECONDS_PER_DAY,
            training=self._by_stage(time.training),
            writing=self._by_stage(time.writing),
            peak_flop=self._by_stage((time.own + time.apart) * peak),
            beside=values[count:],
        )

    def _by_stage(self, rows: Tensor) -> Tensor:
        """Add the parts of each stage's schedule; ``(rows, draws)`` to ``(stages, draws)``."""
        if len(self.rows) == self.stages:
            return rows
        found = rows.new_zeros((self.stages, rows.shape[1]))
        return found.index_add_(0, self._place, rows)


def _derived(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What kernels take that is made of several quantities, and those of other names there."""
    samples = given["steps"] * given["prompts"] * given["group"]
    factor = given["answer_factor"]
    answer = given["answer"] * factor
    power = torch.where(factor < 1.0, given["sample_power_below"], given["sample_power_above"])
    length = given["prompt"] + answer
    number = given["kept_number"]
    share = torch.where(number.isnan(), given["kept_share"], (number / samples).clamp(max=1.0))
    return {
        "samples": samples,
        "answer": answer,
        "sample_seconds": given["sample_seconds"] * factor**power,
        "kept": share,
        "tokens": given["trained_tokens"] + 2.0 * given["pairs"] * length,
        "teacher": given["teacher_flop"],
        "reward": given["reward_flop"],
        "critic": given["critic_flop"],
        "waiting": given["verifier"] * given["steps"],
    }


def _pace(given: Mapping[str, Tensor]) -> Pace:
    """Return how fast stages go; a reference is as large as what it is a reference of."""
    return Pace(
        peak_flop_per_s=given["peak_flop_per_s"],
        mfu=given["mfu"],
        training=given["training_off"],
        serving=given["serving_off"],
        sample=given["sample_seconds"],
        read=given["read_seconds"],
        reference=given["read_seconds"],
        teacher=given["teacher_seconds"],
        reward=given["reward_seconds"],
        critic=given["critic_seconds"],
        waiting=given["waiting"],
        given=given["given_seconds"],
    )


def _under(kind: type[B], prefix: str, given: Mapping[str, Tensor]) -> B:
    """Return a kernel's bundle of the columns of a prefix."""
    under = {key.removeprefix(prefix): given[key] for key in given if key.startswith(prefix)}
    return bundle(kind, under)
