"""The first sentence of every result, of what ``--json`` prints of it and of nothing else.

It is the one that the terminal begins with, that ``--brief`` and ``--markdown`` print, that pages
and spreadsheets have on top and that a notebook's line is made of. Nothing here draws, so none of
it waits for a library of charts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from computebill.base.errors import RequestError

from .answer import Answer

if TYPE_CHECKING:  # loads torch, which counts and lists need not
    from computebill.views.result import Result

PROGRAMMES = "programmes"
RUN_KEYS = frozenset({"cost_ways_usd", "gpu_hours", "mfu"})
SPEND_KEYS = frozenset({"final_share", "reported", "runs"})
SCORE_KEYS = frozenset({"rows_in", "rows_scored", "ways"})
LEDGER_KEYS = frozenset({"rows_used", "by_kind", "final_share_of"})

KINDS: dict[str, tuple[frozenset[str], str]] = {
    "several programmes": (frozenset({PROGRAMMES}), "spend.comparison"),
    "spend": (SPEND_KEYS, "spend.answer"),
    "spend forecast": (frozenset({"final_share", "kept", "years"}), "forecast.answer"),
    "score": (SCORE_KEYS, "score.answer"),
    "statement": (frozenset({"totals", "crossing", "modification"}), "statement.answer"),
    "ledger": (LEDGER_KEYS, "ledger.answer"),
    "sweep": (frozenset({"experiments", "groups", "share_basis"}), "sweep.answer"),
    "plan of rollouts": (frozenset({"best", "answer_lengths", "splits_tried"}), "rollouts.answer"),
    "plan": (frozenset({"best", "pareto", "evaluated"}), "plan.answer"),
    "validate or calibrate": (
        frozenset({"mape", "by_source", "by_accelerator"}),
        "validation.answer",
    ),
    "model": (frozenset({"flop_per_token", "memory_gb", "model_type"}), "model.answer"),
    "measured": (frozenset({"measured_rows", "log"}), "logs.rows"),
    "mfu": (frozenset({"mfu", "hfu", "peak_flop_per_s"}), "mfu.answer"),
    "run of stages": (frozenset({"stages", "gpu_hours", "swings_of"}), "stages.answer"),
    "run": (RUN_KEYS, "run.answer"),
    "bench": (frozenset({"matmul", "check_mape", "skipped"}), "bench.answer"),
    "hardware": (frozenset({"accelerators"}), "hardware.listed"),
    "hardware show": (frozenset({"peak_tflops", "memory_gb", "sources"}), "hardware.shown"),
}
"""Keys that tell a command's result, and what answers it; the first that fits is taken."""

NO_PAGE = ("measured", "several programmes", "spend forecast")
PAGES = tuple(kind for kind in KINDS if kind not in NO_PAGE)
"""Kinds that have a page each."""


def kind_of(result: Result) -> str | None:
    """Return whose result it is, a key of ``KINDS``; None where it is of no command with one."""
    return next((kind for kind, (keys, _) in KINDS.items() if keys <= set(result)), None)


def known_kind(name: str, result: Result) -> str:
    """Return the kind of a result that a page can be made of.

    Args:
        name: of its file.
        result: what the file holds.

    Raises:
        RequestError: naming the file, and what it may hold.
    """
    kind = kind_of(result)
    if kind in PAGES:
        return str(kind)
    told = "is no result of a command that has a page; allowed: what a command wrote with --json"
    raise RequestError(name, f"{told} or -o x.json, of {', '.join(PAGES)}")


def answer_of(result: Result) -> Answer | None:
    """Return the answer of a result; None of a list, which is none."""
    kind = kind_of(result)
    if kind is None:
        return None
    # Only what is asked for: a list of accelerators waits for no tensors.
    module, function = KINDS[kind][1].split(".")
    found: Answer = getattr(importlib.import_module(f".{module}", __package__), function)(result)
    return found
