"""Records that were accounted for before: results of ``ledger``, read when the page starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from computebill.base.errors import RequestError, shown
from computebill.views.answers import LEDGER_KEYS
from computebill.views.answers.ledger import answer
from computebill.views.charts import ledger as charts
from computebill.views.result import Result, distribution

from .screen import COUNT, ENERGY, FLOP, FRACTION, USD, Row, drawn, group

ENDING = ".json"
AMOUNTS = (("cost", "cost_usd", USD), ("energy", "energy_mwh", ENERGY), ("FLOP", "flop", FLOP))


def is_ledger(file: str) -> bool:
    """Whether a file's name is that of a result, and of no programme."""
    return file.lower().endswith(ENDING)


def is_result(path: Path) -> bool:
    """Whether a file that can be read is what ``ledger`` wrote; what is no JSON may be meant so."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return True
    return isinstance(found, dict) and set(found) >= LEDGER_KEYS


def read_ledgers(files: Sequence[str]) -> dict[str, Result]:
    """Return results by their files' names.

    Raises:
        RequestError: naming the file that is no result of ``ledger``, or has the name of another.
    """
    found: dict[str, Result] = {}
    for file in files:
        path = Path(file)
        try:
            result = json.loads(path.read_bytes())
        except OSError as error:
            raise RequestError(file, f"cannot be read: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:
            raise RequestError(file, f"is not JSON: {error}") from None
        if not isinstance(result, dict) or not set(result) >= LEDGER_KEYS:
            told = "is no result of computebill ledger; allowed: what its -o x.json wrote"
            raise RequestError(file, told)
        if path.stem in found:
            raise RequestError(file, f"has the name of another, {path.stem}; allowed: its own")
        found[path.stem] = result
    return found


class Ledgers:
    """What the page tells of records, each worked out once."""

    def __init__(self, results: Mapping[str, Result]) -> None:
        try:
            self._told = {name: {"shown": _shown(name, each)} for name, each in results.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            told = f"is not as computebill ledger writes it: {error!r}"
            raise RequestError(", ".join(results), told) from None
        self.options = {name: f"{name}: {_when(each)}" for name, each in results.items()}

    def answer(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return what is known of the ``records`` that are chosen; of the first where none are.

        Raises:
            RequestError: naming the field, or the records that are not there.
        """
        for name in given:
            if name != "records":
                raise RequestError(name, "is not chosen here; allowed: records")
        name = given.get("records") or next(iter(self._told), "")
        if name not in self._told:
            allowed = ", ".join(self._told) or "none; start it with a result of computebill ledger"
            raise RequestError("records", f"got {shown(name)}; allowed: {allowed}")
        return self._told[name]


def _when(result: Result) -> str:
    period = result["period"]
    return f"{period['start'][:10]} to {period['end'][:10]}" if period else "of no known time"


def _shown(name: str, result: Result) -> dict[str, Any]:
    title, sentence, figures, notes = answer(result)
    pictures = [
        draw(result) for draw in (charts.opened, charts.over_time, charts.projects, charts.sizes)
    ]
    kinds = result["by_kind"].items()
    groups = [
        group(f"By kind: {what}", [(kind, distribution(each[key]), unit) for kind, each in kinds])
        for what, key, unit in (("hours", "gpu_hours", COUNT), *AMOUNTS)
    ]
    shares: list[Row] = [
        ("of all", distribution(result["final_share"]), FRACTION),
        ("without inference, idle", distribution(result["final_share_of_research"]), FRACTION),
    ]
    groups.insert(0, group("Share of final runs", shares))
    return {
        "title": f"{title}: {name}",
        "headline": sentence,
        "notes": list(notes),
        "figures": [each._asdict() for each in figures],
        "charts": drawn(pictures),
        "table": [each for each in groups if each["rows"]],
        "fields": {},
    }
