"""A run's passport: what it was, did and took, each number measured, declared or assumed."""

from __future__ import annotations

import datetime as dt
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from computebill.base.errors import RequestError, shown
from computebill.base.quantity import number_text
from computebill.base.writing import replacing

Basis = Literal["measured", "declared", "assumed"]
"""How a number is known: seen while it ran; said by the user, a datasheet or a configuration; or
neither. A number that is computed is known as its least known input is."""

BASES: tuple[Basis, ...] = ("measured", "declared", "assumed")

SOFTWARE = ("computebill", "torch", "transformers", "accelerate", "deepspeed")


@dataclass(frozen=True)
class Entry:
    """One number of a passport.

    Attributes:
        key: of the JSON form.
        label: for people.
        value: in ``unit``; None where nobody knows it.
        unit: of the value; empty for a share or a count.
        basis: how it is known.
        source: where it is from.
        p5: lower end of its interval; None where it has none.
        p95: upper end.
    """

    key: str
    label: str
    value: float | None
    unit: str
    basis: Basis
    source: str
    p5: float | None = None
    p95: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        names = ("label", "value", "p5", "p95", "unit", "basis", "source")
        return {name: getattr(self, name) for name in names}

    @property
    def text(self) -> str:
        """The number as a person reads it, with its interval and unit."""
        if self.value is None:
            return "not known"
        if self.key.startswith(("mfu", "hfu", "goodput")):
            return f"{self.value:.1%}"
        told = number_text(self.value, 4)
        if self.p5 is not None and self.p95 is not None:
            told += f" ({number_text(self.p5, 4)}–{number_text(self.p95, 4)})"
        return f"{told} {self.unit}".rstrip()


def worst(*bases: Basis) -> Basis:
    """Return the basis of a number that is computed from others."""
    return max(bases, key=BASES.index)


@dataclass(frozen=True)
class Passport:
    """What a run was, did and took.

    Attributes:
        name: of the run.
        model: of what it trained: its type, or its size.
        hardware: of what it ran on, in words.
        entries: its numbers.
        software: versions by package, Python's included.
        assumptions: what numbers rest on: name, value, source of each.
        day: that it was made.
    """

    name: str
    model: str
    hardware: str
    entries: tuple[Entry, ...]
    software: Mapping[str, str]
    assumptions: tuple[Mapping[str, str], ...]
    day: dt.date

    def __getitem__(self, key: str) -> Entry:
        """Return the number of a key."""
        return next(each for each in self.entries if each.key == key)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        return {
            "name": self.name,
            "model": self.model,
            "hardware": self.hardware,
            "date": self.day.isoformat(),
            "figures": {each.key: each.to_dict() for each in self.entries},
            "software": dict(self.software),
            "assumptions": [dict(each) for each in self.assumptions],
        }

    def to_markdown(self) -> str:
        """Return a section for a model card."""
        lines = [
            f"## Training compute: {_cell(self.name)}",
            "",
            f"{_cell(self.model)}, on {_cell(self.hardware)}; {self.day.isoformat()}.",
            "",
            "| | value | known | source |",
            "|---|---:|---|---|",
        ]
        lines += [
            f"| {_cell(each.label)} | {_cell(each.text)} | {each.basis} | {_cell(each.source)} |"
            for each in self.entries
        ]
        versions = ", ".join(f"{name} {_cell(each)}" for name, each in self.software.items())
        told = f"Software (measured): {versions}. " if versions else ""
        lines += ["", f"{told}Intervals are 5th to 95th percentiles."]
        if self.assumptions:
            lines += ["", "What the figures rest on:", ""]
            lines += [
                f"- {_cell(each['name'])}: {_cell(each['value'])} ({_cell(each['source'])})"
                for each in self.assumptions
            ]
        return "\n".join(lines) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write it as JSON or, for a model card, as Markdown, by the file's ending.

        Raises:
            RequestError: where the ending is neither, or the file cannot be written.
        """
        target = Path(path)
        if target.suffix not in (".json", ".md"):
            raise RequestError("passport", f"got {shown(str(path))}; allowed: .json or .md")
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        with replacing(target) as temporary:
            temporary.write_text(
                text if target.suffix == ".json" else self.to_markdown(), encoding="utf-8"
            )
        return target

    def _repr_markdown_(self) -> str:
        """Return the section, for notebooks."""
        return self.to_markdown()


def _cell(text: str) -> str:
    """Return a text that stays within its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def installed() -> dict[str, str]:
    """Return the versions of what trains, as far as it is installed."""

    def found() -> Iterator[tuple[str, str]]:
        yield "python", platform.python_version()
        for name in SOFTWARE:
            try:
                yield name, version(name)
            except PackageNotFoundError:
                continue

    return dict(found())
