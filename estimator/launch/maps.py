"""What each framework's settings mean: the tables of ``frameworks/``, read."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("frameworks")


@dataclass(frozen=True)
class Row:
    """What a setting means.

    Attributes:
        fact: that its value is of; empty: its value decides others.
        values: facts' values by the setting's, where they are spelled otherwise; ``*`` is any
            other, and an empty text says nothing. Beside ``why`` those that need no word.
        on: facts where the setting is switched on.
        off: facts where it is switched off.
        reads: name of what reads a value that is written in a form of its own.
        together: of several settings of one fact, what makes one of them: product, or parts of a
            list.
        why: why no fact comes of it.
        writes: whether the setting is written where a layout is handed over.
        also: what else it means.
    """

    fact: str = ""
    values: Mapping[str, Any] | None = None
    on: Mapping[str, Any] | None = None
    off: Mapping[str, Any] | None = None
    reads: str = ""
    together: str = ""
    why: str = ""
    writes: bool = True
    also: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Known:
    """What tells a framework's files, or those of what launches one, from others.

    Attributes:
        key: name of the table.
        title: name, for people.
        framework: name that ``--framework`` takes; empty of a part that is none.
        is_part: whether it only starts or divides what another framework trains.
        programs: patterns of what is run.
        signs: settings, or tables of them, that tell its files from others.
        fewest: signs that a file has to have.
        shared: signs of what it stands on, which count beside its own.
        prefixes: of paths that a setting may stand under.
    """

    key: str
    title: str
    framework: str
    is_part: bool
    programs: tuple[str, ...]
    signs: frozenset[str]
    fewest: int
    shared: frozenset[str]
    prefixes: tuple[str, ...]

    def bare(self, key: str) -> Iterator[str]:
        """Yield a path, and what is left of it behind each prefix."""
        yield key
        for prefix in self.prefixes:
            if key.startswith(prefix):
                yield key.removeprefix(prefix)

    def score(self, keys: frozenset[str], programs: str) -> int:
        """Return how much a file looks like this framework's."""
        bare = {each for key in keys for each in self.bare(key)}
        tables = [(each.rpartition(".")[0], each.partition(".")[0]) for each in bare]
        bare |= {table for both in tables for table in both}
        found = len(self.signs & bare)
        is_run = any(re.search(pattern, programs) for pattern in self.programs)
        if not is_run and found < self.fewest:
            return 0
        return found + len(self.shared & bare) + 10 * is_run


@dataclass(frozen=True)
class Framework:
    """What the settings of a framework mean.

    Attributes:
        known: what tells its files from others.
        rows: meanings by setting.
        patterns: meanings by pattern of settings.
        idle: patterns of settings that cost nothing.
        usual: facts that hold where the files are silent.
        models: configurations by the framework's own names for them.
        writes: how a layout is handed over; empty where it is not.
    """

    known: Known
    rows: Mapping[str, Row]
    patterns: Mapping[str, Row]
    idle: re.Pattern[str]
    usual: Mapping[str, Any]
    models: Mapping[str, str]
    writes: Mapping[str, Any]

    def row(self, key: str) -> Row | None:
        """Return what a setting means; None where it is not known."""
        for bare in self.known.bare(key):
            if bare in self.rows:
                return self.rows[bare]
        for bare in self.known.bare(key):
            for pattern, row in self.patterns.items():
                if fnmatch.fnmatchcase(bare, pattern):
                    return row
        return None

    def is_idle(self, key: str) -> bool:
        """Whether a setting costs nothing."""
        return any(self.idle.fullmatch(bare) for bare in self.known.bare(key))


def _row(value: Any) -> Row:
    if isinstance(value, str):
        return Row(value)
    return Row(**{**value, "also": tuple(_row(each) for each in value.get("also", ()))})


def _text(key: str) -> str:
    return (FOLDER / f"{key}.toml").read_text(encoding="utf-8")


@cache
def _head(key: str) -> dict[str, Any]:
    """Read what stands before a table's first heading: enough to tell whose a file is."""
    return tomllib.loads(_text(key).partition("\n[")[0])


@cache
def _table(key: str) -> dict[str, Any]:
    data = tomllib.loads(_text(key))
    rows, idle = dict(data.get("rows", {})), list(data.get("idle", {}).get("settings", []))
    rows |= {name: {"why": why} for name, why in data.get("unused", {}).items()}
    models = dict(data.get("models", {}))
    for name in data.get("includes", []):
        other = _table(name)
        # What a table says itself stands first, and so is what is written.
        rows |= {key: row for key, row in other["rows"].items() if key not in rows}
        models |= {key: model for key, model in other["models"].items() if key not in models}
        idle += other["idle"]
    return {**data, "rows": rows, "idle": idle, "models": models}


@cache
def known(key: str) -> Known:
    """Return what tells a framework's files from others, by the name of its table."""
    head = _head(key)
    return Known(
        key=key,
        title=head["title"],
        framework=head.get("framework", ""),
        is_part=head.get("part", False),
        programs=tuple(head.get("programs", ())),
        signs=frozenset(head.get("signs", ())),
        fewest=head.get("fewest", 2),
        shared=frozenset(
            sign for each in head.get("includes", ()) for sign in _head(each)["signs"]
        ),
        prefixes=tuple(head.get("prefixes", ())),
    )


@cache
def framework(key: str) -> Framework:
    """Return a framework's settings by the name of its table."""
    data = _table(key)
    rows = {name: _row(value) for name, value in data["rows"].items()}
    is_pattern = {name: "*" in name for name in rows}
    idle = "|".join(fnmatch.translate(each).removesuffix(r"\Z") for each in data["idle"]) or "(?!)"
    return Framework(
        known=known(key),
        rows={name: row for name, row in rows.items() if not is_pattern[name]},
        patterns={name: row for name, row in rows.items() if is_pattern[name]},
        idle=re.compile(idle),
        usual=data.get("usual", {}),
        models=data["models"],
        writes=data.get("writes", {}),
    )


@cache
def frameworks() -> tuple[Known, ...]:
    """Return what tells the files of all frameworks apart, by name."""
    return tuple(known(path.stem) for path in sorted(FOLDER.glob("*.toml")))
