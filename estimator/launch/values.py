"""Values of settings as facts take them: numbers, switches, lists, and forms of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from computebill.base.errors import RequestError, shown

from .entries import Entry
from .record import Kind

SAYS_NOTHING = frozenset(("", "none", "null", "auto", "~", "gpu", "cpu", "cuda", "???", "default"))
"""Texts that leave a setting to whoever runs it."""

HELD_PLACE = re.compile(r"<.*>|\[.*\]|\{.*\}|your[_ -].*|.*/your/.*|xxx+|\.\.\.", re.IGNORECASE)
SWITCHES = {
    **dict.fromkeys(("true", "1", "yes", "on", "y"), True),
    **dict.fromkeys(("false", "0", "no", "off", "n"), False),
}
ALLOWED: dict[Kind, str] = {
    "whole": "a whole number",
    "rest": "a whole number, or -1",
    "number": "a number",
    "switch": "true or false",
    "list": "a list",
    "text": "a text",
}


def is_silent(value: Any) -> bool:
    """Whether a value leaves the setting to whoever runs it, or only holds its place."""
    if not isinstance(value, str):
        return value is None or value == ()
    plain = value.strip()
    return plain.lower() in SAYS_NOTHING or HELD_PLACE.fullmatch(plain) is not None


def is_on(value: Any) -> bool | None:
    """Whether a setting is switched on; None where its value is no switch.

    Any other text than a switch switches on what takes a value, as ``fp8: hybrid`` does.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        plain = value.strip().lower()
        return SWITCHES.get(plain, None if is_silent(value) else True)
    return bool(value) if isinstance(value, int | float) else True


def converted(value: Any, kind: Kind, entry: Entry, file: str) -> Any:
    """Return a setting's value as a fact of a kind takes it.

    Raises:
        RequestError: naming the setting, its value and what is allowed.
    """
    if isinstance(value, tuple) and len(value) == 1 and kind != "list":
        value = value[0]  # a fork of Megatron-LM prints [64] experts
    found = _CONVERT[kind](value)
    if found is None:
        line = "" if entry.line is None else f" line {entry.line}"
        problem = f"{entry.spelled}: got {shown(value)}; allowed: {ALLOWED[kind]}"
        raise RequestError(f"{file}{line}", problem)
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool | tuple):
        return None
    try:
        found = float(str(value).replace("_", "").replace(",", ""))
    except ValueError:
        return None
    return found if abs(found) < 1e18 else None


def _whole(value: Any) -> int | None:
    found = _number(value)
    return None if found is None or found % 1 or found < 0 else int(found)


def _rest(value: Any) -> int | None:
    found = _number(value)
    return None if found is None or found % 1 or found < -1 else int(found)


def _switch(value: Any) -> bool | None:
    return is_on(value) if not isinstance(value, tuple) else None


def _text(value: Any) -> str | None:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _list(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, tuple):
        return tuple(str(each) for each in value)
    parts = str(value).strip("[](){} ").split(",")
    return tuple(part.strip(" '\"") for part in parts if part.strip(" '\""))


_CONVERT: Mapping[Kind, Callable[[Any], Any]] = {
    "whole": _whole,
    "rest": _rest,
    "number": _number,
    "switch": _switch,
    "text": _text,
    "list": _list,
}

DURATION = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")


def _hours(value: Any) -> float | None:
    """Slurm's time: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:…]."""
    match = DURATION.fullmatch(str(value).strip())
    if match is None:
        return None
    days, *parts = match.groups()
    given = [int(part) for part in parts if part is not None]
    if days is not None or len(given) == 3:
        units = (1.0, 1 / 60, 1 / 3600)
    else:
        units = (1 / 60, 1 / 3600, 0.0)
    return int(days or 0) * 24 + sum(n * unit for n, unit in zip(given, units, strict=False))


