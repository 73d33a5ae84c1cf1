"""Rules of one's own: what kind a job is, which accelerators a partition has, what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, Field, PositiveFloat, field_validator, model_validator

from computebill.base.errors import shown
from computebill.base.quantity import AtLeastOne, Positive, Share
from computebill.base.specfile import Spec, read_toml, validate
from computebill.hardware.accelerators import find_accelerator

from .cells import Words
from .schema import KINDS

LONGEST = 1000
"""Letters of a regular expression."""

TEXTS = (
    "record",
    "cluster",
    "user",
    "project",
    "partition",
    "qos",
    "name",
    "state",
    "host",
    "device",
    "tags",
    "checkpoint",
)
"""Fields that a rule may look at."""


def _expression(text: str) -> str:
    """Check a regular expression, in RE2's syntax: it has no backtracking, and always ends."""
    if not text:
        raise ValueError("got ''; allowed: a regular expression; .* is everything")
    if len(text) > LONGEST:
        raise ValueError(f"has {len(text)} letters; allowed: {LONGEST}")
    try:
        pc.match_substring_regex(pa.array([""]), text, ignore_case=True)
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0].removeprefix("Invalid regular expression: ")
        raise ValueError(
            f"got {shown(text)}; allowed: a regular expression without look-around and "
            f"back-references ({reason})"
        ) from None
    return text


Pattern = Annotated[str, AfterValidator(_expression)]


class Matched(Spec):
    """What rows are meant: every field that is given has to match, wherever in the text.

    Attributes:
        config: of trackers: a key of the configuration, and what its value has to match.
    """

    record: Pattern | None = None
    cluster: Pattern | None = None
    user: Pattern | None = None
    project: Pattern | None = None
    partition: Pattern | None = None
    qos: Pattern | None = None
    name: Pattern | None = None
    state: Pattern | None = None
    host: Pattern | None = None
    device: Pattern | None = None
    tags: Pattern | None = None
    checkpoint: Pattern | None = None
    config: dict[str, Pattern] = Field(default_factory=dict)

    def patterns(self) -> Iterator[tuple[str, str]]:
        """Yield the fields that are looked at, and what they have to match."""
        for name in TEXTS:
            pattern = getattr(self, name)
            if pattern is not None:
                yield name, pattern


class Rule(Matched):
    """Jobs of a kind.

    Attributes:
        kind: what such jobs are, final run, evaluation and so on.
        min_accelerators: fewest that such a job has.
        max_accelerators: most.
        min_hours: shortest that it takes [h].
        max_hours: longest.
        note: why; no one reads it but people.
    """

    kind: str
    min_accelerators: PositiveFloat | None = None
    max_accelerators: PositiveFloat | None = None
    min_hours: PositiveFloat | None = None
    max_hours: PositiveFloat | None = None
    note: str | None = None

    def alone(self) -> tuple[str, str] | None:
        """Return the field and the pattern of a rule that looks at one text; None of another."""
        looked = list(self.patterns())
        limits = (self.min_accelerators, self.max_accelerators, self.min_hours, self.max_hours)
        return looked[0] if len(looked) == 1 and not self.config and not any(limits) else None

    @field_validator("kind")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in KINDS:
            raise ValueError(f"got {shown(value)}; allowed: {', '.join(KINDS)}")
        return value

    @model_validator(mode="after")
    def _looks_at_something(self) -> Rule:
        limits = (self.min_accelerators, self.max_accelerators, self.min_hours, self.max_hours)
        if not any(self.patterns()) and not self.config and not any(limits):
            raise ValueError(f"looks at nothing; allowed: {', '.join(TEXTS)}, config, limits")
        for name, least, most in (("accelerators", *limits[:2]), ("hours", *limits[2:])):
            if least is not None and most is not None and least > most:
                told = f"min_{name} {least:g} is above max_{name} {most:g}"
                raise ValueError(f"got {told}; allowed: at most that")
        return self


class Place(Matched):
    """Which accelerators some rows' are.

    Attributes:
        profile: an accelerator, as `computebill hardware` knows it.
        per_node: how many a node has, for records that tell nodes only.
    """

    profile: str
    per_node: PositiveFloat | None = None

    @field_validator("profile")
    @classmethod
    def _is_known(cls, value: str) -> str:
        return find_accelerator(value).name


class Chains(Spec):
    """When jobs are restarts of one run.

    Attributes:
        gap_hours: longest pause between one's end and the next one's start [h].
        checkpoint_minutes: time between checkpoints; half of it is lost by a failure that no
            tracker tells of.
    """

    gap_hours: PositiveFloat = 24.0
    checkpoint_minutes: PositiveFloat | None = None


