"""What is stated of the rest: parts of R&D compute that are no final runs, each of one kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from computebill.base.errors import shown
from computebill.base.quantity import NotNegative, Positive, Share
from computebill.base.specfile import Name, Spec

from .bases import Mark

Kind = Literal[
    "pretraining research",
    "post-training development",
    "unreleased and failed runs",
    "synthetic data",
    "research inference",
    "evaluation",
    "idle and debugging",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What the rest is split into; none of them overlaps another."""

STAGES: dict[str, Kind] = {
    "pretraining": "pretraining research",
    "post-training": "post-training development",
}
"""Kind of the rest that each stage of the final runs is developed in."""

SIZE_FORMS: tuple[frozenset[str], ...] = (
    frozenset({"amount"}),
    frozenset({"share_of_total"}),
    frozenset({"share_of_rest"}),
    frozenset({"run", "ratio"}),
    frozenset({"people", "usd_per_day", "days"}),
    frozenset({"people", "usd_per_day", "days", "cost_share"}),
    frozenset({"sweep"}),
)
SIZE_TEXT = (
    "amount; share_of_total; share_of_rest; run with ratio; people with usd_per_day and days, "
    "and cost_share; or sweep"
)
SIZE_KEYS = tuple(dict.fromkeys(key for form in SIZE_FORMS for key in sorted(form)))


class StatedPart(Spec):
    """A part of the rest that was stated; exactly one way of saying how large it was.

    Attributes:
        name: what it was.
        kind: what it counts as.
        holds: further kinds inside it, which are then not looked for elsewhere.
        amount: in the unit of the programme's basis.
        share_of_total: of all R&D compute.
        share_of_rest: of what is no final run.
        run: name of the run that it is measured by.
        ratio: its size over that run's.
        people: number of people, with dollars a day.
        usd_per_day: list price of what one of them uses on a working day [USD].
        days: working days.
        cost_share: cost over list price.
        sweep: experiments or generation as a sweep has them: fields, a preset, or a file.
        mark: what the figure rests on.
        source: key of the source.
        note: what a reader should know of it.
    """

    name: Name
    kind: Kind
    holds: tuple[Kind, ...] = ()
    amount: NotNegative | None = None
    share_of_total: Share | None = None
    share_of_rest: Share | None = None
    run: str | None = None
    ratio: Positive | None = None
    people: Positive | None = None
    usd_per_day: Positive | None = None
    days: Positive | None = None
    cost_share: Share | None = None
    sweep: Annotated[str | dict[str, Any] | None, Field(union_mode="left_to_right")] = None
    mark: Mark = "unmarked"
    source: str
    note: str | None = None

    @model_validator(mode="after")
    def _one_size(self) -> StatedPart:
        given = frozenset(key for key in SIZE_KEYS if getattr(self, key) is not None)
        if given not in SIZE_FORMS:
            named = ", ".join(sorted(given)) or "nothing"
            raise ValueError(f"the part's size: got {named}; allowed: {SIZE_TEXT}")
        return self


def check_kinds(parts: tuple[StatedPart, ...]) -> None:
    """Refuse parts that overlap: a kind that one part is of and another holds.

    Raises:
        ValueError: naming ``exploration[i].holds``.
    """
    of = {part.kind: part.name for part in parts}
    held: dict[str, str] = {}
    for i, part in enumerate(parts):
        for kind in part.holds:
            other = of.get(kind) or held.get(kind)
            if other is not None:
                raise ValueError(
                    f"exploration[{i}].holds: got {shown(kind)}, which {shown(other)} has as well; "
                    "allowed: kinds that no other part has"
                )
            held[kind] = part.name
