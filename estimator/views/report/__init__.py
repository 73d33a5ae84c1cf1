"""One page of results: the answer first, then charts, tables, every assumption with its source.

A report is made of results as ``--json`` prints them and of nothing else. It estimates nothing:
what it works out is plain arithmetic on their figures, such as what is left of a total, how far
one figure is from another, and where a line in a chart lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from computebill.views.answers import PROGRAMMES, SCORE_KEYS, SPEND_KEYS, kind_of, known_kind
from computebill.views.result import Result

from . import (
    bench,
    catalogue,
    hardware,
    ledger,
    model,
    plan,
    rollouts,
    run,
    spend,
    stages,
    statement,
    sweep,
    validation,
)
from .document import Report, refuse

REPORTERS: dict[str, Callable[[Result], Report]] = {
    "spend": spend.report,
    "score": catalogue.report,
    "statement": statement.report,
    "ledger": ledger.report,
    "sweep": sweep.report,
    "plan of rollouts": rollouts.report,
    "plan": plan.report,
    "validate or calibrate": validation.report,
    "model": model.report,
    "mfu": model.utilisation,
    "run of stages": stages.report,
    "run": run.report,
    "bench": bench.report,
    "hardware": hardware.listed,
    "hardware show": hardware.shown,
}
"""What tells each kind of result."""


def reports_of(named: Sequence[tuple[str, Result]]) -> list[Report]:
    """Return the reports of results: those of several programmes with a comparison before them.

    Args:
        named: results as ``--json`` prints them, each with its file's name.

    Raises:
        RequestError: naming the file that holds something else.
    """
    single = [(name, each) for name, result in named for each in _apart(name, result)]
    runs = [each for _, each in single if kind_of(each) == "run"]
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
            found.append(_told(name, REPORTERS[known_kind(name, result)], result))
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


def _told(name: str, reporter: Callable[[Result], Report], result: Result) -> Report:
    try:
        return reporter(result)
    except KeyError as error:
        raise refuse(name, "a key of the result is missing", error.args[0]) from None
    except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        raise refuse(name, "is not as computebill writes it", str(error)) from None
