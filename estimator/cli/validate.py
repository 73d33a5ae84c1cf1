"""``computebill validate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import FILE, Outputs, output_options


@click.command()
@click.argument("measured", type=FILE, metavar="MEASURED")
@click.option(
    "--efficiency",
    type=FILE,
    metavar="FILE",
    help="Efficiencies fitted by `computebill calibrate`; the shipped ones otherwise.",
)
@click.option(
    "--leave-out",
    is_flag=True,
    help="Also refit without each source in turn, and predict it from the others (a minute).",
)
@output_options
def command(measured: Path, efficiency: Path | None, leave_out: bool, outputs: Outputs) -> None:
    """Predict every measured training step of a table, and say how far off it is.

    MEASURED is a CSV; its columns are listed in docs/measured-steps.md. -o writes predicted next to
    measured, row by row.

    \b
    computebill validate runs.csv
    computebill validate runs.csv --leave-out -o predicted.csv
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    from computebill.accuracy.validation import validate

    found = validate(measured, profile_file=efficiency, leave_out=leave_out)

    def tables() -> Any:
        from computebill.views import validation as view

        return view.full(found)

    outputs.emit(found.to_dict(), found.to_frame, tables)