def _devices(value: Any) -> int | None:
    """Slurm's generic resources: ``gpu:8``, ``gpu:h100:8``, ``h100:8``, ``8``."""
    parts = str(value).split(",")[0].split("(")[0].split(":")
    return int(parts[-1]) if parts[-1].isdecimal() else 1 if parts == ["gpu"] else None


def _accelerator(value: Any) -> str | None:
    """The kind of chip that generic resources name."""
    parts = [each for each in str(value).split(",")[0].split(":") if not each.isdecimal()]
    named = [each for each in parts if each not in ("gpu", "gres")]
    return named[0] if named else None


def _window(value: Any) -> int | None:
    """Megatron's window: ``127,0``, or ``(127, 0)``: tokens before, and the token itself."""
    parts = _list(value) or ()
    return int(parts[0]) + 1 if parts and parts[0].isdecimal() else None


def _batches(value: Any) -> int | None:
    """Composer's time: ``63900ba`` are steps; other units are no number of steps."""
    match = re.fullmatch(r"(\d+)ba", str(value).strip())
    return int(match.group(1)) if match else None


def _time_tokens(value: Any) -> int | None:
    match = re.fullmatch(r"(\d+)tok", str(value).strip())
    return int(match.group(1)) if match else None


def _time_epochs(value: Any) -> float | None:
    match = re.fullmatch(r"(\d+)ep", str(value).strip())
    return float(match.group(1)) if match else None


def _converters(value: Any) -> str | None:
    """What torchtitan changes products to: ``float8``, ``quantize.linear.mx``."""
    names = " ".join(_list(value) or ())
    if "linear.mx" in names or names == "mx":
        return "mxfp8"
    return "fp8" if "float8" in names else None


def _fsdp(value: Any) -> int | None:
    """What FSDP divides: ``full_shard auto_wrap``, a list of words, or a switch."""
    words = " ".join(_list(value) or ()) if isinstance(value, tuple) else str(value).lower()
    for word, stage in (("full_shard", 3), ("hybrid_shard", 3), ("shard_grad_op", 2)):
        if word in words:
            return stage
    return 0 if "no_shard" in words else 3 if words == "true" else None


def _fsdp_offload(value: Any) -> bool | None:
    """Whether FSDP's words let weights rest on the host: ``full_shard auto_wrap offload``."""
    words = re.split(r"[\s,]+", str(_text(value)))
    return True if "offload" in words else None


def _last_part(value: Any) -> str:
    return str(value).rpartition(".")[2]


def _gate(value: Any) -> bool:
    """MaxText's activations: two of them are a gate and what it lets through."""
    return len(_list(value) or ()) > 1


def _targets(value: Any) -> tuple[str, ...]:
    """What adapters are beside: a list, ``all``, or a pattern such as ``*_proj``."""
    names = _list(value) or ()
    return ("all-linear",) if set(names) & {"all", "all-linear", "*_proj", "*"} else names


def _above_zero(value: Any) -> int | None:
    found = _whole(value)
    return found or None


def _ulysses(value: Any) -> str | None:
    """What ranks exchange that Ulysses' sequence parallelism has more than one of."""
    return "all-to-all" if (_whole(value) or 1) > 1 else None


def _stem(value: Any) -> str:
    """The name of a file without its folder and ending."""
    return re.sub(r"\.ya?ml$|\.json$", "", str(value).rpartition("/")[2])


READERS: Mapping[str, Callable[[Any], Any]] = {
    "hours": _hours,
    "devices": _devices,
    "accelerator": _accelerator,
    "window": _window,
    "batches": _batches,
    "time_tokens": _time_tokens,
    "time_epochs": _time_epochs,
    "stem": _stem,
    "converters": _converters,
    "fsdp": _fsdp,
    "fsdp_offload": _fsdp_offload,
    "last_part": _last_part,
    "gate": _gate,
    "targets": _targets,
    "above_zero": _above_zero,
    "ulysses": _ulysses,
}
"""Readers of forms of their own, by the names that the tables of frameworks have for them."""
