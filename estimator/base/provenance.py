"""Where a result comes from: the command, the versions, the day, the draws."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any


def provenance(result: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """Return what a result's ``about`` tells.

    Args:
        result: the result as ``--json`` prints it.
        arguments: arguments of the command line that gives it.
    """
    told = {"command": shlex.join(["computebill", *arguments])}
    told |= {name: version(name) for name in ("computebill", "torch")}
    drawn = result["programmes"][0] if result.get("programmes") else result
    keys = ("samples", "seed", "method", "device")  # a benchmark's device is a table
    settings = {key: drawn[key] for key in keys if isinstance(drawn.get(key), str | int)}
    return {**told, "date": dt.date.today().isoformat(), **settings}
