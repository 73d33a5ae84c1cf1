"""Rule sets: which kinds of compute count, need not, or are not spoken of; a file each.

A line of a rule set is about one item (``items.toml``), with the place in the rule, how far the
rule's own words say so (``basis``), and how well they were read (``read``).
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from computebill.base.errors import RequestError, shown
from computebill.base.specfile import (
    Name,
    SourceNote,
    Spec,
    is_file_name,
    read_toml,
    validate,
)

FOLDER = Path(__file__).with_name("rule_sets")
ITEMS = Path(__file__).with_name("items.toml")

SHIPPED = ("eu-updates", "eu-cumulative", "eu-modification", "sb53", "raise", "fmf")
"""Rule sets that ship, in the order in which they are told."""
EVERYTHING = "all"
"""Name of the rule set in which every line counts, and of all rule sets together."""

Treatment = Literal["counts", "does_not_count", "need_not", "silent", "not_read"]
"""What becomes of an item; ``not_read``: nobody looked whether the rule speaks of it."""
OPEN: tuple[Treatment, ...] = ("silent", "not_read")
"""Treatments that leave a line open: totals are shown with it and without it."""


class Item(Spec):
    """What a rule may speak of.

    Attributes:
        kind: a line of FLOP, or a way of counting.
        title: what a person reads.
    """

    kind: Literal["compute", "method"]
    title: Name


class RuleLine(Spec):
    """What a rule says of one item, in words of our own.

    Attributes:
        item: what it is of; a name of ``items.toml``.
        treatment: counts, does_not_count, need_not (may be left out) or silent.
        basis: text: the rule names it; inferred: it follows from a general sentence; absent: the
            rule does not mention it.
        where: place in the rule.
        source: key of the source.
        read: primary: the rule's own words were read; secondary: an account of them.
        words: what it says, briefly.
    """

    item: str
    treatment: Literal["counts", "does_not_count", "need_not", "silent"]
    basis: Literal["text", "inferred", "absent"]
    where: Name
    source: str
    read: Literal["primary", "secondary"]
    words: Annotated[str, Field(min_length=1)]


class RuleSet(Spec):
    """What one rule counts.

    Attributes:
        name: name of the rule set, as ``--rules`` takes it.
        title: what a person reads.
        jurisdiction: where it holds.
        measures: what its total is.
        read_on: day of reading.
        how_read: how far the rule itself was read.
        is_whole: whether all of it was read: an item without a line is then not spoken of.
        rounding: of a total's significant figures: nearest or cut.
        rounding_note: why so.
        sources: sources by key.
        line: lines, one an item.
    """

    name: Name
    title: Name
    jurisdiction: Name = "own"
    measures: str
    read_on: dt.date
    how_read: str
    is_whole: bool = True
    rounding: Literal["nearest", "cut"] = "nearest"
    rounding_note: str = "rounded to the nearest"
    sources: Annotated[dict[str, SourceNote], Field(min_length=1)]
    line: Annotated[tuple[RuleLine, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _lines_hold(self) -> RuleSet:
        seen: set[str] = set()
        for place, each in enumerate(self.line):
            path = f"line[{place}]"
            if each.item not in items():
                raise ValueError(
                    f"{path}.item: got {shown(each.item)}; allowed: {', '.join(items())}"
                )
            if each.item in seen:
                raise ValueError(f"{path}.item: got {shown(each.item)} twice; allowed: each once")
            if each.source not in self.sources:
                raise ValueError(
                    f"{path}.source: got {shown(each.source)}; allowed: {', '.join(self.sources)}"
                )
            seen.add(each.item)
        return self

    @property
    def lines(self) -> Mapping[str, RuleLine]:
        """Lines by item."""
        return {each.item: each for each in self.line}

    @property
    def is_second_hand(self) -> bool:
        """Whether a line was read in an account by others."""
        return any(each.read == "secondary" for each in self.line)

    def treatment(self, item: str) -> Treatment:
        """Return what becomes of an item."""
        line = self.lines.get(item)
        return line.treatment if line else "not_read"

    def left_open(self) -> tuple[RuleLine, ...]:
        """Return the lines of what the rule does not say."""
        return tuple(each for each in self.line if each.treatment == "silent")


@cache
def items() -> Mapping[str, Item]:
    """Return every item by its name."""
    data = tomllib.loads(ITEMS.read_text(encoding="utf-8"))
    return {name: validate(Item, told, f"{ITEMS.name}: {name}") for name, told in data.items()}


@cache
def rule_set(name: str) -> RuleSet:
    """Return a rule set that ships.

    Args:
        name: one of ``SHIPPED``, or ``all``, in which every line counts.

    Raises:
        RequestError: where there is none of the name.
    """
    if name == EVERYTHING:
        return _everything()
    if name not in SHIPPED:
        allowed = ", ".join((*SHIPPED, EVERYTHING))
        raise RequestError("rules", f"got {shown(name)}; allowed: {allowed}, or a .toml file")
    return read_rules(FOLDER / f"{name}.toml")


def read_rules(path: Path) -> RuleSet:
    """Read a rule set.

    Raises:
        RequestError: naming the file and its field.
    """
    return validate(RuleSet, read_toml(path), str(path))


def rule_sets(names: Sequence[str | Path] = ()) -> tuple[RuleSet, ...]:
    """Return rule sets by their names, or from files of one's own, each once.

    Args:
        names: shipped names, files, ``all`` for every one that ships; none: as ``all``.

    Raises:
        RequestError: naming what there is not, or two of one name.
    """
    found: dict[str, RuleSet] = {}
    for name in names or (EVERYTHING,):
        if str(name) == EVERYTHING:
            found |= {each: rule_set(each) for each in (*SHIPPED, EVERYTHING)}
        elif isinstance(name, Path) or is_file_name(name):
            own = read_rules(Path(name))
            if own.name in (*SHIPPED, EVERYTHING) or own.name in found:
                raise RequestError(
                    str(name), f"name: got {shown(own.name)}, which is taken; allowed: another"
                )
            found[own.name] = own
        else:
            found[name] = rule_set(name)
    return tuple(found.values())


def one_rule_set(name: str | Path | None) -> RuleSet | None:
    """Return one rule set by its name or from a file; None where none is asked for.

    Raises:
        RequestError: where there is none.
    """
    if name is None:
        return None
    if isinstance(name, Path) or is_file_name(name):
        return read_rules(Path(name))
    return rule_set(name)


def _everything() -> RuleSet:
    """Return the rule set in which every line counts."""
    told = {
        "name": EVERYTHING,
        "title": "Everything that is told here",
        "jurisdiction": "none",
        "measures": "every line, whichever rule speaks of it: no rule's own number",
        "read_on": dt.date(2026, 11, 30),
        "how_read": "It is no rule.",
        "sources": {"own": {"title": "computebill: the sum of all lines"}},
        "line": [
            {
                "item": name,
                "treatment": "counts",
                "basis": "text",
                "where": "every line",
                "source": "own",
                "read": "primary",
                "words": "Every line counts.",
            }
            for name, item in items().items()
            if item.kind == "compute"
        ],
    }
    return validate(RuleSet, told, EVERYTHING)
