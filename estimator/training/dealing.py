"""How layers are dealt out to the stages of a pipeline, and what of them is computed again."""

from __future__ import annotations

import itertools
from typing import Protocol

from computebill.base.errors import shown

MOST_LAYERS = 10**6


class Pipeline(Protocol):
    """What of a layout tells how layers are dealt out; its fields, as ``Layout`` describes them."""

    pp: int
    vpp: int
    first_layers: int | None
    last_layers: int | None
    layers_per_stage: tuple[int, ...] | None
    recompute_layers: int | tuple[int, ...] | None

    @property
    def recompute(self) -> str:
        """What is computed again."""

    @property
    def ends(self) -> dict[str, int]:
        """Layers of the first and the last stage, of those that have a number of their own."""


def as_list(value: object) -> object:
    """Read ``7,8,8,7`` as the layers of four chunks.

    Raises:
        ValueError: where they are no whole numbers, or all of them none.
    """
    if value is None:
        return None
    parts = _whole_numbers(value)
    if not any(parts):
        raise ValueError(f"got {shown(value)}; allowed: at least one layer in all")
    return parts


def as_number_or_list(value: object) -> object:
    """Read ``4`` as a number of all stages, and ``4,3,2,1`` as one for each of four.

    Raises:
        ValueError: where they are no whole numbers.
    """
    if value is None:
        return None
    parts = _whole_numbers(value)
    is_one = isinstance(value, int) or (isinstance(value, str) and "," not in value)
    return parts[0] if is_one else parts


def _whole_numbers(value: object) -> tuple[int, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    parts = [parts] if isinstance(parts, int) else parts
    if isinstance(parts, list | tuple) and parts:
        found = [_whole(part) for part in parts]
        known = tuple(each for each in found if each is not None)
        if len(known) == len(found):
            return known
    raise ValueError(f"got {shown(value)}; allowed: whole numbers from 0 with commas between")


def _whole(part: object) -> int | None:
    if isinstance(part, str) and part.strip().isascii() and part.strip().isdigit():
        part = int(part.strip()[:9])
    if not isinstance(part, int) or isinstance(part, bool):
        return None
    return part if 0 <= part <= MOST_LAYERS else None


def even_deal(layers: int, chunks: int) -> tuple[int, ...]:
    """Return the layers of each chunk where nobody says.

    All are of one size. Where they do not divide, the last is short, and the first too if more than
    one is missing: the embedding and the head take their places.
    """
    size = -(-layers // max(1, chunks))
    front = (size * chunks - layers) // 2
    cuts = [min(max(0, n * size - front), layers) for n in range(chunks + 1)]
    return tuple(stop - start for start, stop in itertools.pairwise(cuts))


def dealt(layout: Pipeline, layers: int) -> tuple[int, ...]:
    """Return the layers of each chunk of a pipeline, in the order in which they are met.

    Args:
        layout: checked against the model.
        layers: of the model.
    """
    if layout.layers_per_stage is not None:
        return layout.layers_per_stage
    if not layout.ends:
        return even_deal(layers, layout.pp * layout.vpp)
    others = layout.pp - len(layout.ends)
    inner = (layers - sum(layout.ends.values())) // max(1, others)
    first, last = layout.first_layers or inner, layout.last_layers or inner
    return (first, *[inner] * (layout.pp - 2), last)


def on_stages(layout: Pipeline, layers: int) -> tuple[int, ...]:
    """Return the layers of each stage, of all its chunks.

    Args:
        layout: checked against the model.
        layers: of the model.
    """
    chunks = dealt(layout, layers)
    return tuple(sum(chunks[stage :: layout.pp]) for stage in range(layout.pp))


def check_lists(layout: Pipeline) -> None:
    """Refuse lists of stages that are not as long as the pipeline, or contradict the rest.

    Raises:
        ValueError: naming the field, what was given and what is allowed.
    """
    given, again = layout.layers_per_stage, layout.recompute_layers
    if given is not None and layout.ends:
        raise ValueError("give layers_per_stage or first_layers and last_layers, not both")
    if given is not None and len(given) != layout.pp * layout.vpp:
        raise ValueError(
            f"layers_per_stage: got {told(given)}, {len(given)} in all; allowed: as many numbers "
            f"as pp x vpp, {layout.pp} x {layout.vpp}"
        )
    if again is None:
        return
    if layout.recompute != "full":
        raise ValueError(
            f"recompute_layers: got {told(again)}; allowed with recompute {layout.recompute}: "
            "none, as it is whole layers that are counted (recompute full)"
        )
    if not isinstance(again, int) and len(again) != layout.pp:
        raise ValueError(
            f"recompute_layers: got {told(again)}, {len(again)} in all; allowed: one number for "
            f"all stages, or as many as pp, {layout.pp}"
        )


def told(given: int | tuple[int, ...]) -> str:
    """Return one number, or several with commas between."""
    return str(given) if isinstance(given, int) else ",".join(map(str, given))
