"""``computebill model``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from computebill.base.errors import RequestError

from .completion import completed
from .grouped import Grouped
from .launches import filled, launch_option, launch_tables, with_launch
from .layouts import layout_options, read_layout
from .options import (
    documents_options,
    part_options,
    profiles_option,
    whole_number,
)
from .outputs import Outputs, output_options

if TYPE_CHECKING:
    from computebill.architectures import Architecture, Sample
    from computebill.training.documents import Documents


@click.command(cls=Grouped)
@click.argument(
    "config", required=False, metavar="[CONFIG|NAME]", shell_complete=completed("model")
)
@click.option(
    "--sequence-length",
    metavar="TOKENS",
    callback=whole_number,
    help="Tokens of a sequence; else what the configuration allows, at most 4,096.",
)
@click.option(
    "--accelerator",
    default="h100-sxm",
    show_default=True,
    metavar="NAME",
    shell_complete=completed("accelerator"),
    help="That the largest micro-batch is to fit.",
)
@part_options
@click.option(
    "--no-memory", is_flag=True, help="Parameters and FLOP alone, in a fraction of the time."
)
@documents_options
@launch_option
@layout_options
@profiles_option
@output_options
def command(
    config: str | None,
    sequence_length: int | None,
    accelerator: str,
    part: str,
    images_per_sample: float,
    sample: Sample,
    no_memory: bool,
    lengths: str | None,
    packing: str | None,
    launches: tuple[Path, ...],
    layout_flags: dict[str, Any],
    profiles: tuple[Path, ...],
    outputs: Outputs,
) -> None:
    """Count the parameters, FLOP and memory of a model from its config.json.

    CONFIG is a Hugging Face config.json, a directory that holds one, or - for standard input.
    NAME is a model whose configuration ships; without one, they are listed.
    Degrees of a layout (--tp, --pp, …) show the memory of each of its pipeline stages; without
    any, common layouts are shown, with what the other flags say.

    \b
    computebill model config.json
    computebill model qwen3-30b-a3b --recipe trl --recompute full
    computebill model config.json --tp 8 --pp 4 --dp 16 --recompute full --sequence-length 8192
    computebill model --launch train.sh
    """  # noqa: D301 -- click reads the backslash
    outputs.check()
    if config is None and not launches:
        return _list(outputs)
    from computebill.architectures import read_architecture
    from computebill.training.documents import given_documents

    given = {"model": config, "sequence_length": sequence_length}
    found, told = filled(launches, given, layout_flags)
    architecture = read_architecture(
        told["model"], part=part, images_per_sample=images_per_sample, sample=sample
    )
    sequence_length = told["sequence_length"]
    documents = given_documents(lengths, packing)
    if no_memory:
        if layout_flags:
            raise RequestError("--no-memory", "allowed: without a layout's flags")
        return _emit_counts(architecture, sequence_length, documents, outputs)
    from computebill.hardware.accelerators import find_accelerator

    layout = read_layout({**(found.layout if found is not None else {}), **layout_flags})
    fitting = find_accelerator(accelerator, profiles)
    # What is wrong so far was told before torch was loaded.
    from computebill.models.card import describe_model

    card = describe_model(
        architecture,
        sequence_length=sequence_length,
        documents=documents,
        layout=layout,
        accelerator=fitting,
    )

    def tables() -> Any:
        from computebill.views import model as view

        return [*view.full(card), *launch_tables(found)]

    outputs.emit(with_launch(card.to_dict(), found), card.to_frame, tables)
    return None


def _list(outputs: Outputs) -> None:
    """List the models that ship."""
    from computebill.models.count import listed_models

    rows = listed_models()

    def frame() -> Any:
        import pandas as pd

        return pd.DataFrame(rows)

    def tables() -> Any:
        from computebill.views import model as view

        return view.shipped(rows)

    outputs.emit({"models": rows}, frame, tables)


def _emit_counts(
    architecture: Architecture,
    sequence: int | None,
    documents: Documents | None,
    outputs: Outputs,
) -> None:
    """Tell parameters and FLOP, which take neither torch nor an accelerator."""
    from computebill.models.count import count_model

    found = count_model(architecture, sequence_length=sequence, documents=documents)

    def tables() -> Any:
        from computebill.views import model as view

        return view.counts(found)

    outputs.emit(found.to_dict(), found.to_frame, tables)
