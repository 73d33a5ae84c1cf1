"""A launch configuration in neutral words: facts, each with the file and the line that say it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

FACTS_FILE = Path(__file__).with_name("facts.toml")

Kind = Literal["whole", "rest", "number", "text", "switch", "list"]
"""What a fact takes: a whole number from 0; the same, or -1 for what is left; any number; …"""


class FactKind(NamedTuple):
    """What a fact is.

    Attributes:
        kind: what it takes.
        what: it in words.
        flag: flag of the command line that gives it in the file's place; empty: there is none.
    """

    kind: Kind
    what: str
    flag: str = ""


@cache
def fact_kinds() -> Mapping[str, FactKind]:
    """Return every fact that a launch configuration may say, by its name."""
    table = tomllib.loads(FACTS_FILE.read_text(encoding="utf-8"))
    return {name: FactKind(**row) for name, row in table.items()}


def kind_of(fact: str) -> FactKind:
    """Return what a fact is; fields of a ``config.json`` (``config.…``) take anything."""
    return fact_kinds().get(fact) or FactKind("text", fact.removeprefix("config."))


@dataclass(frozen=True)
class Said:
    """Where a file says something.

    Attributes:
        key: name of the setting, as the file spells it.
        file: name of the file.
        line: of it, the first is 1; None where the file has none.
    """

    key: str
    file: str
    line: int | None = None

    @property
    def told(self) -> str:
        """The place in words: ``run.sh line 12, --num-layers``."""
        return f"{self.file}{'' if self.line is None else f' line {self.line}'}, {self.key}"


@dataclass(frozen=True)
class Fact:
    """A value that a launch configuration gives, or that its framework takes without one.

    Attributes:
        value: a whole number, a number, a text, a switch, or a tuple of texts.
        said: where; of what a framework takes by itself, its name in place of a file's.
        usual: whether the framework takes it by itself, the files being silent.
    """

    value: Any
    said: Said
    usual: bool = False


@dataclass(frozen=True)
class Unused:
    """A setting that no fact comes of.

    Attributes:
        said: where.
        value: as the file has it.
        why: the reason; empty where the setting is not known at all.
    """

    said: Said
    value: Any
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "setting": self.said.key,
            "value": self.value,
            "file": self.said.file,
            "line": self.said.line,
            "why": self.why or "not known",
        }


@dataclass(frozen=True)
class Launch:
    """What launch configurations say together.

    Attributes:
        framework: name of the framework, as ``--framework`` takes it.
        title: its name, for people.
        files: names of the files, in the order that they were given.
        facts: by name (``facts.toml``); ``config.…`` are fields of a model's config.json.
        unused: settings that may bear on the answer and that no fact comes of.
        idle: settings of data, learning rates, logs and checkpoints, which cost nothing here.
        notes: what was left alone, and where files contradict each other.
    """

    framework: str
    title: str
    files: tuple[str, ...]
    facts: Mapping[str, Fact]
    unused: Sequence[Unused] = ()
    idle: Sequence[Unused] = ()
    notes: Sequence[str] = field(default=())

    def get(self, fact: str, default: Any = None) -> Any:
        """Return a fact's value."""
        found = self.facts.get(fact)
        return default if found is None else found.value

    @property
    def config(self) -> dict[str, Any]:
        """Fields of a config.json that the files hold; empty where they hold none."""
        return {
            name.removeprefix("config."): fact.value
            for name, fact in self.facts.items()
            if name.startswith("config.")
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "framework": self.framework,
            "title": self.title,
            "files": list(self.files),
            "facts": [
                {
                    "name": name,
                    "value": fact.value,
                    "setting": fact.said.key,
                    "file": fact.said.file,
                    "line": fact.said.line,
                    "usual": fact.usual,
                }
                for name, fact in self.facts.items()
            ],
            "unused": [each.to_dict() for each in self.unused],
            "idle": [each.said.key for each in self.idle],
            "notes": list(self.notes),
        }
