"""Rules by which experiments end before their time, as a sweep file tells them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from computebill.base.amounts import Whole
from computebill.base.quantity import Number
from computebill.base.specfile import Spec


class Bracket(Spec):
    """Experiments that compete with each other.

    Attributes:
        count: that begin.
        rungs: at which one in eta goes on, the whole length the last.
    """

    count: Whole
    rungs: Annotated[Whole, Field(le=40)]


class Halving(Spec):
    """Successive halving, or its asynchronous form; with brackets, Hyperband.

    Attributes:
        eta: one in so many goes on.
        rungs: of progress, the whole length the last; or brackets.
        brackets: in its place.
        resumed: whether experiments go on from where they were.
    """

    eta: Annotated[Number, Field(gt=1, le=100)] = 3
    rungs: Annotated[Whole, Field(le=40)] | None = None
    brackets: tuple[Bracket, ...] = ()
    resumed: bool = True

    @model_validator(mode="after")
    def _one_form(self) -> Halving:
        if (self.rungs is None) == (not self.brackets):
            raise ValueError("give rungs or brackets")
        return self


class Killed(Spec):
    """Of experiments that come so far, a share is stopped.

    Attributes:
        at: progress, a share of the whole length.
        share: of those that still run.
    """

    at: Annotated[Number, Field(gt=0, lt=1)]
    share: Annotated[Number, Field(ge=0, le=1)]


class Stop(Spec):
    """When experiments are stopped early; one of the three.

    Attributes:
        fraction: of its length that each runs.
        halving: successive halving.
        killed: shares of those that still run, by progress.
    """

    fraction: Annotated[Number, Field(gt=0, le=1)] | None = None
    halving: Halving | None = None
    killed: tuple[Killed, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Stop:
        if sum((self.fraction is not None, self.halving is not None, bool(self.killed))) != 1:
            raise ValueError("give one of fraction, halving, killed")
        at = [each.at for each in self.killed]
        if at != sorted(set(at)):
            raise ValueError("killed: each progress has to be above that of the one before")
        return self


class Failures(Spec):
    """Experiments that fail, at any progress alike.

    Attributes:
        rate: share of experiments.
        restarted: share of these that are begun again, and come through.
    """

    rate: Annotated[Number, Field(ge=0, lt=1)]
    restarted: Annotated[Number, Field(ge=0, le=1)] = 1.0
