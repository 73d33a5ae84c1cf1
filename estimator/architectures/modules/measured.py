"""What the parameters of a model are multiplied with: per token, image, clip, sample."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor, nn

from ..operators import CLIP, IMAGE, SAMPLE, TOKEN
from .inputs import (
    Call,
    audio_calls,
    image_calls,
    image_side,
    media_call,
    parts_call,
    patch_side,
    text_call,
)
from .stacks import alike_layers
from .trace import PADDING_ROWS, Key, Pass, Terms, run, terms

LENGTHS = (64, 128, 192)
"""Sequences through which FLOP are a polynomial."""
BETWEEN = 160
"""One more, which has to lie on that polynomial."""
SHORTEST = (16, 24, 32)
"""The same, of models that take short sequences only."""
TextCall: TypeAlias = Callable[[nn.Module, int], Call]
"""A call of a model with so many tokens."""


class Way(NamedTuple):
    """A way to pass a sequence.

    Attributes:
        call: of so many tokens.
        lengths: three of them, through which FLOP are a polynomial.
        between: one more.
    """

    call: TextCall
    lengths: Sequence[int]
    between: int


TOWER = re.compile(r"vision|visual|image|audio|speech|sam_model|video")
"""Names of what reads images and sound."""
OUTPUT = re.compile(r"(o_proj|out_proj|c_proj|out_lin|o|proj|dense|out|wo)$")
ATTENTION = re.compile(r"att(n|ention)\w*(\.|$)", re.IGNORECASE)


class Use(NamedTuple):
    """A parameter's product.

    Attributes:
        of: one of what it is told for: token, image, clip, sample.
        path: module that runs it.
        d_in: inputs of one matrix.
        d_out: its outputs.
        rows: matrices met.
        per_pair: FLOP besides, times tokens squared.
        is_first: whether it is the first to read its input.
    """

    of: str
    path: str
    d_in: int
    d_out: int
    rows: float
    per_pair: float = 0.0
    is_first: bool = True


class Mix(NamedTuple):
    """Products of tokens with tokens that a module runs.

    Attributes:
        of: one of what they are told for.
        per_unit: FLOP.
        per_pair: FLOP times tokens squared.
        heads: products of one batch.
        keys: most keys that a query attends.
    """

    of: str
    per_unit: float
    per_pair: float
    heads: int
    keys: int


@dataclass
class Measured:
    """What all passes found.

    Attributes:
        products: uses of each parameter, by its name.
        mixing: what modules do without a parameter, by their names.
        looked_up: parameters of which rows are taken.
        problems: of passes that could not run, why.
        assumed: what passes were given that no configuration says.
        apart: by what share FLOP at one more length are off what three lengths make of it.
        between: that length.
        padding: rows of a product that are taken to be a convolution's padding, and left out.
        text: the way in which text was passed; None where there was none.
        media: an image and a clip of sound as they were passed by themselves.
    """

    products: dict[str, list[Use]] = field(default_factory=dict)
    mixing: dict[str, list[Mix]] = field(default_factory=dict)
    looked_up: set[str] = field(default_factory=set)
    problems: dict[str, str] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)
    apart: float = 0.0
    between: int = 0
    padding: int = PADDING_ROWS
    text: TextCall | None = None
    media: list[Call] = field(default_factory=list)

    def add(self, key: Key, of: str, flop: float, per_pair: float, found: Pass) -> None:
        """Put down one product: FLOP per unit, and FLOP times tokens squared."""
        if not key.parameter:
            mix = Mix(of, flop, per_pair, found.heads.get(key.path, 1), found.keys.get(key.path, 1))
            self.mixing.setdefault(key.path, []).append(mix)
            return
        rows = flop / (2.0 * key.d_in * key.d_out)
        use = Use(of, key.path, key.d_in, key.d_out, rows, per_pair, found.is_first[key])
        self.products.setdefault(key.parameter, []).append(use)


def measure(model: nn.Module, layers: Sequence[str], ways: Sequence[Way] = ()) -> Measured:
    """Pass a sequence, an image and a clip of sound through a model on the meta device.

    Args:
        model: its modules.
        layers: names of its layers.
        ways: to pass a sequence, the first that works to be taken; else those of text.
    """
    measured = Measured(padding=0 if ways else PADDING_ROWS)
    parameters = dict(model.named_parameters())
    alike = alike_layers(model, layers)
    _measure_text(model, ways or _text_ways(model), parameters, measured, alike)
    for of, calls in ((IMAGE, image_calls(model)), (CLIP, audio_calls(model))):
        if calls and not _measure_calls(model, calls, of, measured, alike):
            _assume(model, parameters, measured, of)
    return measured


def _measure_calls(
    model: nn.Module, calls: Sequence[Call], of: str, measured: Measured, alike: Mapping[str, str]
) -> bool:
    """Pass an image or a clip of sound in the first way that works, and tell whether one did."""
    for call in calls:
        try:
            found = run(model, call.run, alike)
        except Exception as error:
            measured.problems.setdefault(of, _reason(error))
            continue
        measured.problems.pop(of, None)
        measured.media.append(call)
        measured.assumed += [call.assumed] if call.assumed else []
        for key, flop in found.flop.items():
            measured.add(key, of, flop, 0.0, found)
        measured.looked_up |= found.looked_up
        return True
    return False


def _text_ways(model: nn.Module) -> list[Way]:
    """Return ways to pass text, the first that works to be taken."""
    alone = [Way(text_call, LENGTHS, BETWEEN), Way(text_call, SHORTEST, BETWEEN)]
    parts, whole = (Way(each, LENGTHS, BETWEEN) for each in (parts_call, media_call))
    names = inspect.signature(model.forward).parameters
    if "decoder_input_ids" in names and not image_calls(model):
        # An encoder of images is part of the whole.
        first = [whole, *alone] if "pixel_values" in names else [*alone, whole]
        return [*first, parts]
    return [*alone, parts, whole]


def _measure_text(
    model: nn.Module,
    ways: Sequence[Way],
    parameters: Mapping[str, Tensor],
    measured: Measured,
    alike: Mapping[str, str],
) -> None:
    problem = ""
    for way in ways:
        call_of, lengths, _ = way
        try:
            calls = [call_of(model, length) for length in lengths]
            passes = [run(model, call.run, alike) for call in calls]
            break
        except Exception as error:
            problem = problem or _reason(error)
    else:
        measured.problems[TOKEN] = problem
        _assume(model, parameters, measured, TOKEN)
        return
    measured.text = call_of
    measured.assumed += [calls[0].assumed] if calls[0].assumed else []
    for key, found in terms(lengths, passes).items():
        _add_terms(measured, key, found, passes[-1])
    measured.looked_up |= passes[0].looked_up
    _check_between(model, way, terms(lengths, passes), measured, alike)


def _check_between(
    model: nn.Module,
    way: Way,
    found: Mapping[Key, Terms],
    measured: Measured,
    alike: Mapping[str, str],
) -> None:
    """Compare FLOP of one more length with what the others make of it."""
    measured.between = between = way.between
    try:
        total = run(model, way.call(model, between).run, alike).total
    except Exception:
        return  # a length that the model does not take
    expected = sum(
        each.fixed + each.per_token * between + each.per_pair * between**2
        for each in found.values()
    )
    measured.apart = expected / total - 1.0 if total else 0.0


def _add_terms(measured: Measured, key: Key, found: Terms, last: Pass) -> None:
    fixed = found.fixed
    row = 2.0 * key.d_in * key.d_out
    if key.parameter and found.per_token and abs(fixed) <= measured.padding * row:
        fixed = 0.0
    if found.per_token or found.per_pair:
        measured.add(key, TOKEN, found.per_token, found.per_pair, last)
    if fixed:
        measured.add(key, SAMPLE, fixed, 0.0, last)


def _assume(
    model: nn.Module, parameters: Mapping[str, Tensor], measured: Measured, of: str
) -> None:
    """Take each linear layer to meet each token once, and attention to be what its output says."""
    rows = 1.0
    if of != TOKEN:
        vision: Any = getattr(model.config, "vision_config", None)
        rows = float((image_side(vision)[0] // patch_side(vision)) ** 2) if of == IMAGE else 1500.0
    for path, module in model.named_modules():
        if bool(TOWER.search(path)) != (of != TOKEN) or not hasattr(module, "weight"):
            continue
        weight = getattr(module, "weight", None)
        name = f"{path}.weight"
        if not isinstance(weight, Tensor) or weight.ndim < 2 or name not in parameters:
            continue
        if name in measured.products:
            continue
        if isinstance(module, nn.Embedding):
            measured.looked_up.add(name)
            continue
        d_out, d_in = int(weight.shape[0]), weight.numel() // int(weight.shape[0])
        measured.products.setdefault(name, []).append(Use(of, path, d_in, d_out, rows))
        if ATTENTION.search(path) and OUTPUT.search(path):
            pair = 4.0 * d_in
            terms_of = (0.0, pair) if of == TOKEN else (pair * rows**2, 0.0)
            mix = Mix(of, *terms_of, 1, int(rows))
            measured.mixing.setdefault(path.rpartition(".")[0], []).append(mix)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {(lines or [''])[0][:120]}"
