"""Forms of records: which one a file has, told by its headings, and which column is which field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator

from computebill.base.errors import RequestError, shown
from computebill.base.specfile import Spec, read_toml, validate

from .schema import STATES

FILE = Path(__file__).with_name("formats.toml")
APART = ("states", "keys")
"""Tables of the file that are no forms."""

Reader = Literal["sacct", "sreport", "tracker", "bill", "cluster", "sums", "plain"]
Record = Literal["scheduler", "tracker", "bill", "report"]

FIELDS = frozenset(
    [
        "job",
        "cluster",
        "user",
        "project",
        "partition",
        "qos",
        "name",
        "state",
        "host",
        "device",
        "sku",
        "tags",
        "checkpoint",
        "submit",
        "start",
        "end",
        "elapsed",
        "accelerators",
        "per_node",
        "nodes",
        "gpu_time",
        "energy",
        "usd",
        "usd_effective",
        "currency",
        "quantity",
        "unit",
        "quantity_priced",
        "unit_priced",
        "charge",
        "correction",
        "commitment",
        "reservation",
        "credits",
        "tokens",
        "params",
        "flop",
        "first_step",
        "last_step",
        "tres",
        "gres",
        "asked",
        "tres_name",
        "jobs",
    ]
)
"""What a column may be."""

TIMES = frozenset({"elapsed", "gpu_time"})
NUMBERS = TIMES | {
    *("accelerators", "per_node", "nodes", "energy", "usd", "usd_effective"),
    *("quantity", "quantity_priced", "tokens", "params", "flop", "first_step", "last_step", "jobs"),
}
"""Fields that are numbers."""
UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("time", 1.0)),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), ("time", 1e-3)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), ("time", 60.0)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), ("time", 3600.0)),
    **dict.fromkeys(("d", "day", "days"), ("time", 86400.0)),
    **dict.fromkeys(("j", "joule", "joules"), ("energy", 1.0)),
    "kj": ("energy", 1e3),
    "mj": ("energy", 1e6),
    "wh": ("energy", 3600.0),
    "kwh": ("energy", 3.6e6),
    "mwh": ("energy", 3.6e9),
}
"""Units behind a heading: of what, and one in seconds or joules."""


class Column(NamedTuple):
    """A column that is a field.

    Attributes:
        heading: heading in the file.
        factor: one of its unit, in seconds or joules.
    """

    heading: str
    factor: float = 1.0


class Bill(Spec):
    """What a provider's own bill says of commitments.

    Attributes:
        amortised: by kind of charge, columns whose sum it costs with commitments by the hour, a
            minus before those that are taken off; none for what costs nothing so.
        unused: by kind of charge of what nobody used, the column of its hours.
        idle: texts in names and SKUs of what was kept and not used.
        apart: texts in names and SKUs of charges whose time is of no accelerator.
    """

    amortised: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    unused: dict[str, str] = Field(default_factory=dict)
    idle: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()


class Format(Spec):
    """A form of records.

    Attributes:
        title: what people call it.
        record: what a row of it is.
        reader: what is done besides taking columns as fields.
        needs: headings that a file of it has: of each list one at least.
        fields: headings by field, the first that is there; with units, where they have any.
        constants: values of fields that no column tells.
        states: states of a job by the record's own words.
        bill: what a bill says of commitments.
    """

    title: str = "mapped records"
    record: Record = "scheduler"
    reader: Reader = "plain"
    needs: tuple[tuple[str, ...], ...] = ()
    fields: dict[str, str | tuple[str, ...] | dict[str, str]] = Field(default_factory=dict)
    constants: dict[str, float | str] = Field(default_factory=dict)
    states: dict[str, str] = Field(default_factory=dict)
    bill: Bill = Field(default_factory=Bill)

    @field_validator("fields", mode="before")
    @classmethod
    def _are_headings(cls, value: Any) -> Any:
        for name, told in value.items() if isinstance(value, dict) else ():
            texts = [*told.values()] if isinstance(told, dict) else told
            listed = texts if isinstance(texts, list | tuple) else [texts]
            if not all(isinstance(each, str) for each in listed):
                allowed = "a heading, a list of headings, or a table of headings and their units"
                raise ValueError(f"{name}: got {shown(told)}; allowed: {allowed}")
        return value

    @field_validator("fields")
    @classmethod
    def _have_units(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, told in value.items():
            of = "time" if name in TIMES else name
            allowed = [unit for unit, (kind, _) in UNITS.items() if kind == of]
            for heading, unit in told.items() if isinstance(told, dict) else ():
                if unit not in allowed:
                    units = ", ".join(allowed) or "no unit"
                    raise ValueError(f"{name}.{heading}: got {shown(unit)}; allowed: {units}")
        return value

    @field_validator("constants")
    @classmethod
    def _are_numbers(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in NUMBERS & value.keys():
            if isinstance(value[name], str):
                raise ValueError(f"{name}: got {shown(value[name])}; allowed: a number")
        return value

    @field_validator("states")
    @classmethod
    def _are_states(cls, value: dict[str, str]) -> dict[str, str]:
        for text, state in value.items():
            if state not in STATES:
                raise ValueError(f"{text}: got {shown(state)}; allowed: {', '.join(STATES)}")
        return value

    @field_validator("fields", "constants")
    @classmethod
    def _are_known(cls, value: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(value) - FIELDS)
        if unknown:
            raise ValueError(f"got {unknown[0]}; allowed: {', '.join(sorted(FIELDS))}")
        return value

    def headings(self, field: str) -> Mapping[str, str]:
        """Return the headings that a field may have, each with its unit."""
        told = self.fields.get(field, ())
        if isinstance(told, str):
            return {told: ""}
        return told if isinstance(told, dict) else dict.fromkeys(told, "")


def plain(heading: str) -> str:
    """Return a heading as forms are told by: lower case, signs as one ``_``."""
    return re.sub(r"[^a-z0-9]+", "_", heading.lower()).strip("_")


@cache
def formats() -> Mapping[str, Format]:
    """Return the shipped forms by name, in the order in which they are tried."""
    told = read_toml(FILE)
    return {
        name: validate(Format, each, f"{FILE.name}: {name}")
        for name, each in told.items()
        if name not in APART
    }


@cache
def words(name: str) -> Mapping[str, tuple[str, ...]]:
    """Return the lists of one of the file's other tables."""
    return {key: tuple(each) for key, each in read_toml(FILE)[name].items()}


