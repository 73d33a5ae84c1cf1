"""``computebill bench``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from .grouped import Grouped
from .options import FILE, profiles_option, progress_bar
from .outputs import Outputs, answer_options, html_option

STEPS = 1000
"""Steps of the progress bar."""


@click.command(cls=Grouped)
@click.option("--quick", is_flag=True, help="Under a minute, instead of a few.")
@click.option(
    "--only",
    metavar="PARTS",
    help="matmul, copy, launches, attention, block, step, collectives, load; several with commas.",
)
@click.option(
    "--dtype", "dtypes", metavar="DTYPES", help="Of products: fp32, tf32, bf16, fp16, fp8."
)
@click.option(
    "--check",
    is_flag=True,
    help="Also predict 14 training steps that nothing was fitted to, run them, and compare.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
@profiles_option
@answer_options(html_option)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="FILE",
    help="Where the measured profile goes (.toml); every command takes it as --accelerator.",
)
def command(
    quick: bool,
    only: str | None,
    dtypes: str | None,
    check: bool,
    device: str,
    profiles: tuple[Path, ...],
    outputs: Outputs,
    output: Path | None,
) -> None:
    """Measure what this machine's accelerator reaches, beside its datasheet.

    Ctrl-C ends it early, with what was measured so far. No setting of the device is changed.

    \b
    computebill bench --quick
    computebill bench --check -o my-gpu.toml
    computebill run llama-3-8b.toml --accelerator ./my-gpu.toml
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    if output is not None:
        _check_output(output)
    from computebill.benchmark import bench, write_accelerator

    with progress_bar("measuring", STEPS, is_long=True) as advance:

        def progress(what: str, share: float) -> None:
            if advance is not None:
                advance(round(share * STEPS))

        found = bench(
            quick=quick,
            only=_listed(only),
            dtypes=_listed(dtypes),
            check=check,
            device=device,
            name=None if output is None else output.stem,
            profiles=profiles,
            progress=progress,
        )
    is_written = output is not None and found.profile is not None
    result = {**found.to_dict(), "file": str(output) if is_written else None}

    def tables() -> Any:
        from computebill.views import bench as view

        return view.full(found)

    outputs.emit_answer(result, tables)
    if output is not None and found.profile is not None:
        write_accelerator(found.profile, output)
    if output is not None:
        line = f"Wrote {output}" if is_written else f"{output} not written: too little was measured"
        click.echo(line, err=outputs.form is not None)
    if not found.results:
        raise SystemExit(1)


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [each.strip() for each in text.split(",") if each.strip()]


def _check_output(output: Path) -> None:
    """Refuse what no profile can be called, before anything is measured."""
    from computebill.base.errors import RequestError, shown

    if output.suffix != ".toml":
        raise RequestError("-o", f"got {shown(str(output))}; allowed: .toml")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", output.stem):
        raise RequestError(
            "-o", f"got {shown(output.name)}; allowed: small letters, digits, dots and hyphens"
        )
    if not output.parent.is_dir():
        raise RequestError("-o", f"got {shown(str(output))}; its folder does not exist")
