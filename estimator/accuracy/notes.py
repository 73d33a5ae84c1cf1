"""What the notes of a table of measured steps tell, in the words that its columns lack."""

from __future__ import annotations

import re
from dataclasses import dataclass

NODE = re.compile(r"(\d+) ?/ ?node")
RELEASE = re.compile(r"container (\d\d)\.(\d\d)")
SHARDS = re.compile(r"shard degree (\d+)")


@dataclass(frozen=True)
class Remarks:
    """Facts found in a row's notes.

    Attributes:
        node: accelerators of a node (``4/node``).
        release: year and month of the software, as a year (``container 26.06``: 2026.42).
        shards: ranks that full sharding divides over (``shard degree 64``).
        compiled: whether element-wise kernels are compiled into one (``torch.compile``).
        overlaps_tensor: whether tensor parallel communication hides behind products
            (``async TP``).
        rowwise: whether 8-bit numbers have a scale for each row (``rowwise``).
        interleaved: whether the pipeline's schedule is (``Interleaved 1F1B``).
        overlaps_experts: whether the exchange of tokens hides behind another micro-batch
            (``1f1b overlap``, ``DualPipe``).
        offloaded: whether states rest in the host's memory (``CPU offload``).
    """

    node: int | None
    release: float | None
    shards: int | None
    compiled: bool
    overlaps_tensor: bool
    rowwise: bool
    interleaved: bool
    overlaps_experts: bool
    offloaded: bool


def read_remarks(notes: str) -> Remarks:
    """Return the facts that notes tell; words that are not known say nothing."""
    text = notes.lower()
    node, release, shards = (found.search(text) for found in (NODE, RELEASE, SHARDS))
    return Remarks(
        node=int(node[1]) if node else None,
        release=2000 + int(release[1]) + (int(release[2]) - 1) / 12 if release else None,
        shards=int(shards[1]) if shards else None,
        compiled="torch.compile" in text,
        overlaps_tensor=bool(re.search(r"async ?tp", text)),
        rowwise="rowwise" in text,
        interleaved="interleaved 1f1b" in text,
        overlaps_experts="1f1b overlap" in text or "dualpipe" in text,
        offloaded=bool(re.search(r"(?<!activation )cpu offload", text)),
    )