def read_mapping(path: Path) -> Format:
    """Read a form of one's own: fields by heading; ``base`` names a form that it changes.

    Raises:
        RequestError: naming the file and what is wrong with it.
    """
    data = read_toml(path)
    base = data.pop("base", None)
    if base is None:
        return validate(Format, data, str(path))
    if base not in formats():
        raise RequestError(f"{path}: base", f"got {shown(base)}; allowed: {', '.join(formats())}")
    own = formats()[base].model_dump()
    for name in ("fields", "constants", "states", "bill"):
        if isinstance(data.get(name), dict):
            data[name] = {**own[name], **data[name]}
    return validate(Format, {**own, **data}, str(path))


def detect(headings: Sequence[str], file: str) -> tuple[str, Format]:
    """Return the form of a file and its name.

    Raises:
        RequestError: naming the file, where its headings are of no known form.
    """
    names = [plain(heading) for heading in headings]
    _check_no_chart(headings, names, file)
    for name, form in formats().items():
        if all(any(_has(names, each) for each in group) for group in form.needs):
            return name, form
    told = ", ".join(headings[:12]) + (" …" if len(headings) > 12 else "")
    if not _look_like_headings(headings):
        raise RequestError(
            file,
            f"its first line is no heading: {shown(told)}; allowed: records with a heading "
            "(sacct without -n), or --columns JobID,User,…",
        )
    known = ", ".join(formats())
    raise RequestError(
        file, f"is of no known form, with {shown(told)}; allowed: {known}, or --mapping FILE"
    )


def _has(names: Sequence[str], wanted: str) -> bool:
    if "*" in wanted:
        return any(fnmatchcase(name, wanted) for name in names)
    return wanted in names


def _check_no_chart(headings: Sequence[str], names: Sequence[str], file: str) -> None:
    """Refuse a chart's export, which tells steps and no runs."""
    if "step" in names and any(heading.endswith(("__MIN", "__MAX")) for heading in headings):
        raise RequestError(file, "is a chart's export; export the table of runs instead")


def _look_like_headings(headings: Sequence[str]) -> bool:
    """Whether cells are names: none a number, a date or a job's id."""
    return not any(re.match(r"\d{2,}|\d+[-:./]\d", each.strip()) for each in headings)


def find_columns(form: Format, headings: Sequence[str]) -> dict[str, Column]:
    """Return the column of each field that a file has.

    Raises:
        RequestError: where the form names a column that there is not, and the field no other.
    """
    by_name: dict[str, str] = {}
    for heading in headings:
        by_name.setdefault(plain(heading), heading)
    with_unit = {base: (name, factor) for name in by_name for base, factor in _united(name)}
    found: dict[str, Column] = {}
    for field in form.fields:
        for heading, unit in form.headings(field).items():
            name = plain(heading)
            if name in by_name:
                factor = UNITS[unit][1] if unit else 1.0
                found[field] = Column(by_name[name], factor)
            elif name in with_unit and (field in TIMES or field == "energy"):
                own, factor = with_unit[name]
                found[field] = Column(by_name[own], factor)
            else:
                continue
            break
    return found


def _united(name: str) -> list[tuple[str, float]]:
    """Return a heading without the unit behind it, and one of it in seconds or joules."""
    base, _, unit = name.rpartition("_")
    return [(base, UNITS[unit][1])] if base and unit in UNITS else []


def state_of(text: str, own: Mapping[str, str]) -> str | None:
    """Return how a job ended, as `schema.STATES` has it; None where nothing is told."""
    if text in own:
        return own[text]
    low = text.lower()
    whole = {"cd", "nf", "to", "ca", "pr", "r", "oom"}
    for state, starts in words("states").items():
        if any(low == each if each in whole else low.startswith(each) for each in starts):
            return state
    return None
