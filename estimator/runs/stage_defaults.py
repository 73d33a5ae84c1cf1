"""What a file says above its stages, given to each of them that does not say otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from computebill.base.quantity import KEYS

from .spec import REPLACES
from .stage_kinds import KINDS, one_kind, uses

SIZES = ("model", "params", "params_active")
"""Fields that say how large a model is."""

LENGTHS = ("lengths", "prompt_length", "answer_length")
"""Fields that may name a file of lengths."""

STAGE_REPLACES: dict[str, tuple[str, ...]] = {
    **REPLACES,
    "layout": ("mfu",),
    "gpu_hours": ("mfu", "layout"),
    "schedule": ("tokens", "flop", "global_batch", "global_batch_tokens"),
    "kept": ("kept_share",),
    "kept_share": ("kept",),
}
"""What is said of the same thing in another way above the stages, and a stage's own puts aside."""

WANTS = {
    "node_network": ("layout",),
    "layout": ("model",),
    "convention": ("model",),
    "lengths": ("model",),
    "packing": ("model",),
    "sequence_length": ("model", "global_batch", "global_batch_tokens"),
}
"""What is said above the stages and of no use to one that has none of these."""


def completed(stages: Iterable[Any], bases: Iterable[Any], above: Mapping[str, Any]) -> list[Any]:
    """Give stages what they do not say: a size as of what they begin from, the rest from above.

    Args:
        stages: their fields, as a file has them.
        bases: fields of weights that were made elsewhere.
        above: fields that hold for all stages, those that are uncertain drawn once for all.
    """
    shared = {key: _shared(key, value) for key, value in above.items()}
    told: dict[str, Mapping[str, Any]] = {}
    found = []
    for each in (*bases, *stages):
        _remember(told, each)
    for each in stages:
        found.append(_completed(each, shared, told))
        _remember(told, found[-1])
    return found


def _remember(told: dict[str, Mapping[str, Any]], each: Any) -> None:
    if isinstance(each, Mapping):
        told[str(each.get("name") or one_kind(each.get("kind", "pretrain")))] = each


def _shared(key: str, value: Any) -> Any:
    """Return what holds for all stages, drawn once for all where it is uncertain."""
    if isinstance(value, str) and value.count("..") == 1 and key not in (*LENGTHS, "name"):
        low, _, high = value.partition("..")
        value = {"p10": low, "p90": high}
    if isinstance(value, Mapping) and value and KEYS.issuperset(value) and key not in LENGTHS:
        return {"shared": f"all stages: {key}", **value}
    return value


def _completed(each: Any, above: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]]) -> Any:
    if not isinstance(each, Mapping):
        return each
    kind = str(one_kind(each.get("kind", above.get("kind", "pretrain"))))
    aside = {name for key in each for name in STAGE_REPLACES.get(str(key), ())}
    usual = {**above, **_inherited(each, told)}
    if any(name in each for name in SIZES):
        aside |= set(SIZES)
    if kind in KINDS and not KINDS[kind].updates:
        aside.add("mfu")
    used = {
        key: value
        for key, value in usual.items()
        if key not in aside and key not in each and (kind not in KINDS or uses(kind, key))
    }
    given = {*used, *each}
    for key, beside in WANTS.items():
        if not given.intersection(beside):
            used.pop(key, None)
            given.discard(key)
    return {**{key: value for key, value in used.items() if value is not None}, **each}


def _inherited(each: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Size of the weights that a stage begins from, the first of several; None puts aside."""
    begins = each.get("from")
    first = begins[0] if isinstance(begins, list | tuple) and begins else begins
    parent = told.get(first, {}) if isinstance(first, str) else {}
    if not any(name in parent for name in SIZES):
        return {}
    return {name: parent.get(name) for name in SIZES}
