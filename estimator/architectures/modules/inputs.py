"""What is passed to a model: text of a length, and the images and sound of one sample."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

ASSUMED_SIDE = 1024
"""Pixels along a side of an image, where a model takes images of any size."""
ASSUMED_FRAMES = 3000
"""Frames of sound of a sample where a configuration gives none: 30 s of 10 ms."""
ASSUMED_PATCHES = 2048
"""Patches of an image that comes as such, as the processor of Pix2Struct has it."""
ASSUMED_VIDEO = 4
"""Frames of a video, where a model reads no image, as the processor of InstructBlipVideo has it."""
ASSUMED_INSTRUCTION = 32
"""Tokens of text that are read together with an image."""
ALWAYS = {"image_grid_thw", "grid_thw", "image_position_ids", "spatial_shapes"}
"""Arguments that are given even where a model can do without."""
SPECIAL = ("_id", "_index")
LARGEST_FIRST_TOKEN = 1000


@dataclass(frozen=True)
class Call:
    """A way to call a model.

    Attributes:
        run: calls it.
        what: what one call is given, in words.
        assumed: what of it no configuration says; empty where it does.
    """

    run: Callable[[], object]
    what: str
    assumed: str = ""


def text_call(model: nn.Module, length: int) -> Call:
    """Return a call with so many tokens; in an encoder-decoder, with so many in each."""
    return _whole_call(model, length, with_media=False)


def media_call(model: nn.Module, length: int) -> Call:
    """Return a call with so many tokens, an image and sound, as far as a model takes them."""
    return _whole_call(model, length, with_media=True)


def passed(model: Any) -> Any:
    """Return what a sequence is passed to: the model, or the part of it that reads and thinks.

    Qwen's Omni models have no pass of their own: they generate, part after part.
    """
    has_none = type(model).forward is nn.Module.forward
    return getattr(model, "thinker", model) if has_none else model


def _whole_call(whole: nn.Module, length: int, *, with_media: bool) -> Call:
    model = passed(whole)
    names = inspect.signature(model.forward).parameters
    config: Any = model.config
    given: dict[str, Any] = {}
    tokens = _tokens(config, length)
    for name in ("input_ids", "decoder_input_ids"):
        if name in names:
            given[name] = tokens
    if "use_cache" in names:
        given["use_cache"] = False
    assumed = []
    if "visual_bbox" in names:
        given["bbox"] = torch.zeros((1, length, 4))  # where each token stands on its page
    media = {
        name: each
        for name, each in media_of(config).items()
        if name in names and (with_media or "input_ids" not in names or _is_needed(names[name]))
    }
    if media:
        given |= {name: each.value for name, each in media.items()}
        assumed = [each.assumed for each in media.values() if each.assumed]
    return Call(lambda: model(**given), f"{length} tokens", "; ".join(assumed))


def parts_call(model: nn.Module, length: int) -> Call:
    """Return a call of a language model and its head by themselves, with so many tokens.

    Raises:
        AttributeError: where a model has none.
    """
    whole: Any = model
    decoder, head = whole.get_decoder(), whole.get_output_embeddings()
    if decoder is model:
        raise AttributeError("has no decoder of its own")
    if any(each is head for each in decoder.modules()):
        head = None
    tokens = _tokens(model.config, length)

    def run() -> object:
        found = decoder(input_ids=tokens, use_cache=False)
        return head(found[0]) if head is not None else found

    return Call(run, f"{length} tokens")


def image_calls(model: nn.Module) -> list[Call]:
    """Return ways to call what reads images, with one; none where nothing does."""
    model = passed(model)
    config: Any = model.config
    call = _method(model, "vision_config", "get_image_features", "get_video_features")
    if call is None:
        return []
    names = inspect.signature(call).parameters
    medium, vision = media_of(config)["pixel_values"], config.vision_config
    forms = _image_forms(vision, medium.value, names)
    asked = _image_arguments(vision, medium.value)
    assumed = [medium.assumed] if medium.assumed else []
    if "qformer_input_ids" in names:
        asked["qformer_input_ids"] = _tokens(config.qformer_config, ASSUMED_INSTRUCTION)
        assumed.append(f"{ASSUMED_INSTRUCTION} tokens of instruction with an image")
    if "video" in call.__name__:
        forms = [medium.value.unsqueeze(1).expand(-1, ASSUMED_VIDEO, -1, -1, -1)]
        assumed.append(f"videos of {ASSUMED_VIDEO} frames in place of images")
    return [
        _call(call, {"pixel_values": form, **asked}, "one image", "; ".join(assumed))
        for form in forms
    ]


def audio_calls(model: nn.Module) -> list[Call]:
    """Return ways to call what reads sound, with one clip; none where nothing does."""
    model = passed(model)
    call = _method(model, "audio_config", "get_audio_features")
    if call is None:
        return []
    media = media_of(model.config)
    frames = media["input_features"].value.shape[-1]
    given = {name: each.value for name, each in media.items() if name != "pixel_values"}
    given |= {
        "input_features_mask": torch.ones((1, frames), dtype=torch.bool),
        "padding_mask": torch.ones((1, frames), dtype=torch.bool),
        "feature_lens": torch.tensor([frames]),
        "audio_feature_lengths": torch.tensor([frames]),
    }
    return [_call(call, given, "one clip of sound", media["input_features"].assumed)]


@dataclass(frozen=True)
class Medium:
    """An argument that holds an image or sound, and what was assumed of it."""

    value: Tensor
    assumed: str = ""


def media_of(config: Any) -> dict[str, Medium]:
    """Return arguments that hold one image and one clip, by name, of a model's configuration."""
    encoder = getattr(config, "encoder", None)
    vision = getattr(config, "vision_config", None)
    vision = vision or (encoder if hasattr(encoder, "to_dict") else config)
    audio = getattr(config, "audio_config", None) or config
    channels = _first(vision, ("num_channels", "in_channels", "in_chans")) or 3
    side, assumed = image_side(vision)
    mels = _first(audio, ("num_mel_bins", "feature_size", "input_feat_per_channel")) or 80
    frames, unsaid = clip_frames(audio)
    pixels = torch.empty((1, int(channels), side, side), device="meta")
    # Each patch with its row and column.
    flat = 2 + int(getattr(vision, "patch_embed_hidden_size", 0))
    return {
        "pixel_values": Medium(pixels, assumed),
        "flattened_patches": Medium(
            torch.empty((1, ASSUMED_PATCHES, flat), device="meta"),
            f"images of {ASSUMED_PATCHES:,} patches",
        ),
        "input_features": Medium(torch.empty((1, int(mels), frames), device="meta"), unsaid),
        "input_values": Medium(torch.empty((1, frames * 160), device="meta"), unsaid),
    }


