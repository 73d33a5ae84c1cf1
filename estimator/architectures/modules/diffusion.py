"""Models of ``diffusers``: built on the meta device of a configuration, and counted.

No code of a repository is run and nothing is downloaded: the class is one that ``diffusers`` itself
has.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from computebill.base.errors import RequestError, shown

from ..operators import Architecture
from ..sample import Sample
from .architecture import architecture_of
from .build import DROPPED, bounded, check_sizes, told
from .latents import AUTOENCODER, Latents, latents_of, maker_of
from .measured import Way
from .samples import Form, call_of, forms_of
from .trace import run
from .unsaid import SIZE, listed

LEAST_SIDE = 8
"""Tokens along a side of the smallest image that is passed."""
WAN_IMAGE = 1280
"""Width of what CLIP makes of an image for Wan 2.1, whose file has no field of it."""
WITH_IMAGE = ("i2v", "flf2v", "vace")
"""Kinds of Wan that read an image."""
LEAST_PIXELS = 64
"""The same of autoencoders, whose tokens are pixels."""
LEVELS = ("block_out_channels", "encoder_block_out_channels", "down_block_types", "dim_mult")
"""Names of fields with an entry for each halving of an image, less one."""
REMAPPED = {
    "ada_norm_zero": "DiTTransformer2DModel",
    "ada_norm_single": "PixArtTransformer2DModel",
}
"""Classes that Transformer2DModel was divided into, by ``norm_type``."""


def read_diffusers(fields: Mapping[str, Any], file: str, sample: Sample) -> Architecture:
    """Count a model of ``diffusers``.

    Args:
        fields: content of its ``config.json``.
        file: what to call it in messages.
        sample: what goes with a sample of it.

    Raises:
        RequestError: where the library has no such class, cannot build it, or where its pass
            cannot be run on shapes alone.
    """
    check_sizes(fields, file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of attributes that a later release has no more
        return _counted(fields, file, sample)


def _counted(fields: Mapping[str, Any], file: str, sample: Sample) -> Architecture:
    """Build a model, pass noise through it, and say what was assumed."""
    kind, given, notes = _class_of(fields, file)
    model = _built(kind, given, file)
    latents = latents_of(kind.__name__, model.config, sample)
    ways, per_frame = _ways(model, latents, file)
    found = architecture_of(model, ways=ways)
    if per_frame:
        notes.append(f"FLOP are of {latents.grid[0]} frames of latents, and hang on how many.")
    return replace(
        found,
        sequence_length=latents.tokens,
        sample_tokens=latents.tokens,
        notes=(*latents.notes(), *notes, *_unsaid(fields, kind, given), *found.notes),
    )


def _class_of(
    fields: Mapping[str, Any], file: str
) -> tuple[type[nn.Module], dict[str, Any], list[str]]:
    """Return the class of a configuration, what it is built of, and what to say of it.

    Raises:
        RequestError: where the library has no such class.
    """
    import diffusers

    name, notes = fields["_class_name"], []
    given = {key: value for key, value in fields.items() if not key.startswith("_")}
    maker = maker_of(fields)
    if maker is not None:
        given = _renamed(given, maker, file)
        notes.append(f"{name}, of its makers' own code, is counted as {maker['class']}.")
        name = maker["class"]
    if name == "Transformer2DModel":
        name = REMAPPED.get(str(fields.get("norm_type")), name)
    base = cast(Any, diffusers).ModelMixin
    kind = getattr(diffusers, name, None) if isinstance(name, str) else None
    if not isinstance(kind, type) or not issubclass(kind, base) or kind is base:
        release = f"diffusers {cast(Any, diffusers).__version__}"
        problem = f"_class_name: got {shown(name)}, which is no model of {release}"
        raise RequestError(file, f"{problem}; {_in_its_form(diffusers, base, fields)}")
    names = inspect.signature(cast(Any, kind).__init__).parameters
    known = {key: value for key, value in given.items() if key in names and key not in DROPPED}
    return kind, known, notes


def _renamed(given: Mapping[str, Any], maker: Mapping[str, Any], file: str) -> dict[str, Any]:
    """Return a maker's fields by the names of ``diffusers``.

    Raises:
        RequestError: where they do not say which model it is.
    """
    if "names" not in maker:
        return dict(given)
    found = {to: given[name] for name, to in maker["names"].items() if name in given}
    dim, heads = given["dim"], given["num_heads"]
    if not isinstance(dim, int) or not isinstance(heads, int) or heads < 1 or dim % heads:
        raise RequestError(file, f"num_heads: got {shown(heads)}; allowed: a divisor of dim, {dim}")
    if given.get("has_image_input") in (True, "true"):
        found |= {"image_dim": WAN_IMAGE, "added_kv_proj_dim": dim}
    elif given.get("model_type") in WITH_IMAGE:
        raise RequestError(
            file,
            "is a Wan that reads an image, whose file does not say how (2.1 projects what CLIP "
            "makes of it, 2.2 does not); give transformer/config.json of the repository whose "
            "name ends in -Diffusers",
        )
    return {**found, "attention_head_dim": dim // heads}


def _in_its_form(diffusers: Any, base: type, fields: Mapping[str, Any]) -> str:
    """Say what to give in place of a file that is not of the library's form."""
    asked = (
        "allowed: the config.json of a model's folder (transformer, unet, vae) in the form of "
        "diffusers"
    )
    best, most = "", 0
    for name in dir(diffusers):
        kind = getattr(diffusers, name, None) if name.endswith("Model") else None
        if isinstance(kind, type) and issubclass(kind, base):
            shared = len(fields.keys() & inspect.signature(kind.__init__).parameters.keys())
            best, most = (name, shared) if shared > most else (best, most)
    return f"{asked}; most fields in common has {best}, with {most}" if most > 4 else asked


