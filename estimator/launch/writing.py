"""A layout in a framework's own words: the tables of ``frameworks/``, read the other way round."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from computebill.base.errors import RequestError, shown

from .maps import Framework, Row, framework, frameworks
from .stages import modules_of_layers

COMMENT = "_comment"
"""Key of comments in JSON, which has none."""

LAUNCHED = ("nodes", "node_devices")
"""Facts that torchrun's own flags say."""

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

TORCHRUN = {"nodes": "nnodes", "node_devices": "nproc_per_node"}


def written_frameworks() -> tuple[str, ...]:
    """Return the names of frameworks that a layout can be handed to."""
    return tuple(sorted(each.key for each in frameworks() if framework(each.key).writes))


def writer(key: str) -> Framework:
    """Return the table of a framework that a layout can be handed to.

    Raises:
        RequestError: naming those that there are.
    """
    if key not in written_frameworks():
        allowed = ", ".join(written_frameworks())
        raise RequestError("--emit", f"got {shown(key)}; allowed: {allowed}")
    return framework(key)


def file_name(key: str) -> str:
    """Return the name of a file in a framework's form."""
    return f"{key}{writer(key).writes['ending']}"


def write(key: str, facts: Mapping[str, Any], comments: Sequence[str]) -> str:
    """Return a file of a framework that says facts, as far as it has words for them.

    Args:
        key: name of its table: megatron, torchtitan, ….
        facts: by name, as launch files say them.
        comments: lines that stand before all else.

    Raises:
        RequestError: where there is no such table.
    """
    own = writer(key)
    settings: dict[str, Any] = {}
    started: dict[str, Any] = {}
    for name in own.writes["facts"]:
        if name not in facts or facts[name] is None:
            continue
        if own.writes["syntax"] == "arguments" and name in LAUNCHED:
            started[TORCHRUN[name]] = facts[name]
            continue
        found = _setting(own, name, _with_head(own, name, facts[name]))
        if found is not None and not _is_usual(own, *found):
            settings |= {**_beside(own, *found), found[0]: found[1]}
    settings = _kept(own, settings)
    return _WRITERS[own.writes["syntax"]](own, settings, started, comments)


def _with_head(own: Framework, name: str, value: Any) -> Any:
    """Return layers of stages as the modules that a framework has; other values as they are."""
    head = own.writes.get("heads", {}).get(name)
    return value if head is None else modules_of_layers(value, head)


def _setting(own: Framework, name: str, value: Any) -> tuple[str, Any] | None:
    """Return the setting that says a fact, and its value; None where there is none."""
    for key, row in own.rows.items():
        if not row.writes or row.reads or row.together or row.why or row.also:
            continue
        for found in _values(row, name, value):
            return key, found
    return None


def _values(row: Row, name: str, value: Any) -> Iterator[Any]:
    """Yield the values of a setting that say a fact."""
    if row.fact == name:
        if row.values is None:
            yield value
        yield from (key for key, each in (row.values or {}).items() if _same(each, value))
    for switch, told in ((True, row.on), (False, row.off)):
        if told is not None and set(told) == {name} and _same(told[name], value):
            yield switch


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _beside(own: Framework, key: str, value: Any) -> dict[str, Any]:
    """Return what has to stand beside a setting."""
    beside = own.writes.get("beside", {})
    return {**beside.get(f"{key}_{value}", {}), **beside.get(key, {})}


def _kept(own: Framework, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a file has: none without those it needs, none beside its other."""
    needs, excluded = own.writes.get("needs", {}), own.writes.get("excluded", {})
    found = {**own.writes.get("always", {}), **settings}
    return {
        key: value
        for key, value in found.items()
        if excluded.get(key) not in found
        and all(need in found for table, need in needs.items() if key.startswith(table))
    }


def _is_usual(own: Framework, key: str, value: Any) -> bool:
    """Whether a framework takes a setting so by itself, and not all of its releases know it."""
    usual = own.writes.get("usual", {})
    return key in usual and _same(usual[key], value)


def _typed(value: Any) -> Any:
    """Return a table's key as its value: ``true`` and ``3`` are no texts in a file."""
    if isinstance(value, str):
        plain = {"true": True, "false": False}.get(value, value)
        return int(value) if value.isdecimal() else plain
    return value


def _nested(settings: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    """Return dotted settings as tables in tables."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        *tables, last = (key if "." in key else f"{under}{key}").split(".")
        place = found
        for table in tables:
            place = place.setdefault(table, {})
        place[last] = _typed(value)
    return found


def _commented(comments: Sequence[str]) -> str:
    return "".join(f"# {line}\n" if line else "#\n" for line in comments)


def _yaml(
    own: Framework, settings: Mapping[str, Any], _: Mapping[str, Any], comments: Sequence[str]
) -> str:
    paths = own.writes.get("paths", {})
    settings = {paths.get(key, key): value for key, value in settings.items()}
    nested = _nested(settings, own.writes.get("under", ""))
    return _commented(comments) + yaml.dump(nested, Dumper=DUMPER, sort_keys=False)


def _json(
    own: Framework, settings: Mapping[str, Any], _: Mapping[str, Any], comments: Sequence[str]
) -> str:
    return json.dumps({COMMENT: list(comments), **_nested(settings)}, indent=2) + "\n"


def _toml(
    own: Framework, settings: Mapping[str, Any], _: Mapping[str, Any], comments: Sequence[str]
) -> str:
    lines = [_commented(comments)]
    for table, inner in _nested(settings).items():
        lines.append(f"\n[{table}]\n")
        lines += [f"{key} = {json.dumps(_listed(value))}\n" for key, value in inner.items()]
    return "".join(lines)


def _listed(value: Any) -> Any:
    """Return words of several names each as lists in a list."""
    return [each.split(",") for each in value] if isinstance(value, tuple) else value


def _arguments(
    own: Framework,
    settings: Mapping[str, Any],
    started: Mapping[str, Any],
    comments: Sequence[str],
) -> str:
    torchrun = "".join(f"    --{key} {value}\n" for key, value in started.items())
    told = "".join(_flag(own, key, value) for key, value in settings.items())
    exports = "".join(
        f"\nexport {name}={row['value']}\n"
        for name, row in own.writes.get("exports", {}).items()
        if row["unless"] not in settings
    )
    return (
        f"#!/bin/bash\n{_commented(comments)}{exports}\nDISTRIBUTED_ARGS=(\n{torchrun})\n\n"
        f"LAYOUT_ARGS=(\n{told})\n\n"
        f'torchrun "${{DISTRIBUTED_ARGS[@]}}" {own.writes["program"]} \\\n'
        f"    {own.writes['words']}\n"
    )


def _flag(own: Framework, key: str, value: Any) -> str:
    """Return the words of a flag; of a switch that is off those, if any, that switch it off."""
    if key in own.writes.get("choices", ()):
        return f"    {key.replace('_', '-')}:{value}\n"
    table, dot, last = key.rpartition(".")
    name = f"--{table}{dot}{last if table else last.replace('_', '-')}"
    if value is False:
        return f"    --{table}{dot}no-{last}\n" if own.writes.get("negates") else ""
    if value is True:
        return f"    {name}\n"
    parts = value if isinstance(value, tuple) else (value,)
    return f"    {name} {' '.join(shlex.quote(str(each)) for each in parts)}\n"


_WRITERS = {"yaml": _yaml, "json": _json, "toml": _toml, "arguments": _arguments}
