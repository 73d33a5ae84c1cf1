"""The plain way to price a sweep: the script of a careful researcher, with NumPy and pandas.

A frame of experiments, 6 N D over what the accelerators give, utilisation interpolated in a table;
then a thousand draws of what is uncertain, and in each draw every experiment's own fate: whether
and where it is stopped, whether it fails. Of the ways that were tried this is the fastest: as many
experiments at a time as stay in the cache, and their draws one after the other. The usual
loop over draws of all experiments at once takes several times as long.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from computebill.training.utilisation import practice

HOUR = 3600.0
DAY = 24 * HOUR
Z90, Z95 = 1.2815515655446004, 1.6448536269514722
PERCENTILES = (5, 50, 95)
AT_A_TIME = 2**13
"""Experiments: their fates stay in the cache."""

Table = tuple[np.ndarray, np.ndarray]
"""log2 of sizes, and log of the utilisation of each."""
Utilisations = Callable[[Mapping[str, Any], np.ndarray], np.ndarray]
"""Utilisation of sizes in a group."""


class Shared(NamedTuple):
    """What all experiments are uncertain by; ``(draws,)`` each.

    Attributes:
        training: time over the prediction.
        price: USD an hour of an accelerator.
        checkpoint: seconds.
        restart: seconds.
    """

    training: np.ndarray
    price: np.ndarray
    checkpoint: np.ndarray
    restart: np.ndarray


def programme(experiments: int) -> dict[str, Any]:
    """A sweep of three groups."""
    ablations, search = experiments // 2, experiments * 3 // 10

    def drawn(count: int, params: tuple[float, float], tokens: tuple[float, float]) -> Any:
        given = {"params": params, "tokens": tokens}
        fields = {name: {"p5": low, "p95": high} for name, (low, high) in given.items()}
        return {"count": count, "fields": fields, "seed": count % 97}

    return {
        "name": "a sweep of three groups",
        "defaults": {"accelerator": "h100-sxm", "sequence_length": 4096},
        "price": {"p10": 1.5, "p90": 3.5},
        "groups": [
            {
                "name": "ablations",
                "count": 8,
                "global_batch": 256,
                "samples": drawn(ablations, (2e8, 2e9), (2e9, 2e10)),
                "stop": {"killed": [{"at": 0.1, "share": 0.3}, {"at": 0.5, "share": 0.4}]},
                "failures": {"rate": 0.05, "restarted": 0.6},
            },
            {
                "name": "search",
                "count": 8,
                "global_batch": 64,
                "samples": drawn(search, (5e7, 5e8), (1e9, 1e10)),
                "stop": {"halving": {"eta": 3, "rungs": 4}},
            },
            {
                "name": "scaling",
                "count": 64,
                "global_batch": 1024,
                "samples": drawn(experiments - ablations - search, (5e8, 8e9), (1e10, 1e11)),
                "failures": {"rate": 0.1},
            },
        ],
    }


def only_fates(spec: dict[str, Any], mfu: float = 0.4, price: float = 2.0) -> dict[str, Any]:
    """The same, nothing else being uncertain."""
    groups = [{**group, "mfu": mfu} for group in spec["groups"]]
    return {**spec, "price": price, "groups": groups}


def without_fates(spec: dict[str, Any]) -> dict[str, Any]:
    """The same, every experiment running to its end."""
    gone = ("stop", "failures")
    groups = [
        {key: value for key, value in group.items() if key not in gone} for group in spec["groups"]
    ]
    return {**spec, "groups": groups}


def lognormal(
    given: float | Mapping[str, float], draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Draws of a range, its middle its own where it is given."""
    if not isinstance(given, Mapping):
        return np.full(draws, given)
    low, high, z = ("p5", "p95", Z95) if "p5" in given else ("p10", "p90", Z90)
    middle = given.get("p50", math.sqrt(given[low] * given[high]))
    normal = rng.standard_normal(draws)
    below, above = math.log(middle / given[low]) / z, math.log(given[high] / middle) / z
    return middle * np.exp(np.where(normal < 0, below, above) * normal)


def draw_experiments(spec: Mapping[str, Any], rng: np.random.Generator) -> pd.DataFrame:
    """One row an experiment."""
    frames = []
    for group in spec["groups"]:
        samples = group["samples"]
        columns = {
            name: lognormal(given, samples["count"], rng)
            for name, given in samples["fields"].items()
        }
        frames.append(pd.DataFrame({"group": group["name"], **columns}))
    return pd.concat(frames, ignore_index=True).astype({"group": "category"})


def seconds_of(
    spec: Mapping[str, Any], frame: pd.DataFrame, peak: float, utilisations: Utilisations
) -> dict[str, np.ndarray]:
    """Accelerator-seconds of every experiment run to its end, by group."""
    found = {}
    rows = frame.groupby("group", observed=True).indices
    for group in spec["groups"]:
        own = frame.iloc[rows[group["name"]]]
        params, tokens = own["params"].to_numpy(), own["tokens"].to_numpy()
        mfu = group["mfu"] if "mfu" in group else utilisations(group, params)
        found[group["name"]] = 6.0 * params * tokens / (peak * mfu)
    return found