def image_side(vision: Any) -> tuple[int, str]:
    """Return pixels along a side of an image, and what was assumed of it."""
    size = _first(vision, ("image_size", "img_size", "input_size"))
    if isinstance(size, list | tuple) and size:
        size = size[0]
    if isinstance(size, int) and size > 0:
        return size, ""
    unit = patch_side(vision) * _merged(vision)
    side = max(unit, ASSUMED_SIDE // unit * unit)
    return side, f"images of {side:,} x {side:,} pixels, as the configuration gives no size"


def patch_side(vision: Any) -> int:
    """Return pixels along a side of a patch."""
    size = _first(vision, ("patch_size", "spatial_patch_size")) or 16
    return int(size[0] if isinstance(size, list | tuple) else size)


def clip_frames(audio: Any) -> tuple[int, str]:
    """Return frames of a clip, and what was assumed of it."""
    positions = _first(audio, ("max_source_positions",))
    if isinstance(positions, int) and positions > 0:
        return 2 * positions, ""
    return ASSUMED_FRAMES, f"{ASSUMED_FRAMES:,} frames of sound, as the configuration gives none"


def _merged(vision: Any) -> int:
    names = ("spatial_merge_size", "pooling_kernel_size", "merge_kernel_size")
    merge = _first(vision, names) or 1
    merge = merge[0] if isinstance(merge, list | tuple) else merge
    return merge if isinstance(merge, int) else 1


def _method(model: Any, part: str, *names: str) -> Any:
    """Return a method of a model or of what it wraps, where its configuration has a part."""
    if getattr(model.config, part, None) is None:
        return None
    owners = (getattr(model, "model", model), model)
    found = (getattr(owner, name, None) for name in names for owner in owners)
    return next((each for each in found if callable(each)), None)


def _call(call: Any, given: Mapping[str, Tensor], what: str, assumed: str) -> Call:
    """Return a call with those of some arguments that it needs, and its first."""
    names = inspect.signature(call).parameters
    used = {name: value for name, value in given.items() if name in ALWAYS and name in names}
    used |= {name: value for name, value in given.items() if _is_needed(names.get(name))}
    first = next(iter(names))
    if first not in used:
        used[first] = next(iter(given.values()))
    return Call(lambda: call(**used), what, assumed)


def _image_forms(
    vision: Any, pixels: Tensor, names: Mapping[str, inspect.Parameter]
) -> list[Tensor]:
    """Return one image in the forms that models take: pixels, tiles of them, or patches."""
    channels, side, patch = pixels.shape[1], pixels.shape[-1], patch_side(vision)
    count, depth = max(1, side // patch) ** 2, _first(vision, ("temporal_patch_size",)) or 1
    flat = channels * patch**2
    tiles = [(1, each, channels, side, side) for each in (1, 5, 3)]
    patches = [
        (count, flat * int(depth)),
        (count, channels, patch, patch),
        (1, count, flat),
        (1, count, channels, patch, patch),
    ]
    whole = [tuple(pixels.shape)]
    has_grid = any(name.endswith(("_thw", "_hws", "_hw", "position_ids")) for name in names)
    shapes = [*patches, *whole, *tiles] if has_grid else [*whole, *tiles, *patches]
    return [torch.empty(shape, device="meta") for shape in shapes]


def _image_arguments(vision: Any, pixels: Tensor) -> dict[str, Tensor]:
    """Return what goes with one image: its size, and the grid of its patches."""
    side = pixels.shape[-1]
    rows = max(1, side // patch_side(vision))
    grid, line = torch.tensor([[1, rows, rows]]), torch.arange(rows)
    names = ("spatial_shapes", "image_grid_hws", "image_grid_hw", "target_sizes")
    return {
        **dict.fromkeys(names, grid[:, 1:]),
        "image_grid_thw": grid,
        "grid_thw": grid,
        "image_merge_sizes": torch.tensor([_merged(vision)]),
        "image_position_ids": torch.cartesian_prod(line, line).unsqueeze(0),
        "image_sizes": torch.tensor([[side, side]]),
        "pixel_attention_mask": torch.ones((1, rows**2), dtype=torch.bool),
    }


def _tokens(config: Any, length: int) -> Tensor:
    """Return a sequence of one plain token, with an end where the model has one."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    special = {
        value
        for each in (config, text)
        for name, value in each.to_dict().items()
        if name.endswith(SPECIAL) and isinstance(value, int)
    }
    plain = next(each for each in range(3, LARGEST_FIRST_TOKEN) if each not in special)
    vocabulary = getattr(text, "vocab_size", None)
    if isinstance(vocabulary, int) and plain >= vocabulary:
        plain = 0
    tokens = torch.full((1, length), plain, dtype=torch.long)
    end = getattr(text, "eos_token_id", None)
    end = end[0] if isinstance(end, list) and end else end
    if isinstance(end, int):
        tokens[0, -1] = end
    return tokens


def _is_needed(parameter: inspect.Parameter | None) -> bool:
    """Whether a call fails without an argument."""
    return parameter is not None and parameter.default is inspect.Parameter.empty


def _first(config: Any, names: tuple[str, ...]) -> Any:
    return next(
        (value for name in names if (value := getattr(config, name, None)) is not None), None
    )
