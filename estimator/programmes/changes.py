"""Changes of a programme's file that flags give, each with what follows from it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from computebill.base.changes import read_change, set_in

from .spec import SIZE_FORMS, SIZE_KEYS, Programme
from .variants import PEAK_KEYS

BY_SET = "set-by-flag"
"""Source of what a flag set."""
WORDS = ("source", "mark", "note", "name", "item", "title")
"""Keys that say something of a figure, and are none."""


def changed_data(data: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """Return a file's data with changes made, ``assumptions.price=2.5..4``.

    A figure that is changed cites the flag and has no mark, and the grade is found anew; another
    way of giving a run's size, or a peak, puts the old one aside.

    Raises:
        RequestError: naming the path that leads nowhere.
    """
    found = copy.deepcopy(dict(data))
    found.pop("grade", None)
    sources = found.get("sources", {})
    found["sources"] = {**sources, BY_SET: {"title": "--set on the command line"}}
    for text in texts:
        key, tables = set_in(found, read_change(text), Programme)
        _put_aside(tables[-1], key)
        if key not in WORDS:
            _cite(tables)
    return found


def _put_aside(table: dict[str, Any], key: str) -> None:
    """Drop what says in another way what the key says."""
    if key in SIZE_KEYS:
        beside = frozenset[str]().union(*(form for form in SIZE_FORMS if key in form))
        for other in set(SIZE_KEYS) - beside:
            table.pop(other, None)
    peak, *by_name = PEAK_KEYS
    for other in by_name if key == peak else (peak,) if key in by_name else ():
        table.pop(other, None)


def _cite(tables: Sequence[dict[str, Any]]) -> None:
    """Cite the flag where the innermost table that has a source is."""
    for table in reversed(tables[1:]):
        if "source" in table or "value" in table:
            table["source"] = BY_SET
            table.pop("mark", None)
            return
