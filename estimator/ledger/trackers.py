"""Experiment trackers: what a run was of, how far it came, and on what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from computebill.batches.columns import arrow_column

from . import cells
from .cells import same_words, together
from .draft import Draft
from .formats import words
from .nested import CONFIG, last_part
from .rows import Rows

FLOP_PER_TOKEN = 6.0
"""Model FLOP a parameter and token of training, forward and backward: 6 N D."""

NUMBERS = ("accelerators", "tokens", "params", "flop", "first_step", "last_step")
TEXTS = ("device", "checkpoint", "host")


def read_tracker(rows: Rows) -> Draft:
    """Read tracked runs: fields by their headings, and by the last parts of their keys."""
    draft = rows.draft()
    by_key = _by_key(rows)
    for name in NUMBERS:
        values = draft.number(name)
        for heading in by_key.get(name, ()):
            other = cells.read_numbers(rows.table[heading])
            values = np.where(np.isnan(values), other, values)
        draft.numbers[name] = values
    for name in TEXTS:
        known = draft.text(name)
        for heading in by_key.get(name, ()):
            if not (known.codes < 0).any():
                break
            known = together(known, cells.read_words(rows.table[heading]))
        draft.words[name] = known
    draft.config = config_of(rows)
    if rows.reading.name == "trainer":
        folder = Path(rows.batch.file).resolve().parent
        draft.words["name"] = same_words(rows.count, folder.name)
        draft.words["checkpoint"] = same_words(rows.count, str(folder))
    tell_flop(draft)
    return draft


def tell_flop(draft: Draft) -> None:
    """Say what training took where parameters and tokens are told: 6 N D."""
    told = draft.number("flop")
    rule = FLOP_PER_TOKEN * draft.number("params") * draft.number("tokens")
    draft.numbers["flop"] = np.where(np.isnan(told) | (told <= 0), rule, told)


def _by_key(rows: Rows) -> dict[str, list[str]]:
    """Return the columns whose key's last part is a field's, the likeliest first."""
    used = {column.heading for column in rows.reading.columns.values()}
    names = [name for name in rows.table.column_names if name not in used and name != CONFIG]
    return {
        field: [name for key in keys for name in names if last_part(name) == key]
        for field, keys in words("keys").items()
    }


def config_of(rows: Rows) -> pa.Array:
    """Return all that a run tells as ``key=value`` a line."""
    if CONFIG in rows.table.column_names:
        return arrow_column(rows.table[CONFIG])
    parts = []
    for heading in rows.table.column_names:
        texts = cells.read_words(rows.table[heading]).column().cast(pa.string())
        parts.append(pc.binary_join_element_wise(f"{heading}=", texts, ""))
    return arrow_column(cells.joined(parts, "\n"))
