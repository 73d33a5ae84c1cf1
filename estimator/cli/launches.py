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

READ = "computebill.launches"
"""Key of the launch files that a command read, whose places a message tells."""

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
    found = launched(
        read_launch(launches),
        {**data, **{name.replace("-", "_"): value for name, value in flags.items()}},
        {**(own if isinstance(own, dict) else {}), **layout},
        launches[0].parent,
    )
    click.get_current_context().meta[READ] = found
    return found


def filled(
    launches: Sequence[Path], given: Mapping[str, Any], layout: Mapping[str, Any]
) -> tuple[Launched | None, dict[str, Any]]:
    """Return launch files, and what flags give, with what the files say where flags do not.

    Args:
        launches: the files; none leaves the flags as they are.
        given: fields of a run by name, None where a flag was not given.
        layout: fields of a layout that flags give.

    Raises:
        RequestError: naming the file, or asking for a model.
    """
    flags = {name: value for name, value in given.items() if value is not None}
    found = read_launches(launches, flags, layout)
    if found is None:
        return None, dict(given)
    found.need(("model",), {**flags, **({"model": ""} if "params" in flags else {})})
    said = {**found.layout, **found.fields, **flags}
    return found, {name: said.get(name) for name in given}


def with_launch(result: dict[str, Any], found: Launched | None) -> dict[str, Any]:
    """Return a result with what its launch files say beside it."""
    return result if found is None else {**result, "launch": found.to_dict()}


def launch_tables(found: Launched | None) -> Iterator[Any]:
    """Yield the tables of what launch files say; none where there are none."""
    if found is not None:
        from computebill.views import launch as view

        yield from view.full(found)
