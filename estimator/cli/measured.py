"""``computebill measured``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from .grouped import Grouped
from .launches import launch_option, read_launches
from .options import FILE, field_options, given_fields
from .outputs import Outputs, answer_options

FIELDS = (
    ("model", "A name that ships, or a config.json."),
    ("accelerator", "Name of an accelerator, or a profile's file."),
    ("count", "Accelerators."),
    ("sequence-length", "Tokens a sequence."),
    ("global-batch", "Sequences a step."),
    ("precision", "Of products: bf16, fp8, …"),
)


@click.command(cls=Grouped)
@click.argument("log", type=FILE)
@launch_option
@field_options(FIELDS)
@click.option("--lab", default="", help="Who measured it: rows of one lab share its habits.")
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="FILE",
    help="Where the rows go (.csv).",
)
@answer_options()
def command(
    log: Path,
    launches: tuple[Path, ...],
    lab: str,
    output: Path,
    outputs: Outputs,
    **fields: str | None,
) -> None:
    """Make rows for `computebill calibrate` of a log and its launch files.

    One row for each batch size, of the steps that count: without the first after each start.
    Columns are those of docs/measured-steps.md; rows are read back before they are written.

    \b
    computebill measured train.log --launch train.sh -o rows.csv
    computebill calibrate rows.csv -o efficiency.toml
    """  # noqa: D301 -- click reads the backslash
    from computebill.base.errors import RequestError, shown

    outputs.check()
    if output.suffix.lower() != ".csv":
        raise RequestError("-o", f"got {shown(str(output))}; allowed: .csv")
    if not output.parent.is_dir():
        raise RequestError("-o", f"got {shown(str(output))}; its folder does not exist")
    given = given_fields(fields)
    launch = read_launches(launches, given, {})
    if launch is None:
        raise RequestError("--launch", "is missing; allowed: what the run was started with")
    from dataclasses import replace

    from computebill.accuracy.logged import logged_rows
    from computebill.base.quantity import parse_number
    from computebill.logs import read_log

    whole = {"count", "sequence_length", "global_batch"}
    told = {name: parse_number(each) if name in whole else each for name, each in given.items()}
    launch = replace(launch, fields={**launch.fields, **told})
    found = logged_rows(read_log(log), launch, lab)
    found.write(output)
    result = {**found.to_dict(), "file": str(output)}

    def tables() -> Iterable[Any]:
        from computebill.views import logs as view

        return view.measured(result)

    outputs.emit_answer(result, tables)
    click.echo(f"Wrote {output}", err=outputs.form is not None)
