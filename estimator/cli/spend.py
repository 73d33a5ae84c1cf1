"""``computebill spend``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import FILE, Outputs, is_narrow, output_options, sampling_options

if TYPE_CHECKING:
    from ..spend import Progress, SpendEstimate


@click.command()
@click.argument("programmes", nargs=-1, metavar="[NAME|FILE]...")
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
    from ..errors import RequestError
    from ..programme import load_programme, shipped_programmes
    from ..spend import compare_spend

    names = list(dict.fromkeys(programmes)) or shipped_programmes()
    if draws is not None and (len(names) != 1 or draws.suffix.lower() != ".parquet"):
        raise RequestError("--draws", "allowed: one programme, and a .parquet file")
    # Read once: a pipe is empty the second time.
    loaded = [load_programme(name) for name in names]
    for programme in loaded:
        programme.stages(variant)
    with ExitStack() as stack:
        sink = stack.enter_context(_draws_file(draws)) if draws is not None else None
        estimates = []
        for programme in loaded:
            progress = stack.enter_context(_progress(programme.name, sampling["samples"]))
            estimates.append(
                compare_spend(programme, variant=variant, progress=progress, sink=sink, **sampling)
            )
    result = estimates[0].to_dict()
    if len(estimates) > 1 or not programmes:
        result = {"programmes": [estimate.to_dict() for estimate in estimates]}

    def frame() -> Any:
        import pandas as pd

        return pd.concat([estimate.to_frame() for estimate in estimates], ignore_index=True)

    def chart() -> Any:
        from ..views import charts

        return charts.spend_chart(estimates)

    outputs.emit(result, frame, lambda: _tables(estimates), chart)


def _tables(estimates: list[SpendEstimate]) -> Iterator[Any]:
    from ..elsewhere import shares_elsewhere
    from ..programme import shipped_programmes
    from ..views import spend as view

    if len(estimates) == 1:
        shipped = estimates[0].name in shipped_programmes()
        yield from view.full(
            estimates[0], shares_elsewhere() if shipped else (), narrow=is_narrow()
        )
        return
    yield view.comparison(estimates)
    yield view.followers(estimates)
    yield view.context(shares_elsewhere())
    yield "Runs, variants and what drives each share: computebill spend NAME"


@contextmanager
def _progress(name: str, samples: int | None) -> Iterator[Progress | None]:
    """Show a bar on a terminal where there is something to wait for."""
    if not sys.stderr.isatty() or (samples or 0) < 2**21:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=samples)
        yield lambda done: bar.advance(task, done)


@contextmanager
def _draws_file(target: Path) -> Iterator[Any]:
    """Write draws as they come; the file appears when all are there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..writing import replacing

    writer: Any = None
    with replacing(target) as temporary:

        def sink(columns: dict[str, Any]) -> None:
            nonlocal writer
            table = pa.table({name: values.cpu().numpy() for name, values in columns.items()})
            if writer is None:
                writer = pq.ParquetWriter(temporary, table.schema)
            writer.write_table(table)

        try:
            yield sink
        finally:
            if writer is not None:
                writer.close()
