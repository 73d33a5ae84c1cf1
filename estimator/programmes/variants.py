"""Variants of a programme: a change applied to the file's data, before it is validated again."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from computebill.base.errors import RequestError, shown

PEAK_KEYS = ("peak_flop_per_s", "precision", "accelerator")


def apply_change(
    data: Mapping[str, Any], change: Mapping[str, Any], size_keys: Collection[str], field: str
) -> dict[str, Any]:
    """Return the programme's data with one change made.

    A changed run keeps what the change does not name; where the change says anew how large the
    run was, or what its peak is, the old way of saying it goes. The grade is found anew, and what
    was stated of the rest goes where the basis changes, as it was stated in the old one.

    Args:
        data: the programme, as parsed from TOML.
        change: ``regression_draw``, ``within_spend``, ``basis``, ``releases``, ``assumptions``,
            ``reported`` and ``runs`` of the change.
        size_keys: the keys that say how large a run is.
        field: path of the change, for messages.

    Raises:
        RequestError: where the change names a run or an item that is not there.
    """
    changed = copy.deepcopy(dict(data))
    changed.pop("grade", None)
    if change["basis"] is not None:
        changed["basis"] = change["basis"]
        changed.pop("exploration", None)
    if change["releases"] is not None:
        changed["releases"] = change["releases"]
    assumptions = changed.setdefault("assumptions", {})
    assumptions.update(change["assumptions"])
    for key in ("regression_draw", "within_spend"):
        if change[key] is not None:
            assumptions[key] = change[key]
    for i, item in enumerate(change["reported"]):
        _replace_or_add(changed["reported"], item, "item", f"{field}.reported[{i}]")
    runs = {run.get("name"): run for run in changed["runs"]}
    for i, patch in enumerate(change["runs"]):
        name = patch.get("name")
        run = runs.get(name) if isinstance(name, str) else None
        if run is None:
            raise RequestError(
                f"{field}.runs[{i}].name",
                f"got {shown(name)}; allowed: the name of a run",
            )
        for group in (size_keys, PEAK_KEYS):
            if any(key in patch for key in group):
                for key in group:
                    run.pop(key, None)
        run.update(patch)
    return changed


def _replace_or_add(items: list[Any], item: Mapping[str, Any], key: str, field: str) -> None:
    if not isinstance(item.get(key), str):
        raise RequestError(f"{field}.{key}", f"got {shown(item.get(key))}; allowed: a name")
    for i, known in enumerate(items):
        if known.get(key) == item[key]:
            items[i] = {**known, **item}
            return
    items.append(dict(item))
