"""One page of results: the answer first, then charts, tables, every assumption with its source.

A report is made of results as ``--json`` prints them and of nothing else. It estimates nothing:
what it works out is plain arithmetic on their figures, such as what is left of a total, how far
one figure is from another, and where a line in a chart lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from computebill.views.result import Result

from . import (
    bench,
    catalogue,
    hardware,
    model,
    plan,
    run,
    spend,
    statement,
    sweep,
    validation,
)
from .document import Report, refuse

PROGRAMMES = "programmes"
RUN_KEYS = frozenset({"cost_ways_usd", "gpu_hours", "mfu"})
SPEND_KEYS = frozenset({"final_share", "reported", "runs"})
SCORE_KEYS = frozenset({"rows_in", "rows_scored", "ways"})

KINDS: dict[str, tuple[frozenset[str], Callable[[Result], Report]]] = {
    "spend": (SPEND_KEYS, spend.report),
    "score": (SCORE_KEYS, catalogue.report),
    "statement": (frozenset({"totals", "crossing", "modification"}), statement.report),
    "sweep": (frozenset({"experiments", "groups", "share_basis"}), sweep.report),
    "plan": (frozenset({"best", "pareto", "evaluated"}), plan.report),
    "validate or calibrate": (
        frozenset({"mape", "by_source", "by_accelerator"}),
        validation.report,
    ),
    "model": (frozenset({"flop_per_token", "memory_gb", "model_type"}), model.report),
    "mfu": (frozenset({"mfu", "hfu", "peak_flop_per_s"}), model.utilisation),
    "run": (RUN_KEYS, run.report),
    "bench": (frozenset({"matmul", "check_mape", "skipped"}), bench.report),
    "hardware": (frozenset({"accelerators"}), hardware.listed),
    "hardware show": (frozenset({"peak_tflops", "memory_gb", "sources"}), hardware.shown),
}
"""Keys that tell a command's result, and what tells it; the first that fits is taken."""


def reports_of(named: Sequence[tuple[str, Result]]) -> list[Report]:
    """Return the reports of results: those of several programmes with a comparison before them.

    Args:
        named: results as ``--json`` prints them, each with its file's name.

    Raises:
        RequestError: naming the file that holds something else.
    """
    single = [(name, each) for name, result in named for each in _apart(name, result)]
    runs = [each for _, each in single if set(each) >= RUN_KEYS]
    programmes = [(name, each) for name, each in single if set(each) >= SPEND_KEYS]
    found = []
    if len(programmes) > 1:
        name = programmes[0][0]
        found.append(_told(name, lambda _: spend.comparison([e for _, e in programmes]), {}))
    for name, result in single:
        if set(result) >= SCORE_KEYS:
            found.append(_told(name, lambda each: catalogue.report(each, runs), result))
        elif len(programmes) > 1 and set(result) >= SPEND_KEYS:
            found.append(_told(name, lambda each: spend.report(each, is_alone=False), result))
        else:
            found.append(_told(name, _reporter(name, result), result))
    return found


def _apart(name: str, result: object) -> list[Result]:
    """Return the results that one file holds."""
    if not isinstance(result, dict):
        raise refuse(name, "allowed: one JSON object, as --json prints it", result)
    if PROGRAMMES not in result:
        return [result]
    several = result[PROGRAMMES]
    if not isinstance(several, list) or not all(isinstance(each, dict) for each in several):
        raise refuse(name, f"{PROGRAMMES}: allowed: a list of objects", several)
    return [{**each, "about": result.get("about")} for each in several]


def _reporter(name: str, result: Result) -> Callable[[Result], Report]:
    for keys, reporter in KINDS.values():
        if keys <= set(result):
            return reporter
    told = "; ".join(f"{', '.join(sorted(keys))} ({kind})" for kind, (keys, _) in KINDS.items())
    raise refuse(
        name, f"is no result of a command that has a page; expected keys: {told}", sorted(result)
    )


def _told(name: str, reporter: Callable[[Result], Report], result: Result) -> Report:
    try:
        return reporter(result)
    except KeyError as error:
        raise refuse(name, "a key of the result is missing", error.args[0]) from None
    except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        raise refuse(name, "is not as computebill writes it", str(error)) from None
