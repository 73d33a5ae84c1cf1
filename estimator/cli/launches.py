"""``--launch``: launch files in place of flags; the same in every command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from computebill.training.launched import Launched

launch_option = click.option(
    "--launch",
    "launches",
    multiple=True,
    type=FILE,
    metavar="FILE",
    help="A launch script or a framework's configuration, which flags go before; may be repeated.",
)


def read_launches(
    launches: Sequence[Path],
    flags: Mapping[str, Any],
    layout: Mapping[str, Any],
    spec: Path | None = None,
) -> Launched | None:
    """Return what launch files come to beside flags and a spec; None where there are none.

    Raises:
        RequestError: naming the file, and what is wrong there.
    """
    if not launches:
        return None
    from computebill.launch import read_launch
    from computebill.runs.spec import fields_of_file
    from computebill.training.launched import launched

    data = {} if spec is None else fields_of_file(spec)
    own = data.pop("layout", None)
    return launched(
        read_launch(launches),
        {**data, **{name.replace("-", "_"): value for name, value in flags.items()}},
        {**(own if isinstance(own, dict) else {}), **layout},
        launches[0].parent,
    )


def with_launch(result: dict[str, Any], found: Launched | None) -> dict[str, Any]:
    """Return a result with what its launch files say beside it."""
    return result if found is None else {**result, "launch": found.to_dict()}


def launch_tables(found: Launched | None) -> Iterator[Any]:
    """Yield the tables of what launch files say; none where there are none."""
    if found is not None:
        from computebill.views import launch as view

        yield from view.full(found)
