"""Layers of pipeline stages in frameworks' own words, read and written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from computebill.base.errors import RequestError, shown

MOST_LAYERS = 100_000
REPEATED = (re.compile(r"\(([^()]+)\)\*(\d{1,4})"), re.compile(r"([EtmL|])\*(\d{1,4})"))
"""What Megatron-LM unrolls in a layout of stages: ``(tt|)*29`` first, then ``t*3``."""

MODULE = re.compile(r"(?:.*\.)?layers\.\d+")


def layers_of_text(text: str, setting: str) -> tuple[int, ...]:
    """Return the layers of each chunk of Megatron-LM's layout: ``Ettt|(tt|)*29,m|L``.

    E is the embedding, t a layer, m a layer that predicts further tokens, L the loss.

    Args:
        text: of the layout.
        setting: that says it, with its file and line.

    Raises:
        RequestError: naming the setting, where it has other letters or too many.
    """
    plain = re.sub(r"[\s,]", "", text)
    for pattern in REPEATED:
        plain = pattern.sub(_unrolled, plain)
    if not re.fullmatch(r"[EtmL|]+", plain) or len(plain) > MOST_LAYERS:
        problem = f"got {shown(text, 60)}; allowed: stages of E, t, m and L with | between"
        raise RequestError(setting, problem)
    return tuple(stage.count("t") for stage in plain.split("|"))


def _unrolled(found: re.Match[str]) -> str:
    return (found.group(1) * int(found.group(2)))[: MOST_LAYERS + 1]


def text_of_layers(layers: Sequence[int]) -> str:
    """Return Megatron-LM's layout of chunks with so many layers each."""
    stages = [f"t*{each}" if each else "" for each in layers]
    return "|".join(("E" + stages[0], *stages[1:])) + "L"


def layers_of_modules(parts: Sequence[str]) -> tuple[int, ...]:
    """Return the layers of each part of torchtitan's: names of modules with commas between."""
    return tuple(sum(map(bool, map(MODULE.fullmatch, part.split(",")))) for part in parts)


def modules_of_layers(layers: Sequence[int], head: Sequence[str]) -> tuple[str, ...]:
    """Return torchtitan's parts of chunks with so many layers each.

    Args:
        layers: of each chunk, in the order in which a micro-batch meets them.
        head: names of what stands behind the last layer.
    """
    found, first = [], 0
    for place, each in enumerate(layers):
        names = [f"layers.{number}" for number in range(first, first + each)]
        before = ["tok_embeddings"] if place == 0 else []
        behind = list(head) if place == len(layers) - 1 else []
        found.append(",".join((*before, *names, *behind)))
        first += each
    return tuple(found)


def counted_as_layers(layers: int, chunks: int, first: int, last: int) -> tuple[int, ...] | None:
    """Return the layers of chunks where embedding and head are dealt out as layers.

    Megatron-LM's --account-for-embedding-in-pipeline-split and torchtitan's
    pipeline_parallel_first_stage_less_layers: all are dealt out evenly, the first chunks have what
    is over, and the ends have fewer layers.

    Args:
        layers: of the model.
        chunks: of the pipeline.
        first: layers that the embedding counts as.
        last: layers that the head counts as.

    Returns:
        None where they do not come out.
    """
    each, over = divmod(layers + first + last, chunks)
    found = [each + (place < over) for place in range(chunks)]
    found[0] -= first
    found[-1] -= last
    return tuple(found) if chunks > 1 and min(found) >= 0 else None
