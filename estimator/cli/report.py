"""``computebill report``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import click

from .grouped import Grouped
from .options import FILE, FOLDER
from .outputs import check_page, write_page


@click.command(cls=Grouped)
@click.argument("results", nargs=-1, required=True, metavar="RESULT...", type=FILE)
@click.option(
    "-o",
    "--output",
    type=FILE,
    default="report.html",
    show_default=True,
    metavar="FILE",
    help="The page, .html.",
)
@click.option(
    "--pictures",
    type=FOLDER,
    metavar="FOLDER",
    help="Also draw each chart as a file of its own: PNG, SVG and PDF.",
)
def command(results: tuple[Path, ...], output: Path, pictures: Path | None) -> None:
    """Make one page of results: answers, charts, tables, every assumption with its source.

    RESULT is a .json file that a command wrote: `computebill run … -o run.json`, and so of plan,
    spend, sweep, model, mfu, score, hardware, bench, validate. The page is one file that needs no
    network. A run is placed in the charts of a catalogue that is given with it; programmes are
    compared. `--html FILE` on the other commands writes the page of their own result.

    \b
    computebill run --params 70B --tokens 2T --accelerator h100 --count 512 -o run.json
    computebill report run.json -o report.html
    computebill report run.json score.json sweep.json -o report.html --pictures charts
    """  # noqa: D301 -- click reads the backslash
    check_page(output, "-o")
    named = [(str(path), read_result(path)) for path in dict.fromkeys(results)]
    from computebill.views.answers import PROGRAMMES, known_kind

    for name, result in named:
        if isinstance(result, dict) and PROGRAMMES not in result:
            known_kind(name, result)
    # What is no result was told before charts were loaded.
    from computebill.views.report import reports_of

    reports = reports_of(named)
    write_page(reports, output)
    click.echo(f"Wrote {output}")
    if pictures is not None:
        from computebill.views.report.pictures import save_pictures

        click.echo(f"Wrote {len(save_pictures(reports, pictures)):,} pictures to {pictures}")


def read_result(path: Path) -> Any:
    """Read a result's file.

    Raises:
        RequestError: naming the file and what is wrong.
    """
    from computebill.base.errors import RequestError

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        return json.loads(path.read_bytes(), parse_constant=refuse)
    except OSError as error:
        raise RequestError(str(path), f"cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        problem = f"is not JSON, as --json prints it: {error}; allowed: what a command wrote with "
        raise RequestError(str(path), f"{problem}--json or -o x.json") from None
