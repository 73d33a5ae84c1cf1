"""``computebill score``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from .completion import completed
from .grouped import Grouped
from .options import FILE, FOLDER, profiles_option, progress_bar
from .outputs import Outputs, answer_options, html_option, plot_option

LONG = 10_000_000
"""Bytes of catalogues from which a bar is shown."""


@click.command(cls=Grouped)
@click.argument("catalogues", nargs=-1, required=True, metavar="CATALOGUE...")
@click.option(
    "-o",
    "--output",
    type=FOLDER,
    required=True,
    metavar="FILE|FOLDER",
    help="Of the rows: .parquet or .csv; or a folder, which gets a part for each batch.",
)
@click.option(
    "--mapping",
    type=FILE,
    metavar="FILE",
    help='Headings by field, where they are other ones: params = "Size (B)".',
)
@click.option(
    "--rules",
    metavar="NAME|FILE",
    shell_complete=completed("rules"),
    help="Rule set, eu-cumulative: adds the odds of exceeding each threshold of training compute.",
)
@click.option("--resume", is_flag=True, help="Go on with a folder's parts, after a stop.")
@click.option(
    "--device", default="cpu", show_default=True, help="Computes: auto, cpu, cuda or cuda:1."
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where rows are scored; ray needs computebill[ray], and -o a folder.",
)
@click.option("--address", metavar="HOST:PORT", help="Of the Ray cluster; else RAY_ADDRESS.")
@answer_options(plot_option, html_option)
@profiles_option
def command(
    catalogues: tuple[str, ...],
    output: Path,
    mapping: Path | None,
    rules: str | None,
    resume: bool,
    device: str,
    engine: Literal["local", "ray"],
    address: str | None,
    outputs: Outputs,
    profiles: tuple[Path, ...],
) -> None:
    """Score a catalogue of models: FLOP, GPU-hours, cost and energy of every row.

    CATALOGUE is CSV, TSV, JSON lines or Parquet, compressed or not: files, folders or globs, in
    Epoch AI's columns or others. Each figure has its 5th, 50th and 95th percentile and the way it
    was found. Rows that tell too little go to FILE.rejects.csv, with the reason. Into a folder a
    file that cannot be read does not stop the others; it is named, and the exit status is 1.

    \b
    computebill score models.csv -o scored.parquet
    computebill score 'catalogues/*.csv.gz' -o scored.csv --mapping headings.toml
    computebill score many/*.parquet -o scored --resume
    computebill score models.csv -o scored.csv --rules eu-cumulative
    computebill score many -o scored --engine ray
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    from computebill.batches.pieces import find_files, state_of
    from computebill.catalogue import score_files
    from computebill.catalogue.headers import read_mapping

    size = sum(state_of(path)[0] for path in find_files(catalogues))
    with progress_bar("scoring", size, is_long=size > LONG) as progress:
        found = score_files(
            catalogues,
            output,
            mapping=None if mapping is None else read_mapping(mapping),
            profiles=profiles,
            device=device,
            engine=engine,
            address=address,
            resume=resume,
            progress=progress,
            rules=rules,
        )
    result = {**found.to_dict(), "catalogues": list(catalogues)}

    def tables() -> Any:
        from computebill.views import score as view

        return view.full(found, str(output))

    outputs.emit_answer(result, tables)
    for file, reason in found.unread_files.items():
        click.echo(f"Error: {file}: {reason}", err=True)
    if found.unread_files:
        raise SystemExit(1)
