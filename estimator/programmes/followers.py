"""What one pays who follows: which part of each kind is skipped, and what a teacher takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor

from computebill.base.quantity import Positive, Quantity, parse_quantity
from computebill.base.specfile import Name, Spec, parse_toml, read_text, validate
from computebill.uncertainty.distribution import Distribution
from computebill.uncertainty.draws import Columns, Settings

from .bases import DOLLARS, Basis
from .stated import KINDS, Kind

FILE = "followers.toml"
FINAL, UNEXPLAINED = "final runs", "unexplained"
PARTS: tuple[str, ...] = (FINAL, *KINDS, UNEXPLAINED)
"""What a leader's bill is made of, in the order of the rows of a follower's."""
SEED_APART = 104_729
"""Between the seed of a programme's draws and that of what followers skip."""


def _part(value: object) -> Quantity:
    """Read a share that may be nothing or all."""
    return parse_quantity(value, upper=1.0, zero=True)


Skip = Annotated[Quantity, BeforeValidator(_part)]


class Teacher(Spec):
    """What a distiller buys of the leader's model.

    Attributes:
        tokens: that the teacher writes.
        usd_per_million: price of a million of them [USD].
    """

    tokens: Positive
    usd_per_million: Positive


class Follower(Spec):
    """One way of following.

    Attributes:
        name: name of it.
        description: who follows so, and what it skips.
        note: what the ranges rest on.
        skips: share of each kind of the leader's bill that is skipped; nothing of one not named.
        teacher: tokens bought of the leader's model.
    """

    name: Name
    description: str
    note: str = ""
    skips: dict[str, Skip]
    teacher: Teacher | None = None

    @model_validator(mode="after")
    def _known_parts(self) -> Follower:
        for name in self.skips:
            if name not in PARTS:
                raise ValueError(f"skips.{name}: is no part; allowed: {', '.join(PARTS)}")
        return self


class FollowerFile(Spec):
    """Ways of following.

    Attributes:
        followers: each of them.
    """

    followers: Annotated[tuple[Follower, ...], Field(min_length=1, max_length=20)]


@dataclass(frozen=True)
class FollowersBill:
    """What one way of following costs.

    Attributes:
        follower: as described.
        bill: in the unit of the programme's basis.
        share: of the leader's R&D compute.
        bound: whether the bill is at least, or at most, this; None where it is a figure.
    """

    follower: Follower
    bill: Distribution
    share: Distribution
    bound: str | None = None

    def to_dict(self, basis: Basis) -> dict[str, Any]:
        """Return the JSON form."""
        teacher = self.follower.teacher
        return {
            "name": self.follower.name,
            "description": self.follower.description,
            "is_a_judgement": True,
            f"bill_{basis.key}": self.bill.to_dict(),
            "bound": self.bound,
            "share": self.share.to_dict(),
            "skips": {name: skip.text for name, skip in self.follower.skips.items()},
            "teacher": None
            if teacher is None
            else {"tokens": teacher.tokens.text, "usd_per_million": teacher.usd_per_million.text},
        }


def read_followers(path: Path | None = None) -> tuple[Follower, ...]:
    """Return ways of following: those that ship, or those of a file.

    Raises:
        RequestError: naming the file and its field.
    """
    if path is None:
        text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
        return validate(FollowerFile, parse_toml(text, FILE), FILE).followers
    return validate(FollowerFile, parse_toml(read_text(path), str(path)), str(path)).followers


class FollowerRows:
    """Ways of following, laid out to be priced in many draws."""

    def __init__(self, followers: Sequence[Follower], basis: Basis, device: str) -> None:
        """Lay out what is skipped; tokens are bought in dollars only."""
        self.followers = tuple(
            each for each in followers if each.teacher is None or basis is DOLLARS
        )
        nothing = _part(0)
        quantities: list[Quantity] = []
        self._bought: list[int | None] = []
        for each in self.followers:
            quantities += [each.skips.get(name, nothing) for name in PARTS]
        for each in self.followers:
            self._bought.append(None if each.teacher is None else len(quantities))
            if each.teacher is not None:
                quantities += [each.teacher.tokens, each.teacher.usd_per_million]
        names = [f"follower {i}" for i in range(len(quantities))]
        self._columns = Columns(quantities, names, device)

    def bills(self, parts: Tensor, chosen: Settings, start: int) -> Tensor:
        """Price every way of following, ``(followers, draws)``.

        Args:
            parts: the leader's bill in the order of ``PARTS``, ``(parts, draws)``.
            chosen: draws of the programme.
            start: number of the first of these draws.
        """
        apart = chosen._replace(seed=chosen.seed + SEED_APART, method="random")
        values = self._columns.draw(self._columns.points(apart, 0, start, parts.shape[1]))
        found = []
        for i, bought in enumerate(self._bought):
            skipped = values[i * len(PARTS) : (i + 1) * len(PARTS)]
            bill = ((1 - skipped) * parts).sum(0)
            if bought is not None:
                bill = bill + values[bought] * values[bought + 1] / 1e6
            found.append(bill)
        return torch.stack(found) if found else parts[:0]


def parts_of(final: Tensor, kinds: Sequence[Kind], by_kind: Tensor, unexplained: Tensor) -> Tensor:
    """Return a leader's bill in the order of ``PARTS``; kinds of which nothing is known are none.

    Args:
        final: final runs, ``(draws,)``.
        kinds: of the rows.
        by_kind: ``(kinds, draws)``.
        unexplained: what remains, ``(draws,)``.
    """
    rows = final.new_zeros(len(PARTS), final.shape[0])
    rows[0], rows[-1] = final, unexplained
    for kind, row in zip(kinds, by_kind, strict=True):
        rows[PARTS.index(kind)] = row
    return rows
