"""``computebill spend forecast``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .grouped import Grouped
from .options import sampling_options, set_option, whole_number
from .outputs import Outputs, answer_options

if TYPE_CHECKING:
    from computebill.base.quantity import Quantity


def _quantity(ctx: click.Context, param: click.Parameter, value: str | None) -> Quantity | None:
    """Read a number or a range, ``1.5..2.5``."""
    if value is None:
        return None
    from computebill.base.errors import RequestError
    from computebill.base.quantity import parse_quantity

    try:
        return parse_quantity(value)
    except ValueError as error:
        raise RequestError(param.opts[0], str(error)) from None


@click.command(cls=Grouped)
@click.argument("programme", metavar="NAME|FILE")
@click.option(
    "--growth", metavar="RATIO", callback=_quantity, help="Of R&D compute a year, 1.5..2.5."
)
@click.option(
    "--budget", metavar="AMOUNT", callback=_quantity, help="In its place: R&D compute, 30M..40M."
)
@click.option(
    "--years", metavar="N", callback=whole_number, default="1", show_default=True, help="Ahead."
)
@click.option("--variant", default="as-published", show_default=True, help="Set of assumptions.")
@set_option
@answer_options()
@sampling_options
def command(
    programme: str,
    changes: tuple[str, ...],
    outputs: Outputs,
    sampling: dict[str, Any],
    **given: Any,
) -> None:
    """Split a later budget over final runs and all else, with intervals.

    \b
    computebill spend forecast minimax-fy2025 --growth 1.3..1.8
    computebill spend forecast my-lab.toml --budget 30M
    computebill spend forecast openai-2024 --growth 2 --set assumptions.price=2.5..4
    """  # noqa: D301 -- click reads the backslash
    from computebill.programmes.loading import load_programme

    loaded = load_programme(programme).changed(changes)
    # What is wrong so far was told before torch was loaded.
    from computebill.programmes.forecast import forecast_spend

    found = forecast_spend(loaded, **given, **sampling)

    def tables() -> Any:
        from computebill.views import forecast as view

        return view.full(found)

    outputs.emit_answer(found.to_dict(), tables)
