"""``computebill spend``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .completion import completed
from .grouped import Grouped
from .options import (
    FILE,
    Outputs,
    columns_file,
    is_narrow,
    output_options,
    print_tables,
    progress_bar,
    sampling_options,
)

if TYPE_CHECKING:
    from computebill.programmes.comparison import SpendTotals
    from computebill.programmes.loading import LoadedProgramme
    from computebill.programmes.spend import SpendEstimate

LONG = 2**21
"""Draws that take some time."""


@click.command(cls=Grouped)
@click.argument(
    "programmes", nargs=-1, metavar="[NAME|FILE]...", shell_complete=completed("programmes")
)
@click.option(
    "--variant", default="as-published", show_default=True, help="Set of assumptions to show."
)
@click.option(
    "--draws", type=FILE, metavar="FILE", help="Write every draw: totals and runs, .parquet."
)
@sampling_options
@output_options
def command(
    programmes: tuple[str, ...],
    variant: str,
    draws: Path | None,
    sampling: dict[str, Any],
    outputs: Outputs,
) -> None:
    """Set final training runs against the R&D compute that was reported.

    Without a name, all programmes that ship are compared: openai-2024, minimax-2025, zai-2025.
    A FILE is a programme of your own; the shipped ones are worked examples of the format.

    \b
    computebill spend
    computebill spend minimax-2025 --variant computebill
    computebill spend my-lab.toml --json
    """  # noqa: D301 -- click reads the backslash
    outputs.check(draws)
    from computebill.base.errors import RequestError
    from computebill.programmes.loading import load_programme, shipped_programmes

    names = list(dict.fromkeys(programmes)) or shipped_programmes()
    if draws is not None and (len(names) != 1 or draws.suffix.lower() != ".parquet"):
        raise RequestError("--draws", "allowed: one programme, and a .parquet file")
    # Read once: a pipe is empty the second time.
    loaded = [load_programme(name) for name in names]
    for programme in loaded:
        programme.stages(variant)
    asked = {"variant": variant, **sampling}
    if len(loaded) > 1 and outputs.is_tables_only:
        print_tables(_comparison(_totals(loaded, asked)))
        return
    estimates = _estimates(loaded, asked, draws)
    result = estimates[0].to_dict()
    if len(estimates) > 1 or not programmes:
        result = {"programmes": [estimate.to_dict() for estimate in estimates]}

    def frame() -> Any:
        import pandas as pd

        return pd.concat([estimate.to_frame() for estimate in estimates], ignore_index=True)

    outputs.emit(result, frame, lambda: _tables(estimates))


def _totals(loaded: list[LoadedProgramme], asked: dict[str, Any]) -> Iterator[SpendTotals]:
    """Price what a comparison shows; variants, scenarios and drivers are of one programme."""
    from computebill.programmes.comparison import compare_totals

    for programme in loaded:
        with _bar(programme.name, asked) as progress:
            yield compare_totals(programme, progress=progress, **asked)


def _estimates(
    loaded: list[LoadedProgramme], asked: dict[str, Any], draws: Path | None
) -> list[SpendEstimate]:
    from computebill.programmes.spend import compare_spend

    estimates = []
    with ExitStack() as stack:
        sink = stack.enter_context(columns_file(draws)) if draws is not None else None
        for programme in loaded:
            progress = stack.enter_context(_bar(programme.name, asked))
            estimates.append(compare_spend(programme, progress=progress, sink=sink, **asked))
    return estimates


def _bar(name: str, asked: dict[str, Any]) -> Any:
    samples = asked["samples"] or 0
    return progress_bar(name, samples, is_long=samples >= LONG)


def _tables(estimates: list[SpendEstimate]) -> Iterator[Any]:
    from computebill.views import spend as view

    if len(estimates) == 1:
        alone = estimates[0]
        yield from view.full(alone, view.elsewhere_of(alone), narrow=is_narrow())
        return
    yield from _comparison(estimates)


def _comparison(found: Iterable[SpendTotals]) -> Iterator[Any]:
    from computebill.programmes.measured_shares import shares_elsewhere
    from computebill.views import spend as view

    each = list(found)
    yield from view.comparison(each)
    yield view.followers(each)
    yield view.context(shares_elsewhere())
    yield "Runs, variants and what drives each share: computebill spend NAME"
