"""``computebill calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .grouped import Grouped
from .options import FILE
from .outputs import Outputs, answer_options, html_option


@click.command(cls=Grouped)
@click.argument("measured", type=FILE, required=False, metavar="[MEASURED]")
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="FILE",
    help="Where the fitted efficiencies go (.toml).",
)
@click.option("--note", default="", help="What is to be remembered about them.")
@click.option(
    "--afresh",
    is_flag=True,
    help="Forget what ships: fit from what is sensible before measuring, and leave labs out.",
)
@answer_options(html_option)
def command(
    measured: Path | None,
    output: Path,
    note: str,
    afresh: bool,
    outputs: Outputs,
) -> None:
    """Fit the step model's efficiencies to measured training steps.

    MEASURED is a CSV; its columns are listed in docs/measured-steps.md. Its rows, one upward,
    update the shipped efficiencies. With --afresh, and without MEASURED (the shipped table of
    published steps), they are fitted from what is sensible before measuring, and judged by fits
    without each lab in turn: minutes for the shipped table. `run` and `validate` take the file
    with --efficiency.

    \b
    computebill calibrate runs.csv -o efficiency.toml
    computebill calibrate table.csv --afresh -o efficiency.toml
    """  # noqa: D301 -- click reads the backslash
    from computebill.base.errors import RequestError, shown

    if output.suffix != ".toml":
        raise RequestError("-o", f"got {shown(str(output))}; allowed: .toml")
    if not output.parent.is_dir():
        raise RequestError("-o", f"got {shown(str(output))}; its folder does not exist")
    outputs.check()
    from computebill.accuracy.validation import calibrate
    from computebill.training.efficiency import write_profile

    fitted, found = calibrate(measured, note=note, afresh=afresh)
    write_profile(fitted, output)
    result = {**found.to_dict(), "file": str(output)}

    def tables() -> Any:
        from computebill.views import validation as view

        return view.full(found)

    outputs.emit_answer(result, tables)
    click.echo(f"Wrote {output}", err=outputs.form is not None)
