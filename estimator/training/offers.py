"""What layouts a framework offers: its degrees, ZeRO stages, recomputation and schedules."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from computebill.base.errors import RequestError

from .software import read_month, running

OFFERS_FILE = Path(__file__).with_name("offers.toml")

DEGREES = ("tp", "pp", "vpp", "cp", "ep")
"""Degrees that a framework may lack: of those it has 1."""

EVERY_STAGE = (0, 1, 2, 3)


class Offer(NamedTuple):
    """What layouts a framework has at a date.

    Attributes:
        title: its name, for people.
        degrees: degrees that may be more than 1, and ``sequence_parallel``.
        zero: ZeRO stages.
        piped_zero: those that go with pipelines.
        tensor_zero: those that go with tensor parallelism.
        recompute: what may be computed again.
        recompute_layers: how many layers of a stage are, with full: "one" number of all stages,
            "each" its own; none of a framework that has no such setting.
        schedules: of pipelines.
        stages: what pipeline stages may have of their own: "ends" (layers of the first and the
            last), "lists" (of each); none where all have as many.
        source: where that is from, and what of it is unchecked.
    """

    title: str
    degrees: frozenset[str]
    zero: tuple[int, ...]
    piped_zero: tuple[int, ...]
    tensor_zero: tuple[int, ...]
    recompute: tuple[str, ...]
    recompute_layers: str
    schedules: tuple[str, ...]
    stages: frozenset[str]
    source: str

    @property
    def told(self) -> str:
        """Degrees, and ZeRO stages with what they go with, in a line."""
        degrees = [name for name in DEGREES if name in self.degrees] or ["no degree but dp"]
        parts = [", ".join(degrees), f"zero {_listed(self.zero)}"]
        for what, stages in (("pp", self.piped_zero), ("tp", self.tensor_zero)):
            left = [each for each in self.zero if each in stages]
            if what in self.degrees and len(left) < len(self.zero):
                parts.append(f"with {what} {_listed(left)}")
        return "; ".join([*parts, f"recompute {_listed(self.recomputed)}"])

    @property
    def recomputed(self) -> tuple[str, ...]:
        """What may be computed again, and whether it may be as few layers as fit."""
        return (*self.recompute, "fewest") if self.recompute_layers else self.recompute

    def allowed(self, name: str) -> tuple[Any, ...] | None:
        """Values of a layout's field that the framework has; None where it has all."""
        if name in DEGREES and name not in self.degrees:
            return (1,)
        if name == "sequence_parallel" and name not in self.degrees:
            return (False,)
        if name == "uneven" and not self.stages:
            return (False,)
        if name == "layers_per_stage" and "lists" not in self.stages:
            return ("as many on each",)
        found = {"zero": self.zero, "recompute": self.recomputed, "schedule": self.schedules}
        return found.get(name)

    def check(self, given: Mapping[str, Sequence[Any]]) -> None:
        """Refuse choices of which the framework has none.

        Args:
            given: choices by the layout's fields.

        Raises:
            RequestError: naming the field, what was given and what the framework has.
        """
        for name, values in given.items():
            allowed = self.allowed(name)
            if allowed is not None and not set(values) & set(allowed):
                problem = f"got {_listed(values)}; allowed with {self.title}: {_listed(allowed)}"
                raise RequestError(name, problem)

    def tried(self, name: str, usual: Sequence[Any]) -> tuple[Any, ...]:
        """Values of a field that a search tries: the usual that the framework has, or all it has.

        Args:
            name: the layout's field.
            usual: what is tried of software that has everything.
        """
        allowed = self.allowed(name)
        if allowed is None:
            return tuple(usual)
        return tuple(each for each in usual if each in allowed) or allowed


def _listed(values: Sequence[Any]) -> str:
    switches = {True: "on", False: "off"}
    return ", ".join(switches[each] if isinstance(each, bool) else str(each) for each in values)


def offer_of(framework: str | None, year: float | None) -> Offer | None:
    """Return what layouts a framework has; None where nothing is known to be missing.

    Args:
        framework: its name in the table of frameworks, or None.
        year: of its release; the newest if not known.
    """
    table = _tables().get(framework or "")
    if table is None:
        return None

    def reached(months: Mapping[str, str]) -> list[str]:
        return [name for name, since in months.items() if year is None or read_month(since) <= year]

    # Before the first release of all, what it began with.
    zero = reached(table["zero"]) or [min(table["zero"], key=table["zero"].__getitem__)]
    source = table["source"]
    if "unchecked" in table:
        source = f"{source}; unchecked: {table['unchecked']}"
    return Offer(
        title=running(framework or "", year).title,
        degrees=frozenset(reached(table["degrees"])),
        zero=tuple(sorted(map(int, zero))),
        piped_zero=tuple(table.get("piped_zero", EVERY_STAGE)),
        tensor_zero=tuple(table.get("tensor_zero", EVERY_STAGE)),
        recompute=tuple(table["recompute"]),
        recompute_layers=table.get("recompute_layers", ""),
        schedules=tuple(table["schedules"]),
        stages=frozenset(table.get("stages", ())),
        source=source,
    )


@cache
def _tables() -> dict[str, dict[str, Any]]:
    """Read the table: what is offered, by the names of frameworks."""
    tables = tomllib.loads(OFFERS_FILE.read_text(encoding="utf-8"))
    return {framework: table for table in tables.values() for framework in table["frameworks"]}