def _built(kind: type[nn.Module], given: Mapping[str, Any], file: str) -> Any:
    """Build a model's modules.

    Raises:
        RequestError: where the library cannot.
    """
    try:
        with torch.device("meta"), bounded(file):
            return kind(**given).eval().requires_grad_(False)
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(
            file, f"diffusers cannot build {kind.__name__} from it: {told(error)}"
        ) from None


def _ways(model: nn.Module, latents: Latents, file: str) -> tuple[list[Way], bool]:
    """Return the way to pass noise, and whether FLOP hang on its frames.

    Raises:
        RequestError: where no way is known.
    """
    side, frames = _side(model), latents.grid[0]
    problem: Exception | None = None
    for count in dict.fromkeys((1, 2, frames)):
        for form in forms_of(model, count, side):
            try:
                if not _total(model, form, latents, form.lengths()[1]):
                    continue
                per_frame = frames > 1 and _hangs_on_frames(model, form, latents)
                if per_frame and frames != count:
                    form = replace(form, frames=frames)
                    _total(model, form, latents, form.lengths()[1])
            except Exception as error:
                problem = problem or error
                continue
            *lengths, between = form.lengths()
            return [Way(partial(call_of, form=form, latents=latents), lengths, between)], per_frame
    held = sum(each.numel() for each in model.parameters())
    raise RequestError(
        file,
        f"{type(model).__name__} holds {held:,} parameters, but no pass through it is known, so "
        f"that its FLOP cannot be counted: {told(problem) if problem else 'it multiplies nothing'}",
    )


def _total(model: nn.Module, form: Form, latents: Latents, length: int) -> float:
    """Return FLOP of a pass with so many tokens."""
    return run(model, call_of(model, length, form=form, latents=latents).run, {}).total


def _hangs_on_frames(model: nn.Module, form: Form, latents: Latents) -> bool:
    """Whether as many tokens of more frames take other FLOP."""
    more = replace(form, frames=2 * form.frames)
    length = more.lengths()[0]
    try:
        fewer, others = (_total(model, each, latents, length) for each in (form, more))
    except Exception:
        return True  # frames of one number only
    return abs(fewer / others - 1.0) > 1e-9


def _side(model: Any) -> int:
    """Return tokens along a side of the smallest image that halves evenly."""
    if AUTOENCODER.search(type(model).__name__):
        return LEAST_PIXELS
    levels = [getattr(model.config, name, None) for name in LEVELS]
    halvings = max((len(each) - 1 for each in levels if isinstance(each, list | tuple)), default=0)
    return max(LEAST_SIDE, 2 ** (halvings + 1)) if halvings > 0 else LEAST_SIDE


def _unsaid(
    fields: Mapping[str, Any], kind: type[nn.Module], given: Mapping[str, Any]
) -> Iterator[str]:
    """Yield sizes that the file leaves to its class, and those that the class does not know."""
    parameters = inspect.signature(cast(Any, kind).__init__).parameters
    left = [
        f"{name} {each.default}"
        for name, each in parameters.items()
        if name not in given and SIZE.search(name) and isinstance(each.default, int)
    ]
    if left:
        yield f"What the file leaves out is as {kind.__name__} has it: {listed(left)}."
    unknown = [
        name
        for name, value in fields.items()
        if name not in parameters and name not in DROPPED and SIZE.search(name)
        if isinstance(value, int) and not isinstance(value, bool)
    ]
    if unknown and maker_of(fields) is None:
        yield f"Fields that {kind.__name__} does not know have no part: {listed(unknown)}."
