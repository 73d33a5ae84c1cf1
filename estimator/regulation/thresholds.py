"""What totals are held to: thresholds, the margin, days, significant figures."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from computebill.base.specfile import Name, SourceNote, Spec, read_toml, validate

FILE = Path(__file__).with_name("thresholds.toml")


class Threshold(Spec):
    """A value that a total is compared with.

    Attributes:
        name: what exceeding it makes of a model.
        value: FLOP.
        comparison: how it is compared.
        rule_sets: rule sets whose total is.
        jurisdiction: where it holds.
        consequence: what follows.
        in_force_since: day, or days.
        where: place in the rule.
        source: key of the source.
        read: primary: the rule's own words were read; secondary: an account of them.
    """

    name: Name
    value: float
    comparison: Literal["greater than", "at least"]
    rule_sets: tuple[str, ...]
    jurisdiction: Name
    consequence: str
    in_force_since: str
    where: Name
    source: str
    read: Literal["primary", "secondary"]


class Limit(Spec):
    """A number of a rule.

    Attributes:
        value: the number.
        what: what it is.
        where: place in the rule.
        source: key of the source.
        read: as of ``Threshold``.
    """

    value: float
    what: str
    where: Name
    source: str
    read: Literal["primary", "secondary"]


class Regulation(Spec):
    """Thresholds and limits, as their file has them.

    Attributes:
        read_on: day of reading.
        sources: sources by key.
        threshold: thresholds.
        margin: share of the reported estimate.
        notice_days: days from meeting a threshold to notifying.
        figures: significant figures of a notification.
        modification_share: share of the original's compute.
        context_per_parameter: tokens a parameter up to which 6PD stands.
    """

    read_on: dt.date
    sources: dict[str, SourceNote]
    threshold: tuple[Threshold, ...]
    margin: Limit
    notice_days: Limit
    figures: Limit
    modification_share: Limit
    context_per_parameter: Limit


class Mark(NamedTuple):
    """A value that several thresholds may share.

    Attributes:
        name: what exceeding it makes of a model.
        value: FLOP.
        rule_sets: rule sets that some threshold of the value is held against.
    """

    name: str
    value: float
    rule_sets: tuple[str, ...]

    @property
    def text(self) -> str:
        """The value as people write it: ``1e25``."""
        return in_figures(self.value, 1)


@cache
def regulation() -> Regulation:
    """Return thresholds and limits."""
    return validate(Regulation, read_toml(FILE), FILE.name)


@cache
def marks() -> tuple[Mark, ...]:
    """Return the different values, the least first."""
    found: dict[tuple[float, str], tuple[str, ...]] = {}
    for each in regulation().threshold:
        key = each.value, each.name
        found[key] = (*found.get(key, ()), *each.rule_sets)
    return tuple(Mark(name, value, sets) for (value, name), sets in sorted(found.items()))


def substitutes() -> Mapping[str, float]:
    """Return a third of each EU threshold [FLOP], by the threshold's name.

    What a modification is held to where the original's compute is neither known nor can be
    estimated (guidelines 3.2, para 61).
    """
    share = regulation().modification_share.value
    named = {each.name: each.value for each in marks()}
    return {name: share * named[name] for name in ("general-purpose", "systemic-risk")}


def in_figures(value: float, figures: int = 2, rounding: str = "nearest") -> str:
    """Write FLOP with significant figures: ``2.3e25``.

    Args:
        value: FLOP, 0 or more.
        figures: how many.
        rounding: nearest, or cut.
    """
    if not math.isfinite(value) or value <= 0:
        return "0" if value == 0 else "not known"
    exponent = math.floor(math.log10(value))
    step = 10.0 ** (exponent - figures + 1)
    # A quotient that is whole but for rounding stays whole.
    units = math.floor(value / step + 1e-9) if rounding == "cut" else round(value / step)
    mantissa, _, power = f"{float(f'{units}e{exponent - figures + 1}'):.{figures - 1}e}".partition(
        "e"
    )
    return f"{mantissa}e{int(power)}"
