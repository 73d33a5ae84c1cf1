"""What is known of the rest beside what programmes state of their own: multipliers and priors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field

from computebill.base.quantity import P90, Positive, Quantity
from computebill.base.specfile import SourceNote, Spec, parse_toml, validate
from computebill.kernels import quantiles

from .stated import KINDS, Kind

FILE = "rest.toml"
PROBABILITIES = (0.05, 0.5, 0.95)


class Observation(Spec):
    """Development over final runs of one stage, as one programme measured it.

    Attributes:
        stage: of the final runs.
        programme: name of the programme.
        ratio: development over final runs.
        source: key of the source.
        note: what a reader should know of it.
    """

    stage: str
    programme: str
    ratio: Annotated[float, Field(gt=0)]
    source: str
    note: str | None = None


class Judged(Spec):
    """A quantity that too few observations are told of.

    Attributes:
        value: the quantity.
        observations: how many it rests on.
        source: key of the source.
        note: what a reader should know of it.
    """

    value: Positive
    observations: int
    source: str
    note: str


class YearOfPrior(Spec):
    """Mean shares of the rest by kind.

    Attributes:
        until: last year that they stand for.
        means: by kind; they add up to 1.
    """

    until: int
    means: dict[Kind, float]


class Prior(Spec):
    """A Dirichlet distribution of the rest by kind.

    Attributes:
        concentration: how many observations of one unit it is worth.
        source: key of the source.
        note: what a reader should know of it.
        years: means by year, ascending.
    """

    concentration: Annotated[float, Field(gt=0)]
    source: str
    note: str
    years: tuple[YearOfPrior, ...]


class LaboratoryPrior(Spec):
    """A logit-normal distribution of the final share of one kind of laboratory.

    Attributes:
        median: of the share.
        sd: standard deviation of its logit.
        note: what it rests on.
    """

    median: Annotated[float, Field(gt=0, lt=1)]
    sd: Annotated[float, Field(gt=0)]
    note: str


class Rest(Spec):
    """The file of what is known of the rest.

    Attributes:
        sources: by key.
        multipliers: development over final runs, as measured.
        judged: the same of stages with too few observations.
        evaluation: share of the rest.
        prior: of the rest by kind.
        laboratories: priors of the final share by kind of laboratory.
    """

    sources: dict[str, SourceNote]
    multipliers: tuple[Observation, ...]
    judged: dict[str, Judged]
    evaluation: Judged
    prior: Prior
    laboratories: dict[str, LaboratoryPrior]


@cache
def known_of_rest() -> Rest:
    """Return what ships."""
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return validate(Rest, parse_toml(text, FILE), FILE)


class Multiplier(NamedTuple):
    """Development over final runs of one stage.

    Attributes:
        value: log-normal.
        rests_on: in words.
        observations: how many.
    """

    value: Quantity
    rests_on: str
    observations: int


def multiplier(stage: str, leave_out: str) -> Multiplier:
    """Return development over final runs of a stage.

    Args:
        stage: pretraining or post-training.
        leave_out: name of a programme whose own observation is not used.
    """
    known = known_of_rest()
    judged = known.judged.get(stage)
    if judged is not None:
        title = known.sources[judged.source].title
        return Multiplier(judged.value, f"{judged.note} ({title})", judged.observations)
    found = [
        each for each in known.multipliers if each.stage == stage and each.programme != leave_out
    ]
    logs = torch.tensor([math.log(each.ratio) for each in found], dtype=torch.float64)
    median, sigma = math.exp(logs.mean()), float(logs.std())
    ends = (median * math.exp(-P90 * sigma), median * math.exp(P90 * sigma))
    text = f"{ends[0]:.2g}–{ends[1]:.2g} (p10–p90)"
    names = ", ".join(each.programme for each in found)
    rests_on = f"development over final runs, {text}, measured of {names}"
    return Multiplier(Quantity("lognormal", (median, sigma, sigma), text), rests_on, len(found))


def prior_by_kind(year: int) -> Mapping[Kind, tuple[float, ...]]:
    """Return 5th, 50th and 95th percentile of each kind's share of the rest, without evidence."""
    prior = known_of_rest().prior
    means = next(each.means for each in prior.years if year <= each.until)
    first = torch.tensor([means[kind] for kind in KINDS], dtype=torch.float64)
    first = first * prior.concentration
    at = torch.tensor(PROBABILITIES, dtype=torch.float64)
    found = quantiles.beta_quantiles(first, prior.concentration - first, at).tolist()
    return {kind: tuple(row) for kind, row in zip(KINDS, found, strict=True)}


def prior_of_share(laboratory: str) -> tuple[float, ...]:
    """Return 5th, 50th and 95th percentile of the final share of a kind of laboratory."""
    prior = known_of_rest().laboratories[laboratory]
    middle = math.log(prior.median / (1 - prior.median))
    ends = (middle + sign * _Z95 * prior.sd for sign in (-1, 0, 1))
    return tuple(1 / (1 + math.exp(-each)) for each in ends)


def prior_told(year: int, laboratory: str | None) -> dict[str, Any]:
    """Return the JSON form of the priors for a year."""
    names = ("p5", "p50", "p95")
    return {
        "is_evidence": False,
        "note": known_of_rest().prior.note,
        "final_share": dict(zip(names, prior_of_share(laboratory), strict=True))
        if laboratory is not None
        else None,
        "share_of_rest": [
            {"kind": kind, **dict(zip(names, row, strict=True))}
            for kind, row in prior_by_kind(year).items()
        ],
    }


_Z95 = 1.6448536269514722
"""Standard deviations from the middle of a normal distribution to its 95th percentile."""
