"""``computebill validate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from .grouped import Grouped
from .options import FILE, whole_number
from .outputs import Outputs, output_options

if TYPE_CHECKING:
    from computebill.accuracy.left_out import Unit

NOTHING = "none"
"""That nothing is left out."""


@click.command(cls=Grouped)
@click.argument("measured", type=FILE, required=False, metavar="[MEASURED]")
@click.option(
    "--efficiency",
    type=FILE,
    metavar="FILE",
    help="Efficiencies fitted by `computebill calibrate`; the shipped ones otherwise.",
)
@click.option(
    "--leave-out",
    type=click.Choice(["lab", "source", "row", NOTHING]),
    default="lab",
    show_default=True,
    help="Also fit again without each lab in turn (source, row), and predict it from the others: "
    "minutes for the shipped table; none: a second.",
)
@click.option(
    "--few",
    is_flag=True,
    help="Also predict each lab from the others and 0, 1, 3 and 5 rows of its own.",
)
@click.option(
    "--seed",
    metavar="N",
    callback=whole_number,
    default="0",
    show_default=True,
    help="Of the draws of those rows.",
)
@output_options
def command(
    measured: Path | None,
    efficiency: Path | None,
    leave_out: str,
    few: bool,
    seed: int,
    outputs: Outputs,
) -> None:
    """Predict every measured training step of a table, and say how far off it is.

    MEASURED is a CSV; its columns are listed in docs/measured-steps.md. Without one, the shipped
    table of published steps is predicted. -o writes predicted next to measured, row by row.

    \b
    computebill validate
    computebill validate runs.csv --leave-out none
    computebill validate runs.csv --few -o predicted.csv
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    from computebill.accuracy.validation import validate

    unit = None if leave_out == NOTHING else cast("Unit", leave_out)
    found = validate(measured, profile_file=efficiency, leave_out=unit, few=few, seed=seed)

    def tables() -> Any:
        from computebill.views import validation as view

        return view.full(found)

    outputs.emit(found.to_dict(), found.to_frame, tables)
