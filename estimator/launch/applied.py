"""A file's settings as facts, by its framework's table; what no fact comes of is kept by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from computebill.base.errors import RequestError

from .entries import Entry, Source, plain, unknown_in
from .maps import Framework, Row, framework
from .record import Fact, Said, Unused, kind_of
from .values import READERS, converted, is_on, is_silent

LAUNCHERS = "launchers"
"""The table of what starts processes; its settings stand in any framework's command line."""

ENABLED = ".enabled"
"""Ending of the setting that switches its table on or off."""

FORMS = frozenset(("hours", "devices", "window", "batches", "time_tokens", "time_epochs", "fsdp"))
"""Readers without whose form a setting says nothing; others read some of what may stand there."""

FINER = ("fp32", "tf32", "bf16", "fp16", "fp8", "mxfp8", "nvfp4")
"""Precisions of products, the one that decides last: with --bf16 --fp8-format products are in 8."""


@dataclass
class Applied:
    """What one file says.

    Attributes:
        framework: whose table was used.
        facts: by name.
        unused: settings that no fact comes of.
        idle: settings that cost nothing.
        notes: what was left alone.
        parts: of facts that several settings make together: value, place, and how they join.
    """

    framework: Framework
    facts: dict[str, Fact] = field(default_factory=dict)
    unused: list[Unused] = field(default_factory=list)
    idle: list[Unused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    parts: dict[str, list[tuple[Any, Said, str]]] = field(default_factory=dict)

    def join(self) -> None:
        """Take the facts that several settings make together."""
        for name, parts in self.parts.items():
            values, said = [value for value, *_ in parts], parts[-1][1]
            is_list = parts[0][2] == "parts"
            whole = tuple(",".join(each) for each in values) if is_list else _product(values)
            self.add(name, whole, said)

    def add(self, name: str, value: Any, said: Said, *, is_own: bool = True) -> None:
        """Take a fact; of two in one file the later one counts.

        Args:
            name: of the fact.
            value: of it.
            said: where.
            is_own: whether the setting is of this fact alone, and not a switch of several.
        """
        before = self.facts.get(name)
        if before is not None and before.value != value:
            if name in STRONGER:
                if STRONGER[name](before.value) > STRONGER[name](value):
                    return
            elif is_own and before.said is not said:
                self.notes.append(
                    f"{name.replace('_', ' ')}: {shown_value(before.value)} ({before.said.told}) "
                    f"and {shown_value(value)} ({said.told}): the latter counts"
                )
        self.facts[name] = Fact(value, said)


def _fineness(precision: str) -> int:
    return FINER.index(precision) if precision in FINER else 0


STRONGER: Mapping[str, Callable[[Any], int]] = {"precision": _fineness, "zero": int}
"""Facts that several switches of a file give: the strongest counts, whichever stands last."""


def shown_value(value: Any) -> str:
    """Return a fact's value as a person reads it."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def applied(source: Source, own: Framework) -> Applied:
    """Return what a file says, by a framework's table.

    Raises:
        RequestError: where a setting has a value that it cannot have.
    """
    found = Applied(own, notes=list(source.notes))
    tables_off = _tables_off(source.entries)
    for entry in source.entries:
        if entry.key.startswith(tables_off) and not entry.key.endswith(ENABLED):
            found.idle.append(_unused(entry, source))
        else:
            _take(found, entry, source)
    found.join()
    _name_model(found)
    _name_policy(found, source)
    _settle(found.facts)
    return found


def _tables_off(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return the beginnings of settings whose table is switched off, as ``megatron_cfg.`` is."""
    off = [each for each in entries if each.key.endswith(ENABLED) and is_on(each.value) is False]
    return tuple(each.key.removesuffix(ENABLED) + "." for each in off)


def _take(found: Applied, entry: Entry, source: Source) -> None:
    """Take what one setting says.

    Raises:
        RequestError: where it has a value that it cannot have.
    """
    row = found.framework.row(entry.key) or framework(LAUNCHERS).row(entry.key)
    if row is not None and kind_of(row.fact).kind != "list":
        entry = _without_more(entry)
    if row is None:
        tables = (found.framework, framework(LAUNCHERS))
        is_idle = source.is_dump or any(table.is_idle(entry.key) for table in tables)
        (found.idle if is_idle else found.unused).append(_unused(entry, source))
    elif row.why:
        is_usual = row.values is not None and shown_value(entry.value) in row.values
        if is_on(entry.value) is not False and not is_silent(entry.value) and not is_usual:
            found.unused.append(_unused(entry, source, row.why))
    elif entry.unknown and row.on is None:
        found.unused.append(_unused(entry, source, _hangs_on(entry.unknown)))
    else:
        said = _said(entry, source)
        for name, value in _read(found, row, entry, source):
            if row.together:
                found.parts.setdefault(name, []).append((value, said, row.together))
            else:
                found.add(name, value, said, is_own=bool(row.fact))


def _without_more(entry: Entry) -> Entry:
    """Return a setting of one value without the $MORE behind it, which nobody sets."""
    value = entry.value
    if not isinstance(value, tuple) or not all(unknown_in(each) for each in value[1:]):
        return entry
    return entry if not value or unknown_in(value[0]) else replace(entry, value=value[0])


def _unused(entry: Entry, source: Source, why: str = "") -> Unused:
    return Unused(_said(entry, source), plain(entry.value), why)


def _said(entry: Entry, source: Source) -> Said:
    return Said(entry.spelled, entry.file or source.file, entry.line)


def _hangs_on(unknown: str) -> str:
    """Say what a value hangs on: an argument of a script, a command, or a variable."""
    if unknown.isdecimal():
        return f"hangs on ${unknown}, an argument that the script is called with"
    if unknown.startswith("("):
        return f"hangs on ${unknown}, which is not run"
    if unknown.startswith("!"):
        return f"hangs on {unknown}, which is not constructed"
    return f"hangs on {unknown}, which the file does not set"


def _read(found: Applied, row: Row, entry: Entry, source: Source) -> list[tuple[str, Any]]:
    """Return the facts that a setting gives; what a dump writes otherwise is only named.

    Raises:
        RequestError: where a person wrote a value that the setting cannot have.
    """
    try:
        facts = list(_facts(row, entry, entry.file or source.file))
    except RequestError as error:
        if not source.is_dump:
            raise
        found.unused.append(_unused(entry, source, error.problem))
        return []
    has_form = FORMS.intersection(each.reads for each in (row, *row.also))
    is_said = not is_silent(entry.value) and is_on(entry.value) is not False
    if not facts and has_form and is_said:
        found.unused.append(_unused(entry, source, "no form of it that is known"))
    return facts


def _product(values: list[int]) -> int:
    """Multiply degrees; where one is left to what remains, so is the product."""
    found = 1
    for value in values:
        if value == -1:
            return -1
        found *= value
    return found


def _facts(row: Row, entry: Entry, file: str) -> Iterator[tuple[str, Any]]:
    """Yield the facts that a setting gives."""
    for other in row.also:
        yield from _facts(other, entry, file)
    if row.on is not None or row.off is not None:
        is_there = is_on(entry.value)
        chosen: Mapping[str, Any] | None = row.on if is_there else row.off
        if is_there is not None:
            for name, value in (chosen or {}).items():
                yield name, tuple(value) if isinstance(value, list) else value
        return
    value = entry.value
    if row.values is not None:
        key = str(value).lower() if isinstance(value, bool) else str(value)
        lowered = {name.lower(): each for name, each in row.values.items()}
        if key.lower() not in lowered and "*" not in lowered and is_silent(value):
            return
        value = lowered.get(key.lower(), lowered.get("*", value))
        if value == "":
            return
        yield row.fact, converted(value, kind_of(row.fact).kind, entry, file)
        return
    if row.reads:
        value = READERS[row.reads](value)
    if is_silent(value):
        return
    if row.fact.startswith("config."):
        yield row.fact, list(value) if isinstance(value, tuple) else value
        return
    yield row.fact, converted(value, kind_of(row.fact).kind, entry, file)


PARALLELISMS = ("tp", "pp", "cp", "ep")
UNITS = {"tokens": "tokens", "steps": "steps", "epochs": "epochs"}


def _settle(facts: dict[str, Fact]) -> None:
    """Choose between what a file says twice: of one backend or another, in one unit or another."""
    if any(name.startswith(("is_megatron", "is_dtensor", "dtensor_")) for name in facts):
        backend = "megatron" if facts.get("is_megatron", _NO).value else "dtensor"
        for name in PARALLELISMS:
            fact = facts.get(f"{backend}_{name}")
            if fact is not None:
                facts[name] = fact
            for each in ("megatron", "dtensor"):
                facts.pop(f"{each}_{name}", None)
        facts.setdefault("zero", Fact(1 if backend == "megatron" else 3, _NO.said, usual=True))
    if "backend" in facts and facts["backend"].value == "megatron":
        facts.setdefault("zero", Fact(1, facts.pop("backend").said))
    kind = facts.get("config.model_type")
    if "config.num_experts" in facts and kind is not None and kind.value == "qwen2":
        facts["config.model_type"] = Fact("qwen2_moe", kind.said)
    unit = facts.get("duration_unit")
    if unit is not None and "duration" in facts and unit.value in UNITS:
        facts[UNITS[unit.value]] = facts.pop("duration")
        del facts["duration_unit"]


_NO = Fact(value=False, said=Said("usual", "the framework"))


def _name_policy(found: Applied, source: Source) -> None:
    """Take torchtitan's dumped policy of recomputation for the one that has no settings more.

    Of a dump that has no policy at all nothing is computed again.
    """
    policy = found.facts.pop("policy", None)
    keys = {entry.key: entry for entry in source.entries}
    dumped = keys.get("debug.enable_structured_logging")
    if dumped is not None and not any(key.startswith("activation_checkpoint") for key in keys):
        said = Said("activation_checkpoint", source.file, dumped.line)
        found.facts["recompute"] = Fact("none", said)
    if policy is not None and not any("memory_budget" in each.said.key for each in found.unused):
        found.facts.setdefault("recompute", policy)


def _name_model(found: Applied) -> None:
    """Put the name of a configuration in place of a framework's own name for a model."""
    models, facts = found.framework.models, found.facts
    lowered = {name.lower(): each for name, each in models.items()}
    if "flavor" in facts and "model" not in facts:
        family = facts["family"].value if "family" in facts else ""
        name, said = f"{family}/{facts['flavor'].value}", facts["flavor"].said
    elif "model" in facts:
        name, said = facts["model"].value, facts["model"].said
    else:
        return
    plain = name.lower().removesuffix("-fp8").removesuffix("-bf16")
    known = lowered.get(name.lower(), lowered.get(plain))
    if known is not None and plain != name.lower():
        found.add("precision", name.rpartition("-")[2].lower(), said, is_own=False)
    if known is not None:
        facts["model"] = Fact(known, said)
    elif "flavor" in facts and "model" not in facts:
        why = f"{name} is no model that this table knows; give its config.json with --model"
        found.unused.append(Unused(said, facts["flavor"].value, why))
