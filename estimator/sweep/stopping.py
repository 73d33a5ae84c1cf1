"""What a group's rules of stopping and its failures make of the length of its experiments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from computebill.base.errors import RequestError
from computebill.kernels import outcomes

from .rules import Bracket, Halving, Stop
from .spec import Group

ONE_BY_ONE = 64
"""Of many experiments, the largest that are drawn by themselves."""

POINT_BITS = 53
"""Of a uniform point: all that a float of 64 bits has between 0 and 1."""

PLACES = 2 ** (63 - POINT_BITS)
"""Rows that are told apart by what is left of a whole number of 64 bits."""


class Fate(NamedTuple):
    """How far experiments come.

    Attributes:
        progress: at which they end; ``(ends,)``.
        weight: share that ends there.
        rate: share that fails.
        restarted: share of these that are begun again.
        is_counted: whether just so many end at each, as in a competition, and only which of them
            is not known.
    """

    progress: Tensor
    weight: Tensor
    rate: Tensor
    restarted: Tensor
    is_counted: bool = False

    @property
    def stopped(self) -> outcomes.Moments:
        """Mean and variance of the progress at which an experiment ends, if it does not fail."""
        return outcomes.stopped_moments(self.progress, self.weight)

    @property
    def moments(self) -> outcomes.Moments:
        """Mean and variance of the share of its length that an experiment takes."""
        fails = outcomes.failure_moments(self.rate, self.restarted)
        return outcomes.product_moments(self.stopped, fails)

    @property
    def is_certain(self) -> bool:
        """Whether every experiment takes the same share of its length."""
        return float(self.moments.variance) == 0.0


def fate_of(group: Group, experiments: float, place: int) -> Fate:
    """Return a group's fate.

    Args:
        group: of experiments.
        experiments: how many it has.
        place: of the group, for messages.

    Raises:
        RequestError: where brackets do not add up to the experiments.
    """
    progress, weight = _ends(group.stop, experiments, place)
    failures = group.failures
    return Fate(
        _column(progress),
        _column(weight),
        torch.tensor(failures.rate if failures else 0.0, dtype=torch.float64),
        torch.tensor(failures.restarted if failures else 1.0, dtype=torch.float64),
        is_counted=group.stop is not None and group.stop.halving is not None,
    )


def _ends(
    stop: Stop | None, experiments: float, place: int
) -> tuple[Sequence[float], Sequence[float]]:
    """Progress at which experiments end, and the share that does."""
    if stop is None:
        return [1.0], [1.0]
    if stop.fraction is not None:
        return [stop.fraction], [1.0]
    if stop.halving is not None:
        return _halved(stop.halving, experiments, place)
    left, ends, shares = 1.0, [], []
    for each in stop.killed:
        ends.append(each.at)
        shares.append(left * each.share)
        left *= 1.0 - each.share
    return [*ends, 1.0], [*shares, left]


def _halved(
    halving: Halving, experiments: float, place: int
) -> tuple[Sequence[float], Sequence[float]]:
    brackets = halving.brackets
    if halving.rungs is not None:
        brackets = (Bracket(count=int(experiments), rungs=halving.rungs),)
    total = sum(bracket.count for bracket in brackets)
    if total != experiments:
        raise RequestError(
            f"groups[{place}].stop.halving.brackets",
            f"got {total:,} experiments in all; allowed: as many as the group has, "
            f"{experiments:,.0f}",
        )
    ends, shares = [], []
    for bracket in brackets:
        counts = outcomes.halving_counts(bracket.count, halving.eta, bracket.rungs)
        at = outcomes.halving_progress(halving.eta, bracket.rungs)
        for i, (count, progress) in enumerate(zip(counts, at, strict=True)):
            stays = counts[i + 1] if i + 1 < len(counts) else 0.0
            ends.append(progress if halving.resumed else sum(at[: i + 1]))
            shares.append((count - stays) / experiments)
    return ends, shares


class Lengths(NamedTuple):
    """Experiments that share a fate.

    Attributes:
        largest: accelerator-seconds of the largest, falling; all of them where they are few.
        number: of experiments.
        total: accelerator-seconds of all.
        squares: sum of their squares.
    """

    largest: Tensor
    number: float
    total: float
    squares: float


def realised(fate: Fate, lengths: Lengths, z: Tensor, generator: torch.Generator) -> Tensor:
    """Draw which share of their whole length experiments take together.

    Few experiments are drawn one by one, as are the largest of many. The sum of many others is
    normal, with its mean and variance; in a competition their number at each end is what the
    largest leave.

    Args:
        fate: of each.
        lengths: of the experiments.
        z: standard normal draws; ``(draws,)``.
        generator: of the uniform points.

    Returns:
        ``(draws,)``.
    """
    mean, variance = (float(each) for each in fate.moments)
    if variance == 0.0:
        return torch.full_like(z, mean)
    is_few = lengths.number <= len(lengths.largest)
    drawn = lengths.largest if is_few else lengths.largest[:ONE_BY_ONE]

    def points() -> Tensor:
        shape = (len(drawn), len(z))
        return torch.rand(shape, dtype=torch.float64, generator=generator).to(z.device)

    if is_few and fate.is_counted:
        stopped = _dealt(fate, drawn, points).to(z.device)
    else:
        stopped = _stopped(fate, len(drawn), z.device, points)
    seconds = stopped * drawn.to(z.device)[:, None]
    if fate.rate > 0:
        rate, restarted = fate.rate.to(z.device), fate.restarted.to(z.device)
        seconds = seconds * outcomes.failed_length(points(), rate, restarted)
    own = seconds.sum(0).expand_as(z)
    if not is_few:
        own = own + _others(fate, lengths, drawn, stopped, z).clamp_min(0.0)
    found: Tensor = own / lengths.total
    return found


def _stopped(
    fate: Fate, experiments: int, device: torch.device, points: Callable[[], Tensor]
) -> Tensor:
    """Progress at which experiments end, each by itself; ``(experiments, draws)``, or one draw."""
    stopped = fate.stopped
    if not stopped.variance:
        return stopped.mean.to(device).expand(experiments, 1)
    return outcomes.stopped_progress(points(), fate.progress.to(device), fate.weight.to(device))


def _dealt(fate: Fate, sizes: Tensor, points: Callable[[], Tensor]) -> Tensor:
    """Deal the ends of a competition out, just so many of each; ``(experiments, draws)``.

    Of experiments of one size the sum is the same whoever ends where: they are dealt once.

    Args:
        fate: of each.
        sizes: accelerator-seconds of each, falling.
        points: makes uniform points; ``(experiments, draws)``.
    """
    count = len(sizes)
    edges = torch.cumsum(fate.weight, 0) * count
    ends = torch.searchsorted(edges, torch.arange(count, dtype=torch.float64) + 0.5)
    dealt = fate.progress[ends.clamp(max=len(fate.progress) - 1)]
    if sizes[0] == sizes[-1]:
        return dealt[:, None]
    order = _order(points())
    return dealt.to(order.device)[order]


def _others(fate: Fate, lengths: Lengths, drawn: Tensor, stopped: Tensor, z: Tensor) -> Tensor:
    """Accelerator-seconds of the experiments beside the largest; ``(draws,)``.

    Args:
        fate: of each.
        lengths: of all.
        drawn: accelerator-seconds of the largest.
        stopped: progress at which these end; ``(experiments, draws)``.
        z: standard normal draws; ``(draws,)``.
    """
    total = lengths.total - float(drawn.sum())
    squares = lengths.squares - float((drawn**2).sum())
    if not fate.is_counted:
        mean, variance = (float(each) for each in fate.moments)
        return total * mean + math.sqrt(max(0.0, squares * variance)) * z
    rest = lengths.number - len(drawn)
    fails = outcomes.failure_moments(fate.rate, fate.restarted)
    middle, spread = fate.stopped
    left = lengths.number * float(middle) - stopped.sum(0)
    # Who ends where matters only as far as they differ in size.
    apart = max(0.0, squares - total**2 / rest) * float(spread) * float(fails.mean) ** 2
    scatter = squares * float(spread + middle**2) * float(fails.variance)
    return total / rest * left * float(fails.mean) + math.sqrt(apart + scatter) * z


def _order(points: Tensor) -> Tensor:
    """Which row is the least, the next, … of each column; ``(rows, draws)``, up to PLACES rows.

    A point and its row are packed into one whole number, which is sorted in place of an index.
    """
    rows = torch.arange(len(points), device=points.device)[:, None]
    packed = (points * 2.0**POINT_BITS).to(torch.int64).mul_(PLACES).add_(rows).T.contiguous()
    if packed.device.type == "cpu":
        packed.numpy().sort(axis=-1)  # vectorised
    else:
        packed = packed.sort(dim=-1).values
    return packed.bitwise_and_(PLACES - 1).T


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
