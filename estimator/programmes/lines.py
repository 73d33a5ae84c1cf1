"""Lines of what an organisation reported, put together from the periods it reported them for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from computebill.base.errors import shown
from computebill.base.quantity import NotNegative, Number, Share
from computebill.base.specfile import Name, Spec

from .bases import Basis, Mark
from .periods import Months, parse_period, parse_window

RND_COMPUTE = "rnd_compute"


def _check_period(value: object) -> object:
    parse_period(value)
    return value


Period = Annotated[str | int, BeforeValidator(_check_period)]


class Window(Spec):
    """A range of months.

    Attributes:
        first: period that it begins with.
        last: period that it ends with, included.
    """

    first: Period
    last: Period

    @model_validator(mode="after")
    def _in_order(self) -> Window:
        parse_window(self.first, self.last)
        return self

    @property
    def months(self) -> Months:
        """The months themselves."""
        return parse_window(self.first, self.last)


class Currency(Spec):
    """An exchange rate.

    Attributes:
        per_usd: units of the currency for one dollar.
        source: key of the source.
    """

    per_usd: Number
    source: str

    @field_validator("per_usd")
    @classmethod
    def _positive(cls, value: float) -> float:
        if value <= 0:
            raise ValueError(f"got {value:g}; allowed: above 0")
        return value


class Term(Spec):
    """One reported period of an item.

    Attributes:
        period: months that the amount is of.
        amount: sum of money [the item's currency], or amount of the item's unit.
        sign: 1 where it is added, -1 where it is subtracted.
        factor: share of the amount that is meant, as of R&D expense that is compute.
        factor_from: period that the share was reported for, where it is another.
        note: what a reader should know of it.
    """

    period: Period
    amount: NotNegative
    sign: Literal[1, -1] = 1
    factor: Share | None = None
    factor_from: Period | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _factor_first(self) -> Term:
        if self.factor_from is not None and self.factor is None:
            raise ValueError("factor_from: got one without a factor; allowed: both or neither")
        return self

    @property
    def median(self) -> float:
        """The part of the amount that is meant, with its sign, at the medians."""
        return self.sign * self.amount.median * (1.0 if self.factor is None else self.factor.median)

    @property
    def is_carried(self) -> bool:
        """Whether its share was reported for other months than its own."""
        if self.factor_from is None:
            return False
        return not parse_period(self.factor_from).holds(parse_period(self.period))


class ReportedItem(Spec):
    """A line of what was reported.

    Attributes:
        item: name of the line.
        counts_as: kind of the line: rnd_compute, the share's base, or one of the user's own.
        currency: code of its currency; every line has this or a unit.
        unit: unit of its amounts, where they are no money.
        estimated: true where it is in the share's base, but not among what was reported.
        status: whether it was spent, projected while it was being spent, or planned.
        at_least: true where the whole is at least this.
        at_most: true where the whole is at most this.
        mismatch: what the line holds beside the organisation's R&D compute, or lacks of it.
        mark: what the figure rests on.
        source: key of the source.
        note: what a reader should know of it.
        periods: terms that cover the window once, with their signs.
    """

    item: Name
    counts_as: Annotated[str, Field(pattern="^[a-z][a-z_]*$", max_length=40)]
    currency: str | None = None
    unit: str | None = None
    estimated: bool = False
    status: Literal["spent", "projected", "planned"] = "spent"
    at_least: bool = False
    at_most: bool = False
    mismatch: str | None = None
    mark: Mark = "unmarked"
    source: str
    note: str | None = None
    periods: Annotated[tuple[Term, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_unit(self) -> ReportedItem:
        if self.currency is not None and self.unit is not None:
            raise ValueError(
                f"unit: got {shown(self.unit)} beside the currency {shown(self.currency)}; "
                "allowed: one of the two"
            )
        if self.at_least and self.at_most:
            raise ValueError("at_most: got true beside at_least; allowed: one of the two")
        return self

    @property
    def median(self) -> float:
        """The line over the window, at the medians [its currency or unit]."""
        return sum(term.median for term in self.periods)

    @property
    def carried(self) -> float:
        """What of it rests on a share that was reported for other months, at the medians.

        A year less its nine months is the last quarter, and so is what their shares give.
        """
        shared = [term for term in self.periods if term.factor_from is not None]
        if not any(term.is_carried for term in shared):
            return 0.0
        return sum(term.median for term in shared)

    @property
    def is_base(self) -> bool:
        """Whether it belongs to R&D compute, the share's base."""
        return self.counts_as == RND_COMPUTE

    @property
    def money(self) -> str:
        """Code of the currency; empty where the amounts are no money."""
        return self.currency or ""

    def check_unit(self, basis: Basis, currencies: Collection[str]) -> None:
        """Refuse a line without a unit, and one of R&D compute in another than the basis's.

        Args:
            basis: that the programme is counted in.
            currencies: codes that have an exchange rate.

        Raises:
            ValueError: naming ``unit`` or ``currency``.
        """
        rates = ", ".join(currencies) or "none given"
        codes = f"USD or one with an exchange rate in [currencies] ({rates})"
        in_dollars = basis.name == "dollars"
        if self.currency is None and self.unit is None and (in_dollars or not self.is_base):
            place = "" if self.is_base else ", or a unit in its place"
            raise ValueError(f"currency is missing; allowed: {codes}{place}")
        if self.currency is not None and self.currency not in ("USD", *currencies):
            raise ValueError(f"currency: got {shown(self.currency)}; allowed: {codes}")
        if not self.is_base:
            return
        allowed = f"allowed: {basis.unit}, as the programme's basis is {basis.name}"
        if in_dollars:
            if self.unit is not None:
                raise ValueError(f"unit: got {shown(self.unit)}; allowed: none, but a currency")
        elif self.currency is not None:
            raise ValueError(f"currency: got {shown(self.currency)}; allowed: none, but a unit")
        elif self.unit is None:
            raise ValueError(f"unit is missing; {allowed}")
        elif self.unit != basis.unit:
            raise ValueError(f"unit: got {shown(self.unit)}; {allowed}")
