"""What is passed to a model of ``diffusers``: noise of an image or a video, and text beside it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .inputs import Call
from .latents import AUTOENCODER, Latents

MOVING = ("3D", "Video", "Temporal", "Motion")
"""Parts of the names of classes that take a video."""
IMAGE_TOKENS = 257
"""Tokens of an image that is shown beside a text: of CLIP's large towers."""
PIXELS = 8
"""Pixels along a side of a latent, of control nets that read pixels."""
SOUND_TOKENS = 126
"""Latents of 5 s of sound, of models of video with sound, at 25 a second."""
TEXT_WIDTHS = (
    "encoder_hid_dim",
    "caption_channels",
    "joint_attention_dim",
    "text_embed_dim",
    "text_dim",
    "cap_feat_dim",
    "caption_dim",
    "in_text_dim",
    "text_hidden_dim",
    "text_in_dim",
    "cross_attention_dim",
)
"""Names of the width of what a text encoder gives, the first that a configuration has."""
CHANNELS = ("in_channels", "in_visual_dim", "sample_channels", "latent_channels")


@dataclass(frozen=True)
class Form:
    """A way in which a model takes its noise.

    Attributes:
        name: of it: ``packed`` tokens, an ``image``, a ``video``, its ``frames`` first, its
            channels ``last``, a ``line``, a ``list`` of videos.
        frames: tokens along its frames.
        side: tokens along its height, of the smallest that is passed.
        square: whether images have to be as high as wide.
    """

    name: str
    frames: int
    side: int
    square: bool = False

    def noise(self, length: int, channels: int, patch: tuple[int, int, int]) -> Any:
        """Return noise of so many tokens."""
        along, high, wide = (of * by for of, by in zip(self.grid(length), patch, strict=True))
        shapes = {
            "packed": (1, length, channels),
            "image": (1, channels, high, wide),
            "video": (1, channels, along, high, wide),
            "frames": (1, along, channels, high, wide),
            "last": (1, along, high, wide, channels),
            "line": (1, channels, length),
            "list": (channels, along, high, wide),
        }
        value = _floats(*shapes[self.name])
        return [value] if self.name == "list" else value

    def grid(self, length: int) -> tuple[int, int, int]:
        """Return tokens along frames, high and wide."""
        if self.square:
            side = math.isqrt(length // self.frames)
            return self.frames, side, side
        return self.frames, self.side, length // (self.frames * self.side)

    def lengths(self) -> list[int]:
        """Return three numbers of tokens that can be passed, and one between them."""
        steps = SQUARES if self.square else STRIPES
        return [int(self.frames * self.side**2 * step) for step in steps]


STRIPES = (1, 2, 3, 2.5)
"""Tokens of images of one height that are passed, over those of the smallest."""
SQUARES = (1, 4, 9, 6.25)
"""The same, of images as high as wide."""


def forms_of(model: nn.Module, frames: int, side: int) -> list[Form]:
    """Return the forms that a model may take its noise in, the likeliest first."""
    name = type(model).__name__
    names = ["packed", "image", "line"]
    if "list" in str(inspect.signature(model.forward).parameters.get("x", "")).lower():
        names = ["list"]
    elif any(part in name for part in MOVING):
        names = ["video", "frames", "last", "packed", "image"]
    elif "UNet" in name or AUTOENCODER.search(name):
        names = ["image", "video", "line"]
    return [Form(each, frames, side, square) for square in (False, True) for each in names]


def call_of(model: nn.Module, length: int, *, form: Form, latents: Latents) -> Call:
    """Return a call with noise of so many tokens.

    Raises:
        TypeError: when it is run, where the model needs what is not known here.
    """
    given = dict(_arguments(model, form, length, latents))
    return Call(lambda: model(**given), f"{length} tokens")


def _floats(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


def _arguments(
    model: nn.Module, form: Form, length: int, latents: Latents
) -> Iterator[tuple[str, Any]]:
    """Yield the arguments that a model needs, and those that its configuration asks for."""
    parameters = inspect.signature(model.forward).parameters
    config: Any = model.config
    channels = _size(config, *CHANNELS) or 3
    noise = form.noise(length, channels, latents.patch)
    providers = {
        **dict.fromkeys(("hidden_states", "sample", "latents", "x", "z"), lambda: noise),
        **_of_time(),
        **_of_text(config, latents, form),
        **_of_places(config, form.grid(length), latents),
        **_of_conditions(config),
        "controlnet_cond": lambda: _condition(config, form, length, noise),
        **_of_sound(config, latents.text),
    }
    asked = {*_asked(config), next(iter(parameters))}
    for name, parameter in parameters.items():
        is_needed = parameter.default is inspect.Parameter.empty
        if name in providers and (is_needed or name in asked):
            yield name, providers[name]()


def _asked(config: Any) -> Iterator[str]:
    """Yield arguments that are given though they may be left out."""
    yield from (
        "encoder_hidden_states",
        "encoder_hidden_states_t5",
        "encoder_hidden_states_llama3",
        "text_embedding_mask",
        "text_embedding_mask_t5",
        "image_meta_size",
        "style",
        "timestep",
        "timesteps",
        "img_ids",
        "txt_ids",
        "img_shapes",
        "encoder_hidden_states_mask",
        "num_frames",
        "height",
        "width",
        "audio_num_frames",
        "visual_rope_pos",
    )
    for field, name in (
        ("pooled_projection_dim", "pooled_projections"),
        ("guidance_embeds", "guidance"),
        ("global_states_input_dim", "global_hidden_states"),
        ("image_dim", "encoder_hidden_states_image"),
        ("image_embed_dim", "image_embeds"),
        ("text_embed_2_dim", "encoder_hidden_states_2"),
        ("text_embed_2_dim", "encoder_attention_mask_2"),
        ("num_class_embeds", "class_labels"),
        ("class_embed_type", "class_labels"),
        ("addition_embed_type", "added_cond_kwargs"),
        ("use_additional_conditions", "added_cond_kwargs"),
        ("norm_num_groups", "added_cond_kwargs"),
        ("num_embeds_ada_norm", "class_labels"),
        ("use_additional_t_cond", "additional_t_cond"),
    ):
        if getattr(config, field, None):
            yield name


Provider = Callable[[], Any]


def _of_time() -> dict[str, Provider]:
    names = ("timestep", "timesteps", "t", "timestep_ratio", "timestep_r", "r_timestep")
    return dict.fromkeys((*names, "audio_timestep", "sigma"), lambda: _floats(1))


def _of_text(config: Any, latents: Latents, form: Form) -> dict[str, Provider]:
    """Return what text encoders give, with its mask."""
    text, is_list = latents.text, form.name == "list"
    count = form.frames if latents.each_frame else 1
    width = _size(config, *TEXT_WIDTHS)
    wide_t5 = _size(config, "cross_attention_dim_t5")
    length_t5 = _size(config, "text_len_t5") or text
    states: Provider = lambda: _floats(count, text, width)  # noqa: E731
    mask: Provider = lambda: torch.ones((1, text), dtype=torch.bool)  # noqa: E731
    found: dict[str, Provider] = {
        **dict.fromkeys(("encoder_hidden_states", "text_bth"), states),
        **dict.fromkeys(
            ("encoder_attention_mask", "encoder_hidden_states_mask", "encoder_mask"), mask
        ),
        "text_embedding_mask": lambda: torch.ones((1, text), dtype=torch.long),
        "text_embedding_mask_t5": lambda: torch.ones((1, length_t5), dtype=torch.long),
        "text_lens": lambda: torch.tensor([text]),
        "cap_feats": lambda: [_floats(text, width)] if is_list else states(),
        "text_rope_pos": lambda: torch.arange(text),
        "pooled_projections": lambda: _floats(
            1, _size(config, "pooled_projection_dim", "in_text_dim2")
        ),
        "encoder_hidden_states_t5": lambda: _floats(1, length_t5, wide_t5),
        "encoder_hidden_states_2": lambda: _floats(1, text, _size(config, "text_embed_2_dim")),
        "encoder_attention_mask_2": mask,
    }
    captions = getattr(config, "caption_channels", None)
    if isinstance(captions, list | tuple) and len(captions) > 1:
        layers = len(getattr(config, "llama_layers", None) or (0,))
        found["encoder_hidden_states_t5"] = lambda: _floats(1, text, captions[0])
        found["encoder_hidden_states_llama3"] = lambda: _floats(layers, 1, text, captions[1])
        found["pooled_embeds"] = lambda: _floats(1, _size(config, "text_emb_dim"))
    return found


def _of_places(config: Any, grid: tuple[int, int, int], latents: Latents) -> dict[str, Provider]:
    """Return where tokens stand."""
    frames, high, wide = grid
    along, down, across = (of * by for of, by in zip(grid, latents.patch, strict=True))
    if latents.packed:
        along, down, across = grid
    axes = len(getattr(config, "axes_dims_rope", None) or (0, 0, 0))
    pair: Provider = lambda: _floats(1, 2)  # noqa: E731
    return {
        "img_ids": lambda: _floats(frames * high * wide, axes),
        "txt_ids": lambda: _floats(latents.text, axes),
        "img_shapes": lambda: [[grid]],
        "num_frames": lambda: along,
        "height": lambda: down,
        "width": lambda: across,
        "visual_rope_pos": lambda: [torch.arange(each) for each in grid],
        **dict.fromkeys(("original_size", "target_size", "crop_coords"), pair),
    }


def _of_conditions(config: Any) -> dict[str, Provider]:
    """Return what a model is told beside a text."""

    def added() -> Mapping[str, Any]:
        if not getattr(config, "addition_embed_type", None):
            return {"resolution": _floats(1, 2), "aspect_ratio": _floats(1, 1)}
        width = _size(config, "projection_class_embeddings_input_dim")
        width -= 6 * _size(config, "addition_time_embed_dim")
        image = _size(config, "encoder_hid_dim")
        found = {"time_ids": _floats(1, 6), "text_embeds": _floats(1, width)}
        return found | ({"image_embeds": _floats(1, image)} if image else {})

    width = _size(config, "image_dim", "image_embed_dim")
    return {
        "guidance": lambda: _floats(1),
        "global_hidden_states": lambda: _floats(1, 1, _size(config, "global_states_input_dim")),
        "class_labels": lambda: torch.zeros((1,), dtype=torch.long),
        "added_time_ids": lambda: _floats(1, 3),
        "added_cond_kwargs": added,
        "additional_t_cond": lambda: torch.zeros((1,), dtype=torch.long),
        **dict.fromkeys(
            ("encoder_hidden_states_image", "image_embeds"), lambda: _floats(1, IMAGE_TOKENS, width)
        ),
        "image_meta_size": lambda: _floats(1, 6),
        "style": lambda: torch.zeros((1,), dtype=torch.long),
        "fps": lambda: torch.tensor([24]),
    }


def _condition(config: Any, form: Form, length: int, noise: Any) -> Any:
    """Return the image that a control net reads: pixels, or latents as those of the noise."""
    if not getattr(config, "conditioning_embedding_out_channels", None):
        return noise
    _, high, wide = form.grid(length)
    channels = _size(config, "conditioning_channels") or 3
    return _floats(1, channels, PIXELS * high, PIXELS * wide)


def _of_sound(config: Any, text: int) -> dict[str, Provider]:
    """Return the sound of a video, where a model makes both."""
    return {
        "audio_hidden_states": lambda: _floats(1, SOUND_TOKENS, _size(config, "audio_in_channels")),
        "audio_encoder_hidden_states": lambda: _floats(
            1, text, _size(config, "caption_channels", "audio_cross_attention_dim")
        ),
        "audio_num_frames": lambda: SOUND_TOKENS,
    }


def _size(config: Any, *names: str) -> int:
    """Return the first size that a configuration has, of several the first; 0 of none."""
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, list | tuple) and value:
            value = value[0]
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return 0