class Rules(Spec):
    """A file of rules.

    Attributes:
        rule: kinds; the first that matches a job counts.
        accelerator: what partitions, hosts and types have.
        prices: of a contract [USD an accelerator-hour], by accelerator.
        utilisation: MFU of what no tracker tells.
        pue: power usage effectiveness.
        rates: dollars of another currency, by its name.
        chains: when jobs are restarts of one run.
    """

    rule: tuple[Rule, ...] = ()
    accelerator: tuple[Place, ...] = ()
    prices: dict[str, Positive] = Field(default_factory=dict)
    utilisation: Share | None = None
    pue: AtLeastOne | None = None
    rates: dict[str, PositiveFloat] = Field(default_factory=dict)
    chains: Chains = Chains()

    @field_validator("prices")
    @classmethod
    def _are_known(cls, value: dict[str, Any]) -> dict[str, Any]:
        return {find_accelerator(name).name: price for name, price in value.items()}


def read_rules(path: Path) -> Rules:
    """Read a file of rules.

    Raises:
        RequestError: naming the file, the field, what was given and what is allowed.
    """
    return validate(Rules, read_toml(path), str(path))


class Places(NamedTuple):
    """Which accelerators rows have, as rules tell.

    Attributes:
        places: the rules, the first that matches counts.
    """

    places: tuple[Place, ...] = ()

    def found(self, words: Mapping[str, Words], rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the place that each row's accelerator is, -1 for none, and how many a node has."""
        which = np.full(rows, -1, dtype=np.int32)
        each = np.full(rows, np.nan)
        for number, place in enumerate(self.places):
            is_meant = (which < 0) & matches(place, words, None, rows)
            which[is_meant] = number
            each[is_meant] = np.nan if place.per_node is None else place.per_node
        return which, each


def matches(
    meant: Matched, words: Mapping[str, Words], config: pa.Array | None, rows: int
) -> np.ndarray:
    """Return which rows are meant; each different text is looked at once.

    Args:
        meant: what they have to match.
        words: texts by field.
        config: of trackers: ``key=value`` a line.
        rows: how many.
    """
    found = np.ones(rows, dtype=bool)
    for name, pattern in meant.patterns():
        told = words.get(name)
        if told is None or not len(told.values):
            return np.zeros(rows, dtype=bool)
        hits = _hits(told.values, pattern, np.ones(len(told.values), dtype=bool))
        found &= np.append(hits, False)[told.codes]
    for key, pattern in meant.config.items():
        if config is None:
            return np.zeros(rows, dtype=bool)
        hits = pc.match_substring_regex(config_value(config, key), pattern, ignore_case=True)
        found &= np.asarray(hits.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
    return found


def config_value(config: pa.Array, key: str) -> pa.Array:
    """Return the value of a key of each tracked run's configuration; null where it has none."""
    escaped = "".join(
        char if char.isalnum() or char == "_" else f"\\x{{{ord(char):x}}}" for char in key
    )
    found = pc.extract_regex(config, rf"(?i)(?:^|\n|\.){escaped}=(?P<value>[^\n]*)")
    return pc.struct_field(found, "value")


def rules_of(
    rules: tuple[Rule, ...],
    words: Mapping[str, Words],
    config: pa.Array | None,
    accelerators: np.ndarray,
    hours: np.ndarray,
) -> np.ndarray:
    """Return the place of the rule that names each row; -1 where none does.

    Args:
        rules: the first that matches counts.
        words: texts by field.
        config: of trackers.
        accelerators: of each row.
        hours: that each took [h].
    """
    first = np.full(len(hours), len(rules))
    by_text: dict[str, np.ndarray] = {}
    for number, rule in enumerate(rules):
        alone = rule.alone()
        if alone is None:
            is_meant = _within(rule, accelerators, hours)
            is_meant &= matches(rule, words, config, len(hours))
            first[is_meant] = np.minimum(first[is_meant], number)
        elif alone[0] in words:
            name, pattern = alone
            texts = words[name].values
            told = by_text.setdefault(name, np.full(len(texts) + 1, len(rules)))
            # What an earlier rule means is not looked at again.
            is_open = told[:-1] == len(rules)
            told[np.flatnonzero(is_open)[_hits(texts, pattern, is_open)]] = number
    for name, told in by_text.items():
        first = np.minimum(first, told[words[name].codes])
    return np.where(first < len(rules), first, -1)


def _hits(texts: list[str], pattern: str, is_open: np.ndarray) -> np.ndarray:
    """Return which of the open texts a pattern matches."""
    chosen = pa.array(texts, pa.string()).filter(pa.array(is_open))
    hits = pc.match_substring_regex(chosen, pattern, ignore_case=True)
    return np.asarray(hits.to_numpy(zero_copy_only=False), dtype=bool)


def _within(rule: Rule, accelerators: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Return which rows are within a rule's limits."""
    found = np.ones(len(hours), dtype=bool)
    with np.errstate(invalid="ignore"):
        if rule.min_accelerators is not None:
            found &= accelerators >= rule.min_accelerators
        if rule.max_accelerators is not None:
            found &= accelerators <= rule.max_accelerators
        if rule.min_hours is not None:
            found &= hours >= rule.min_hours
        if rule.max_hours is not None:
            found &= hours <= rule.max_hours
    return found
