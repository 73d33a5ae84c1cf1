"""A search that is soon done: Llama 3.1 8B on 64 H100, and what a test changes of it."""

from __future__ import annotations

from typing import Any

from computebill.planning.result import Plan
from computebill.planning.search import plan

SEQUENCE = 4096


def planned(config: str, **changes: Any) -> Plan:
    spec = {
        "model": config,
        "tokens": "1T",
        "accelerator": "h100-sxm",
        "count": 64,
        "global_batch": 512,
        "sequence_length": SEQUENCE,
    }
    spec = {key: value for key, value in (spec | changes).items() if value is not None}
    return plan(spec)
