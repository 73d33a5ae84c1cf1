"""How an image or a video becomes the tokens of a model of ``diffusers``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from computebill.base.errors import RequestError

from ..sample import Sample

AUTOENCODER = re.compile(r"Autoencoder|VQModel|VAE")
"""Parts of the names of classes whose tokens are pixels."""
SIDES = ("sample_height", "sample_width")
MOST_TOKENS = 10_000_000


@lru_cache(maxsize=1)
def facts() -> dict[str, Any]:
    """Return what models of ``diffusers`` are usually given (``latents.toml``)."""
    return tomllib.loads(Path(__file__).with_name("latents.toml").read_text("utf-8"))


@dataclass(frozen=True)
class Latents:
    """The tokens of one sample.

    Attributes:
        text: tokens of text beside them.
        size: pixels high and wide, and frames.
        factor: pixels along a side of a latent, and frames of one.
        patch: latents of a token: along frames, high, wide.
        packed: whether tokens are made outside the model.
        each_frame: whether each frame has the text beside it, rather than the whole.
        assumed: what of it nobody says.
    """

    text: int
    size: tuple[int, int, int]
    factor: tuple[int, int]
    patch: tuple[int, int, int]
    packed: bool
    each_frame: bool
    assumed: tuple[str, ...]

    @property
    def grid(self) -> tuple[int, int, int]:
        """Tokens along frames, high, wide."""
        height, width, frames = self.size
        side, step = self.factor
        latents = (-(-(frames - 1) // step) + 1, -(-height // side), -(-width // side))
        along, high, wide = (-(-of // by) for of, by in zip(latents, self.patch, strict=True))
        return along, high, wide

    @property
    def tokens(self) -> int:
        """Tokens of a sample."""
        frames, high, wide = self.grid
        return frames * high * wide

    def notes(self) -> Iterator[str]:
        """Yield what a sequence is, and what was assumed of it."""
        height, width, frames = self.size
        what = f"a video of {frames:,} frames of" if frames > 1 else "an image of"
        shape = " x ".join(f"{each:,}" for each in self.grid if each > 1 or frames == 1)
        beside = f"; with it go {self.text:,} tokens of text, which are no part of its length"
        yield (
            f"A sequence is {what} {height:,} x {width:,} pixels: {self.tokens:,} tokens "
            f"({shape.removeprefix('1 x ')}){beside if self.text else ''}."
        )
        if self.assumed:
            yield f"Assumed: {'; '.join(self.assumed)}."


def latents_of(name: str, config: Any, sample: Sample) -> Latents:
    """Return the tokens of a sample of a class of ``diffusers``.

    Args:
        name: of the class.
        config: of the model.
        sample: what was said of it.

    Raises:
        RequestError: where the size is too large.
    """
    known = facts()["models"].get(name, {})
    usual = facts()["usual"]
    is_known = f"as {known['pipeline']} of diffusers has it" if known else "as no pipeline is known"
    pixels = AUTOENCODER.search(name) is not None
    assumed = []
    text = sample.text
    if text is None:
        text = 0 if pixels else known.get("text", usual["text"])
        assumed += [f"{text:,} tokens of text, {is_known}"] if text else []
    factor = 1 if pixels else known.get("factor", usual["factor"])
    step = 1 if pixels else known.get("frames", 1)
    size = (sample.height, sample.width, sample.frames)
    if not sample.height:
        size, told = _own_size(config, factor, known.get("size", usual["size"]))
        assumed += [
            told or f"{' x '.join(map(str, size if size[2] > 1 else size[:2]))}, {is_known}"
        ]
    if factor > 1 or step > 1:
        along = f" and {step} frames" if step > 1 else ""
        assumed.append(f"latents of {factor} x {factor} pixels{along}")
    side = known.get("packed", 0)
    patch = (1, side, side) if side else _patch(config)
    each_frame = known.get("each_frame", False)
    found = Latents(text, size, (factor, step), patch, bool(side), each_frame, tuple(assumed))
    if found.tokens > MOST_TOKENS:
        problem = f"{found.tokens:,} tokens; allowed: up to {MOST_TOKENS:,}"
        raise RequestError("image_size", problem)
    return found


def _own_size(config: Any, factor: int, usual: list[int]) -> tuple[tuple[int, int, int], str]:
    """Return the size of a sample that a configuration is for, else the usual one."""
    own = getattr(config, "sample_size", None)
    own = (own, own) if isinstance(own, int) else own
    if len(usual) > 2:  # of a video, one number says too little
        own = None
    if not own:
        own = tuple(getattr(config, side, None) for side in SIDES)
    frames = usual[2] if len(usual) > 2 else 1
    if len(own) != 2 or not all(isinstance(each, int) and each > 0 for each in own):
        return (usual[0], usual[1], frames), ""
    size = (own[0] * factor, own[1] * factor, frames)
    return size, "from the size of a sample that the configuration has"


def _shown(size: tuple[int, int, int]) -> str:
    """Return a size in words, without the frames of an image."""
    return " x ".join(map(str, size if size[2] > 1 else size[:2]))


def _patch(config: Any) -> tuple[int, int, int]:
    """Return latents of a token, as a configuration has it."""
    size = getattr(config, "patch_size", None) or 1
    along = next(
        (
            value
            for name in ("patch_size_t", "temporal_patch_size")
            if isinstance(value := getattr(config, name, None), int)
        ),
        1,
    )
    if isinstance(size, int):
        return along, size, size
    sizes = [int(each) for each in size]
    return (sizes[0], sizes[1], sizes[2]) if len(sizes) > 2 else (along, sizes[0], sizes[-1])


def maker_of(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return how a maker's own file is read as one of ``diffusers``; None where it cannot be."""
    name = fields.get("_class_name")
    maker = facts()["makers"].get(name) if isinstance(name, str) else None
    if maker is None or not all(name in fields for name in maker["needs"]):
        return None
    return dict(maker)
