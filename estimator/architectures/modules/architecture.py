"""A model's modules as an architecture."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from ..operators import CLIP, IMAGE, SAMPLE, TOKEN, Architecture, LayerKind, Layers, Operator
from .inputs import image_calls
from .measured import Measured, Way, measure
from .stacks import layer_paths
from .walk import Place, Walk

UNMET = 1e-3
"""Share of the parameters that may have no part in a pass unsaid."""
MOST_TOLD = 4


def architecture_of(
    model: nn.Module, *, language_only: bool = False, ways: Sequence[Way] = ()
) -> Architecture:
    """Return the architecture of a model on the meta device, or of its language model.

    Args:
        model: its modules.
        language_only: leave out what reads images and sound.
        ways: to pass it a sequence, where it is no text.
    """
    paths = [name for name, _ in model.named_modules()]
    if language_only:
        paths = _language_paths(model, paths)
    layers = [path for path in layer_paths(model) if path in set(paths)]
    measured = measure(model, layers, ways)
    config: Any = model.config
    two_stacks = _has_two_stacks(model, measured)
    two_ways = bool(ways) or "MaskedLM" in type(model).__name__
    walk = Walk(model, measured, two_ways=two_ways)
    before, after = _outside(paths, layers)
    share = 0.5 if two_stacks else 1.0
    inputs = _shared(walk.operators(Place(), before), share)
    kinds = _kinds(walk, layers, share)
    # A head that shares its matrix with the embedding stands where that does.
    tied = tuple(each for each in inputs if each.name == "logits")
    inputs = tuple(each for each in inputs if each.name != "logits")
    outputs = tied + _shared(walk.operators(Place(is_after=True), after), share)
    return Architecture(
        model_type=getattr(config, "model_type", None) or type(model).__name__,
        counted_as=type(model).__name__,
        counted_by="modules",
        hidden=walk.width,
        layer_count=len(layers),
        vocabulary=walk.vocabulary,
        sequence_length=_longest(walk.text),
        kinds=tuple(kinds),
        inputs=inputs,
        outputs=outputs,
        notes=tuple(_notes(model, measured, walk)),
        stacks=2 if two_stacks else 1,
    )


def _has_two_stacks(model: Any, measured: Measured) -> bool:
    """Whether a sample is a sequence for an encoder and one for a decoder."""
    names = set(inspect.signature(model.forward).parameters)
    if "decoder_input_ids" not in names:
        return False
    if image_calls(model):
        return bool(getattr(model.config.get_text_config(), "is_encoder_decoder", False))
    if not {"pixel_values", "flattened_patches"} & names:
        return True
    # An encoder of images may take no text.
    encoder = next(path for path, each in model.named_modules() if each is model.get_encoder())
    read = {each.path for uses in measured.products.values() for each in uses if each.of == TOKEN}
    return any(path.startswith(encoder) for path in read)


def _language_paths(model: Any, paths: Sequence[str]) -> list[str]:
    """Return the names of modules of a language model and its head."""
    decoder, head = model.get_decoder(), model.get_output_embeddings()
    kept = [path for path in paths if model.get_submodule(path) in (decoder, head)]
    inside = tuple(f"{path}." for path in kept)
    return [path for path in paths if path in kept or path.startswith(inside)]


def _shared(operators: Sequence[Operator], share: float) -> tuple[Operator, ...]:
    """Return what one of two sequences meets, told for a token of either."""
    return tuple(
        replace(each.spread(share), of=each.of)
        if share != 1.0 and (each.d_in or each.of != TOKEN)
        else each
        for each in operators
    )


def _outside(paths: Sequence[str], layers: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the modules that stand before the last layer's end, and after it."""
    before: list[str] = []
    after: list[str] = []
    inside = tuple(f"{path}." for path in layers)
    ended = False
    last = layers[-1] if layers else ""
    for path in paths:
        if path in layers or f"{path}.".startswith(inside):
            ended = ended or path == last
        else:
            (after if ended else before).append(path)
    return before, after


def _kinds(walk: Walk, layers: Sequence[str], tokens: float) -> list[LayerKind]:
    """Return layers that are alike together."""
    alike: dict[tuple[Operator, ...], list[int]] = {}
    numbers: dict[str, int] = {}
    for index, path in enumerate(layers):
        stack = path.rpartition(".")[0]
        place = Place(path, numbers.setdefault(stack, 0))
        numbers[stack] += 1
        inside = [each for each in walk.modules if f"{each}.".startswith(f"{path}.")]
        alike.setdefault(walk.operators(place, inside), []).append(index)
    return [
        LayerKind(operators, covered, tokens)
        for operators, indices in alike.items()
        for covered in Layers.covering(indices)
    ]


def _longest(config: Any) -> int | None:
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "max_target_positions")
    values = [getattr(config, name, None) for name in names]
    return next((each for each in values if isinstance(each, int) and each > 0), None)


def _notes(model: nn.Module, measured: Measured, walk: Walk) -> list[str]:
    words = {TOKEN: "text", IMAGE: "an image", CLIP: "sound", SAMPLE: "a sample"}
    notes = [
        f"{words[of].capitalize()} could not be passed through the modules ({why}): FLOP are taken "
        "from their sizes."
        for of, why in measured.problems.items()
    ]
    if abs(measured.apart) > UNMET:
        notes.append(
            f"FLOP are no polynomial of a sequence's length, as of blocks that are filled up: at "
            f"{measured.between} tokens they are {measured.apart:+.1%} off what is counted."
        )
    notes += [f"Assumed: {each}." for each in dict.fromkeys(measured.assumed)]
    unmet = sum(walk.unmet.values())
    if unmet > UNMET * sum(each.numel() for each in walk.parameters.values()):
        parts = dict.fromkeys(".".join(name.split(".")[:2]) for name in walk.unmet)
        told = ", ".join([*list(parts)[:MOST_TOLD], *(["…"] if len(parts) > MOST_TOLD else [])])
        notes.append(
            f"{unmet:,} parameters, of {told}, had no part in what was passed through the modules: "
            "no FLOP of theirs are counted."
        )
    return [*notes, *walk.notes]
