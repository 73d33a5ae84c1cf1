"""``computebill sweep``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .completion import completed
from .grouped import Grouped
from .options import (
    FILE,
    field_options,
    number,
    print_option,
    progress_bar,
    sampling_options,
    set_option,
)
from .outputs import Outputs, columns_file, output_options

if TYPE_CHECKING:
    from computebill.sweep.spec import SweepSpec

FIELDS = (
    ("gpus", "Of the cluster that the experiments share."),
    ("days", "In its place: in which all are to end; the smallest cluster is found."),
    ("price", "USD per accelerator-hour, 2.1 or 1.5..3; of each, h100=2.1,b200=3..5."),
    ("provider", "Take the price from this provider's list: aws, gcp, lambda, …"),
    ("prices", "Take it from this list: a CSV of SkyPilot, of gpuhunt or of your own; a folder."),
    ("region", "Of --prices: us-east-1, …; all of them without it."),
    ("commitment", "Of that price: on-demand, 1y, 3y, spot."),
    ("date", "Of the prices, 2025-06-30."),
)


@click.command(cls=Grouped)
@click.argument("spec", required=False, metavar="[NAME|FILE]", shell_complete=completed("sweep"))
@field_options(FIELDS)
@click.option(
    "--budget", metavar="USD", callback=number, help="Tell which experiments it pays for, 2M."
)
@click.option("--yes", is_flag=True, help="Price more than a million experiments.")
@click.option(
    "--experiments", type=FILE, metavar="FILE", help="Write every experiment's row, .parquet."
)
@set_option
@print_option
@sampling_options
@output_options
def command(
    spec: str | None,
    budget: float | None,
    yes: bool,
    experiments: Path | None,
    changes: tuple[str, ...],
    as_file: bool,
    sampling: dict[str, Any],
    outputs: Outputs,
    **fields: str | None,
) -> None:
    """Price a whole research programme, experiment by experiment.

    NAME is a published programme that ships; without one, they are listed. A FILE is a programme
    of your own: groups of experiments, the final run they lead to, the cluster they share.

    \b
    computebill sweep examples/sweep.toml
    computebill sweep smollm3
    computebill sweep smollm3 --print > mine.toml
    computebill sweep examples/sweep.toml --budget 2M --gpus 512
    """  # noqa: D301 -- click reads the backslash
    outputs.check(experiments, "--experiments")
    from computebill.sweep.spec import load_sweep, shipped_sweeps, sweep_spec

    if spec is None:
        needing: dict[str, Any] = {"budget": budget, "experiments": experiments}
        needing |= {"set": changes or None, "print": as_file or None}
        for name, value in {**fields, **needing}.items():
            if value is not None:
                raise click.UsageError(f"--{name}: needs a NAME or a FILE")
        presets = [(name, load_sweep(name)) for name in shipped_sweeps()]
        _list(presets, outputs)
        return
    from computebill.base.errors import RequestError, shown

    if experiments is not None and experiments.suffix.lower() != ".parquet":
        given = shown(str(experiments))
        raise RequestError("--experiments", f"got {given}; allowed: a .parquet file")
    asked = sweep_spec(
        spec, {name: each for name, each in fields.items() if each is not None}, changes
    )
    if as_file:
        click.echo(_file_of(spec, changes), nl=False)
        return
    # Only now, as what is refused above needs no torch.
    from computebill.sweep.estimate import LIMIT, count_experiments, price_sweep

    with ExitStack() as stack:
        sink = None
        if experiments is not None:
            sink = stack.enter_context(columns_file(experiments))
        rows = count_experiments(asked).rows
        bar = progress_bar("experiments", rows, is_long=rows > LIMIT // 4)
        progress = stack.enter_context(bar)
        estimate = price_sweep(
            asked, budget=budget, confirmed=yes, progress=progress, sink=sink, **sampling
        )

    def tables() -> Any:
        from computebill.views import sweep as view

        return view.full(estimate)

    outputs.emit(estimate.to_dict(), estimate.to_frame, tables)


def _file_of(spec: str, changes: tuple[str, ...]) -> str:
    """Return a programme's file, with its comments where nothing of it was changed."""
    from computebill.sweep.spec import changed_sweep, sweep_text

    if not changes:
        return sweep_text(spec)
    import tomli_w

    return tomli_w.dumps(changed_sweep(spec, changes))


def _list(presets: list[tuple[str, SweepSpec]], outputs: Outputs) -> None:
    """Show what ships."""
    from computebill.base.errors import RequestError

    for flag, path in (("--plot", outputs.plot), ("--html", outputs.html)):
        if path is not None:
            raise RequestError(flag, "needs a NAME or a FILE")
    rows = [
        {"name": name, "title": each.name, "description": each.description}
        for name, each in presets
    ]

    def frame() -> Any:
        import pandas as pd

        return pd.DataFrame(rows)

    def tables() -> Any:
        from computebill.views import sweep as view

        return view.presets(presets)

    outputs.emit({"sweeps": rows}, frame, tables)
