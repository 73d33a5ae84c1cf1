"""Rows that are in the records twice: one stays, whichever tells the most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from .cells import may_be_twice
from .work import Store

MOST = 1 << 21
"""Identities that are looked at together; of more, a share at a time."""


def find_twice(store: Store, parts: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the rows of each part that another row tells too.

    A scheduler's job is its id and its start, and the row with the longest duration stays; of a
    bill's charges those of a later file go, as one file may well charge the same twice.

    Args:
        store: of the parts.
        parts: names of them, in the files' order.
    """
    known = sum(int(np.count_nonzero(_identities(store, part))) for part in parts)
    shares = max(1, -(-known // MOST))
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for share in range(shares if known else 0):
        for part, places in _of_share(store, parts, share, shares).items():
            found[part].append(places)
    return {part: np.sort(np.concatenate(places)) for part, places in found.items()}


def _identities(store: Store, part: str) -> np.ndarray:
    column = store.read(part, ["identity"])["identity"]
    return column.to_numpy() if len(column) else np.zeros(0, dtype=np.int64)


def _of_share(store: Store, parts: Sequence[str], share: int, shares: int) -> dict[str, np.ndarray]:
    held = []
    for part in parts:
        found = _identities(store, part)
        held.append(found[found % shares == share] if shares > 1 else found)
    every = np.concatenate(held) if held else np.zeros(0, dtype=np.int64)
    every = np.sort(every[may_be_twice(every) & (every != 0)])
    twice = np.unique(every[1:][every[1:] == every[:-1]])
    del every, held
    if not len(twice):
        return {}
    return _losers(store, parts, twice)


def _losers(store: Store, parts: Sequence[str], twice: np.ndarray) -> dict[str, np.ndarray]:
    """Return the rows whose identity another row has that is to stay."""
    columns = ["identity", "elapsed_s", "file", "jobs", "record"]
    of_part, row, identity, elapsed, file, is_bill = [], [], [], [], [], []
    for number, part in enumerate(parts):
        table = store.read(part, columns)
        keys = table["identity"].to_numpy()
        # A job's further types of accelerators have its identity, and are no other job.
        at = np.flatnonzero(np.isin(keys, twice) & (table["jobs"].to_numpy() > 0))
        of_part.append(np.full(len(at), number))
        row.append(at)
        identity.append(keys[at])
        elapsed.append(np.nan_to_num(table["elapsed_s"].to_numpy()[at].astype(float)))
        file.append(table["file"].to_numpy()[at])
        records = table["record"].take(at).to_pylist()
        is_bill.append(np.array([each == "bill" for each in records], dtype=bool))
    parts_, rows_, keys_, times, files, bills = map(
        np.concatenate, (of_part, row, identity, elapsed, file, is_bill)
    )
    rank = np.where(bills, files.astype(float), -times)
    order = np.lexsort((rows_, parts_, rank, keys_))
    begins = np.append(True, keys_[order][1:] != keys_[order][:-1])
    best = np.repeat(rank[order][begins], np.diff(np.append(np.flatnonzero(begins), len(order))))
    loses = np.where(bills[order], rank[order] > best, ~begins)
    lost = order[loses]
    return {
        parts[number]: rows_[lost[parts_[lost] == number]] for number in np.unique(parts_[lost])
    }