def interpolated(table: Table, params: np.ndarray) -> np.ndarray:
    sizes, logs = table
    return np.exp(np.interp(np.log2(params), sizes, logs))


def ends_of(group: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Where a group's experiments end, and the share that does."""
    stop = group.get("stop", {})
    if "killed" in stop:
        ends, weights, left = [], [], 1.0
        for each in stop["killed"]:
            ends.append(each["at"])
            weights.append(left * each["share"])
            left *= 1 - each["share"]
        return np.array([*ends, 1.0]), np.array([*weights, left])
    if "halving" in stop:
        eta, rungs = stop["halving"]["eta"], stop["halving"]["rungs"]
        count = group["samples"]["count"]
        reached = np.array([count // eta**rung for rung in range(rungs)] + [0])
        return float(eta) ** np.arange(1 - rungs, 1), -np.diff(reached) / count
    return np.ones(1), np.ones(1)


def draw_fates(
    group: Mapping[str, Any],
    seconds: np.ndarray,
    draws: int,
    rng: np.random.Generator,
    at_a_time: int = AT_A_TIME,
) -> np.ndarray:
    """Seconds of a group in every draw, each experiment stopped and failed by itself."""
    ends, weights = ends_of(group)
    edges = np.cumsum(weights)[:-1]
    steps = np.diff(ends)
    failures = group.get("failures")
    if len(ends) == 1 and failures is None:
        return np.full(draws, seconds.sum())
    dealt = None
    if "halving" in group.get("stop", {}):  # just so many go on, and chance says which
        dealt = np.repeat(ends, np.rint(weights * len(seconds)).astype(int))
        rng.shuffle(dealt)
    total = np.zeros(draws)
    for start in range(0, len(seconds), at_a_time):
        own = seconds[start : start + at_a_time]
        for draw in range(draws):
            if dealt is not None:
                length = rng.permutation(dealt[start : start + at_a_time])
            else:
                length = np.full(len(own), ends[0])
                u = rng.random(len(own)) if len(edges) else None
                for edge, step in zip(edges, steps, strict=True):
                    length += step * (u >= edge)
            if failures is not None:
                fails = np.flatnonzero(rng.random(len(own)) < failures["rate"])
                again = rng.random(len(fails)) < failures.get("restarted", 1.0)
                length[fails] *= rng.random(len(fails)) + again
            total[draw] += own @ length
    return total


def draw_shared(spec: Mapping[str, Any], draws: int, rng: np.random.Generator) -> Shared:
    used = practice("training")
    training = {"p5": used.low, "p50": used.middle, "p95": used.high}
    return Shared(
        lognormal(training, draws, rng),
        lognormal(spec["price"], draws, rng),
        lognormal({"p10": 5.0, "p90": 60.0}, draws, rng),
        lognormal({"p10": 180.0, "p90": 1200.0}, draws, rng),
    )


def training_share(gpus: int, shared: Shared) -> np.ndarray:
    """Share of the time that trains, machines failing as Llama 3's (Daly 2006)."""
    between = DAY / (419 / (54 * 16384) * gpus)
    half = shared.checkpoint / (2 * between)
    interval = np.sqrt(2 * shared.checkpoint * between) * (1 + np.sqrt(half) / 3 + half / 9)
    interval -= shared.checkpoint
    attempts = np.expm1((interval + shared.checkpoint) / between)
    return interval / (between * np.exp(shared.restart / between) * attempts)


def price(
    spec: Mapping[str, Any],
    frame: pd.DataFrame,
    draws: int,
    peak: float,
    utilisations: Utilisations,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """GPU-hours and dollars of each group and of all, a row a draw."""
    shared = draw_shared(spec, draws, rng)
    columns = {}
    for name, seconds in seconds_of(spec, frame, peak, utilisations).items():
        group = next(each for each in spec["groups"] if each["name"] == name)
        hours = draw_fates(group, seconds, draws, rng) / HOUR
        if "mfu" not in group:
            hours *= shared.training / training_share(group["count"], shared)
        columns[name, "gpu_hours"] = hours
        columns[name, "cost_usd"] = hours * shared.price
    found = pd.DataFrame(columns)
    for figure in ("gpu_hours", "cost_usd"):
        found["all", figure] = found.xs(figure, axis=1, level=1).sum(axis=1)
    return found


def summary(drawn: pd.DataFrame) -> pd.DataFrame:
    """Percentiles and mean of each column, and the standard error of the mean."""
    rows = {f"p{level}": drawn.quantile(level / 100) for level in PERCENTILES}
    return pd.DataFrame({**rows, "mean": drawn.mean(), "error": drawn.sem()})
