"""How layers are dealt out to the stages of a pipeline, and what of them is computed again."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from computebill.base.errors import shown

MOST_LAYERS = 10**6


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


class Deal(NamedTuple):
    """How a layout deals layers out, and what of them it computes again; as ``Layout`` has them.

    Attributes:
        pp: pipeline stages.
        vpp: chunks of a stage.
        first: layers of the first stage, where it has a number of its own.
        last: layers of the last stage, likewise.
        listed: layers of each chunk, where they are listed.
        again: layers that stages compute again, of all or of each; None for all that they hold.
    """

    pp: int
    vpp: int
    first: int | None = None
    last: int | None = None
    listed: tuple[int, ...] | None = None
    again: int | tuple[int, ...] | None = None

    @property
    def own(self) -> tuple[int, ...]:
        """Layers of each chunk where they are not dealt out as if nobody said; else none."""
        given = self.listed or ()
        return () if given == even_deal(sum(given), len(given)) else given

    @property
    def ends(self) -> tuple[int, ...]:
        """Layers of the first and the last stage, 0 of one without its own; none of neither."""
        return (self.first or 0, self.last or 0) if self.first or self.last else ()

    @property
    def repeated(self) -> tuple[int, ...]:
        """Layers that each stage computes again, where that is not all; else none."""
        if self.again is None:
            return ()
        return (self.again,) * self.pp if isinstance(self.again, int) else self.again

    def chunks(self, layers: int) -> tuple[int, ...]:
        """Return the layers of each chunk, in the order in which a micro-batch meets them.

        Args:
            layers: of the model, for which the deal was checked.
        """
        if self.listed is not None:
            return self.listed
        if not self.ends:
            return even_deal(layers, self.pp * self.vpp)
        own = [each for each in self.ends if each]
        inner = (layers - sum(own)) // max(1, self.pp - len(own))
        return (self.first or inner, *[inner] * (self.pp - 2), self.last or inner)

    def stages(self, layers: int) -> tuple[int, ...]:
        """Return the layers of each stage, of all its chunks.

        Args:
            layers: of the model, for which the deal was checked.
        """
        chunks = self.chunks(layers)
        return tuple(sum(chunks[stage :: self.pp]) for stage in range(self.pp))

    def check(self, recompute: str) -> None:
        """Refuse lists that are not as long as the pipeline, or contradict the rest.

        Args:
            recompute: what is computed again.

        Raises:
            ValueError: naming the field, what was given and what is allowed.
        """
        listed, again = self.listed, self.again
        if listed is not None and self.ends:
            raise ValueError("give layers_per_stage or first_layers and last_layers, not both")
        if listed is not None and len(listed) != self.pp * self.vpp:
            raise ValueError(
                f"layers_per_stage: got {told(listed)}, {len(listed)} in all; allowed: as many "
                f"numbers as pp x vpp, {self.pp} x {self.vpp}"
            )
        if again is None:
            return
        if recompute != "full":
            raise ValueError(
                f"recompute_layers: got {told(again)}; allowed with recompute full, which counts "
                f"whole layers, not with {recompute}"
            )
        if not isinstance(again, int) and len(again) != self.pp:
            raise ValueError(
                f"recompute_layers: got {told(again)}, {len(again)} in all; allowed: one number "
                f"for all stages, or as many as pp, {self.pp}"
            )


def told(given: int | tuple[int, ...]) -> str:
    """Return one number, or several with commas between."""
    return str(given) if isinstance(given, int) else ",".join(map(str, given))
