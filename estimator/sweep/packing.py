"""Many jobs on one cluster: which runs when, how long all take, what stands idle.

Longest-first list scheduling: whenever accelerators are free, the largest job that fits begins
(Graham 1969, "Bounds on multiprocessing timing anomalies"; for jobs that need several machines at
once, Garey & Graham 1975). Many short jobs of a kind go one after the other in one place, so that
the number of events stays bounded.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from computebill.base.errors import RequestError

from .spec import Cluster
from .totals import Jobs

MOST_BUNDLES = 20_000
"""Jobs, or jobs one after the other, that are placed."""

PART = 1e-6
"""Of a job, that is not worth placing."""

HOURS_PER_DAY = 24.0
NODE = 8
"""Accelerators by which a cluster grows."""


@dataclass(frozen=True)
class Placed:
    """Jobs of a kind, one after the other.

    Attributes:
        group: place of their group.
        gpus: accelerators.
        count: jobs.
        start: hours from the beginning.
        end: the same.
    """

    group: int
    gpus: int
    count: float
    start: float
    end: float


@dataclass(frozen=True)
class Schedule:
    """All experiments on a cluster.

    Attributes:
        gpus: of the cluster.
        days: until the last job ends.
        idle_share: of the cluster's time until then.
        bound_days: that no schedule can beat: the work over the cluster, or the longest job.
        placed: what runs when.
    """

    gpus: int
    days: float
    idle_share: float
    bound_days: float
    placed: tuple[Placed, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "gpus": self.gpus,
            "days": self.days,
            "idle_share": self.idle_share,
            "bound_days": self.bound_days,
            "jobs": sum(each.count for each in self.placed),
        }

    def usage(self, most: int | None = None) -> list[tuple[float, int, int]]:
        """Return ``(day, group, gpus)``: from that day on, accelerators each group has at work.

        Of more than ``most`` changes every so-manieth moment, with all of its groups.
        """
        changes: dict[float, dict[int, int]] = {}
        for each in self.placed:
            for hours, sign in ((each.start, 1), (each.end, -1)):
                at = changes.setdefault(hours, {})
                at[each.group] = at.get(each.group, 0) + sign * each.gpus
        running: dict[int, int] = dict.fromkeys((each.group for each in self.placed), 0)
        found = []
        moments = sorted(changes)
        kept = 1 if most is None else max(1, math.ceil(len(moments) * len(running) / most))
        for place, hours in enumerate(moments):
            for group, change in changes[hours].items():
                running[group] += change
            if place % kept == 0 or place == len(moments) - 1:
                found += [(hours / HOURS_PER_DAY, group, gpus) for group, gpus in running.items()]
        return found


def pack(jobs: Sequence[Jobs], cluster: Cluster) -> Schedule:
    """Place jobs on a cluster, or find the smallest that ends in time.

    Raises:
        RequestError: where a job needs more than the cluster has, or more time than there is.
    """
    widest = max(job.gpus for job in jobs)
    if cluster.gpus is not None:
        if widest > cluster.gpus:
            raise RequestError(
                "cluster.gpus", f"got {cluster.gpus:,}; an experiment takes {widest:,}"
            )
        return _placed(jobs, cluster.gpus)
    assert cluster.days is not None
    longest = max(job.hours for job in jobs) / HOURS_PER_DAY
    if longest > cluster.days:
        raise RequestError(
            "cluster.days", f"got {cluster.days:g}; an experiment takes {longest:.3g} days"
        )
    work = sum(job.gpus * job.hours * job.count for job in jobs) / HOURS_PER_DAY
    low = max(widest, math.ceil(work / cluster.days / NODE - PART) * NODE)
    return _smallest(jobs, low, cluster.days)


def _smallest(jobs: Sequence[Jobs], low: int, days: float) -> Schedule:
    """Double the cluster until all end in time, then halve the gap."""
    high = low
    found = _placed(jobs, high)
    while found.days > days:
        low, high = high, 2 * high
        found = _placed(jobs, high)
    while high - low > max(NODE, high // 64):
        middle = low + max(1, (high - low) // 2 // NODE) * NODE
        tried = _placed(jobs, middle)
        low, high, found = (middle, high, found) if tried.days > days else (low, middle, tried)
    return found


def _placed(jobs: Sequence[Jobs], gpus: int) -> Schedule:
    """List scheduling; the widest first, then the longest."""
    bundles = sorted(_bundles(jobs, gpus), key=lambda each: (-each.gpus, -each.hours * each.count))
    by_width: dict[int, list[Jobs]] = {}
    for each in reversed(bundles):
        by_width.setdefault(each.gpus, []).append(each)
    widths = sorted(by_width, reverse=True)
    running: list[tuple[float, int]] = []
    placed: list[Placed] = []
    free, now = gpus, 0.0
    left = len(bundles)
    while left:
        for width in widths:
            waiting = by_width[width]
            while waiting and width <= free:
                each = waiting.pop()
                end = now + each.hours * each.count
                placed.append(Placed(each.group, width, each.count, now, end))
                heapq.heappush(running, (end, width))
                free -= width
                left -= 1
        now, width = heapq.heappop(running)
        free += width
        while running and running[0][0] == now:
            free += heapq.heappop(running)[1]
    hours = max(each.end for each in placed)
    work = sum(each.gpus * (each.end - each.start) for each in placed)
    bound = max(work / gpus, max(job.hours for job in jobs))
    return Schedule(
        gpus, hours / HOURS_PER_DAY, 1 - work / (gpus * hours), bound / HOURS_PER_DAY, tuple(placed)
    )


def _bundles(jobs: Sequence[Jobs], gpus: int) -> list[Jobs]:
    """Jobs of a kind in chains, one after the other; each by itself where they are few.

    ``count`` is that of a chain. Where there are many, chains are a multiple of what fits side by
    side, so that they end together. Expected numbers of jobs are no whole ones: a part of a job is
    a job that is as much shorter.
    """
    total = sum(job.count for job in jobs)
    share = min(1.0, MOST_BUNDLES / total)
    found = []
    for job in jobs:
        whole, part = divmod(job.count, 1.0)
        if part > PART:
            found.append(Jobs(job.group, job.gpus, job.hours, part))
        chains = math.ceil(whole * share)
        if chains < whole:
            places = max(1, gpus // job.gpus)
            chains = min(int(whole), max(1, round(chains / places)) * places)
        if not chains:
            continue
        each, rest = divmod(int(whole), chains)
        found += [Jobs(job.group, job.gpus, job.hours, each + 1.0)] * rest
        found += [Jobs(job.group, job.gpus, job.hours, float(each))] * (chains - rest)
    return [each for each in found if each.count > 0]
