"""A bill of the machines that a scheduler's jobs ran on: one price for both, and what lay idle."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from .cells import Words, together
from .cube import Cells, Measured, cells_of
from .joining import nodes_of, numbers_in, words_in
from .schema import BY, IDLE, SIZES, UNKNOWN


def _machine(text: str) -> str:
    """Return a resource's name as a scheduler would have it."""
    return text.rstrip("/").rpartition("/")[2].lower().partition(".")[0]


@dataclass
class Billed:
    """What a bill says of a scheduler's machines.

    Attributes:
        hosts: machines with accelerators that the bill has, each with what it has.
        seen: those that jobs ran on.
        charges: dollars and hours of machines that jobs ran on: cells of their own.
        jobs: cells of jobs on such machines.
        rows: charges that were joined.
    """

    hosts: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    charges: list[pd.DataFrame] = field(default_factory=list)
    jobs: list[pd.DataFrame] = field(default_factory=list)
    rows: int = 0

    def note_hosts(self, charges: pa.Table) -> None:
        """Take in the machines that a part of the bill has accelerators of."""
        words, parts = (words_in(charges, name) for name in ("host", "accelerator"))
        hours = numbers_in(charges, "gpu_hours")
        pairs = np.stack([words.codes, parts.codes])[:, (hours > 0) & (words.codes >= 0)]
        for host, part in np.unique(pairs, axis=1).T:
            self.hosts[_machine(words.values[host])] = parts.values[part]

    def filled(self, accelerators: Words, hosts: Words) -> Words:
        """Return jobs' accelerators, where none is told those of the machine that is billed."""

        def part(text: str) -> str | None:
            return next((self.hosts[node] for node in nodes_of(text) & self.hosts.keys()), None)

        return together(accelerators, hosts.mapped(part))

    def note_jobs(self, jobs: Measured, hosts: Words) -> None:
        """Take in the hours of jobs on machines that the bill has."""
        both = [nodes_of(text) & self.hosts.keys() for text in hosts.values]
        for nodes in both:
            self.seen |= nodes
        is_on = np.array([*map(bool, both), False])[hosts.codes]
        if is_on.any():
            self.jobs.append(_chosen(jobs, is_on).frame())

    def without_known(self, charges: Measured, hosts: Words) -> Cells:
        """Return the cells of charges, without those of machines that jobs ran on."""
        known = np.array([*(_machine(text) in self.seen for text in hosts.values), False])
        is_known = known[hosts.codes] & (charges.measures["gpu_hours"] != 0)
        if not is_known.any():
            return cells_of(charges)
        self.rows += int(is_known.sum())
        self.charges.append(_chosen(charges, is_known).frame())
        return _chosen(charges, ~is_known)

    def prices(self) -> pd.DataFrame:
        """Return dollars an hour, hours and idle hours by accelerator and month."""
        if not self.charges:
            return pd.DataFrame(columns=["usd", "gpu_hours", "idle", "price"])
        by = ["accelerator", "month"]
        billed = pd.concat(self.charges).groupby(by)[["usd", "gpu_hours"]].sum()
        used = pd.concat(self.jobs).groupby(by)["gpu_hours"].sum().reindex(billed.index)
        billed["idle"] = (billed["gpu_hours"] - used.fillna(0.0)).clip(lower=0.0)
        billed["price"] = billed["usd"] / billed["gpu_hours"]
        return billed

    def idle_cells(self) -> Cells:
        """Return what was billed and no job used, as cells."""
        found = self.prices().reset_index()
        rows = found[found["idle"] > 0]
        same = {"record": "bill", "kind": IDLE, "state": IDLE, "size": SIZES[0]}
        texts = {name: [same.get(name, UNKNOWN)] for name in BY}
        codes = {name: np.zeros(len(rows), dtype=np.int32) for name in BY}
        for name in ("accelerator", "month"):
            places, values = pd.factorize(rows[name])
            texts[name], codes[name] = values.tolist(), places.astype(np.int32)
        hours = rows["idle"].to_numpy(float)
        usd = (rows["idle"] * rows["price"]).to_numpy(float)
        return Cells(texts, codes, {"gpu_hours": hours, "usd_hours": hours, "usd": usd})


def _chosen(measured: Measured, rows: np.ndarray) -> Cells:
    """Return the cells of some rows."""
    words = {name: Words(words.codes[rows], words.values) for name, words in measured.words.items()}
    measures = {name: values[rows] for name, values in measured.measures.items()}
    return cells_of(
        Measured(
            words,
            measured.kind[rows],
            measured.accelerators[rows],
            measured.start[rows],
            measured.end[rows],
            measures,
        )
    )
