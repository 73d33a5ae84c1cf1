"""Models of ``diffusers``: parameters are their modules', FLOP those of PyTorch on real passes.

Each model is run on the CPU with values, and called as its own documentation has it, with sizes
that were not among those from which its FLOP were made.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from minutes import takes_minutes
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import computebill as cb
from computebill.architectures import Architecture, Sample, read_architecture, read_sample
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_parameters
from computebill.base.errors import RequestError
from computebill.kernels import flop as kernel

TEXT = 7
HEIGHT, WIDTH = 10, 12
"""Tokens of an image."""


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def forward_flop(found: Architecture, tokens: int) -> float:
    """Return forward FLOP of a sample of so many tokens."""
    batch = columns(found.at(tokens))
    each = kernel.token_flop(
        batch.operators, torch.tensor([float(tokens)], dtype=torch.float64), full_attention=True
    )
    return float(kernel.over_layers(batch.groups, each.forward)[0]) * tokens


def text(width: int) -> Tensor:
    return torch.zeros(1, TEXT, width)


TIME = torch.ones(1)
FLUX = {
    "num_layers": 2,
    "num_single_layers": 3,
    "attention_head_dim": 16,
    "num_attention_heads": 4,
    "joint_attention_dim": 24,
    "pooled_projection_dim": 20,
    "in_channels": 8,
    "guidance_embeds": True,
    "axes_dims_rope": [4, 6, 6],
}
QWEN = {
    "num_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 4,
    "joint_attention_dim": 24,
    "in_channels": 8,
    "axes_dims_rope": [4, 6, 6],
}
WAN = {
    "num_layers": 3,
    "attention_head_dim": 12,
    "num_attention_heads": 4,
    "in_channels": 5,
    "out_channels": 6,
    "text_dim": 20,
    "freq_dim": 32,
    "ffn_dim": 100,
}
SD3 = {
    "sample_size": 32,
    "num_layers": 3,
    "attention_head_dim": 16,
    "num_attention_heads": 4,
    "joint_attention_dim": 24,
    "caption_projection_dim": 64,
    "pooled_projection_dim": 20,
    "in_channels": 4,
    "dual_attention_layers": [0],
}
UNET = {
    "in_channels": 4,
    "block_out_channels": [32, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "cross_attention_dim": 24,
    "attention_head_dim": 8,
    "norm_num_groups": 8,
}
PIXART = {
    "sample_size": 32,
    "num_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 4,
    "caption_channels": 24,
    "cross_attention_dim": 64,
}
LTX = {
    "in_channels": 8,
    "out_channels": 8,
    "num_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 4,
    "cross_attention_dim": 64,
    "caption_channels": 24,
}
DIT = {"sample_size": 16, "num_layers": 2, "attention_head_dim": 16, "num_attention_heads": 4}
COGVIDEO = {
    "num_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 4,
    "text_embed_dim": 24,
    "max_text_seq_length": TEXT,
}
MOTION = {
    **{name: value for name, value in UNET.items() if name != "attention_head_dim"},
    "num_attention_heads": 8,
    "down_block_types": ["CrossAttnDownBlockMotion", "DownBlockMotion"],
    "up_block_types": ["UpBlockMotion", "CrossAttnUpBlockMotion"],
    "motion_num_attention_heads": 4,
}
TOKENS = HEIGHT * WIDTH
CASES: dict[str, tuple[dict[str, Any], int, Callable[[], dict[str, Any]]]] = {
    "FluxTransformer2DModel": (
        FLUX,
        TOKENS,
        lambda: {
            "hidden_states": torch.zeros(1, TOKENS, 8),
            "encoder_hidden_states": text(24),
            "pooled_projections": torch.zeros(1, 20),
            "timestep": TIME,
            "guidance": TIME,
            "img_ids": torch.zeros(TOKENS, 3),
            "txt_ids": torch.zeros(TEXT, 3),
        },
    ),
    "QwenImageTransformer2DModel": (
        QWEN,
        TOKENS,
        lambda: {
            "hidden_states": torch.zeros(1, TOKENS, 8),
            "encoder_hidden_states": text(24),
            "encoder_hidden_states_mask": torch.ones(1, TEXT, dtype=torch.bool),
            "timestep": TIME,
            "img_shapes": [[(1, HEIGHT, WIDTH)]],
        },
    ),
    "WanTransformer3DModel": (
        WAN,
        3 * TOKENS,
        lambda: {
            "hidden_states": torch.zeros(1, 5, 3, 2 * HEIGHT, 2 * WIDTH),
            "encoder_hidden_states": text(20),
            "timestep": TIME,
        },
    ),
    "SD3Transformer2DModel": (
        SD3,
        TOKENS,
        lambda: {
            "hidden_states": torch.zeros(1, 4, 2 * HEIGHT, 2 * WIDTH),
            "encoder_hidden_states": text(24),
            "pooled_projections": torch.zeros(1, 20),
            "timestep": TIME,
        },
    ),
    "UNet2DConditionModel": (
        UNET,
        TOKENS,
        lambda: {
            "sample": torch.zeros(1, 4, HEIGHT, WIDTH),
            "timestep": TIME,
            "encoder_hidden_states": text(24),
        },
    ),
    "PixArtTransformer2DModel": (
        PIXART,
        TOKENS,
        lambda: {
            "hidden_states": torch.zeros(1, 4, 2 * HEIGHT, 2 * WIDTH),
            "encoder_hidden_states": text(24),
            "timestep": TIME,
            "added_cond_kwargs": {"resolution": None, "aspect_ratio": None},
        },
    ),
    "LTXVideoTransformer3DModel": (
        LTX,
        2 * TOKENS,
        lambda: {
            "hidden_states": torch.zeros(1, 2 * TOKENS, 8),
            "encoder_hidden_states": text(24),
            "encoder_attention_mask": torch.ones(1, TEXT, dtype=torch.bool),
            "timestep": TIME,
            "num_frames": 2,
            "height": HEIGHT,
            "width": WIDTH,
        },
    ),
    "DiTTransformer2DModel": (
        DIT,
        100,
        lambda: {
            "hidden_states": torch.zeros(1, 4, 20, 20),
            "timestep": TIME,
            "class_labels": torch.zeros(1, dtype=torch.long),
        },
    ),
    "CogVideoXTransformer3DModel": (
        COGVIDEO,
        2 * TOKENS,
        lambda: {
            "hidden_states": torch.zeros(1, 2, 16, 2 * HEIGHT, 2 * WIDTH),
            "encoder_hidden_states": text(24),
            "timestep": TIME,
        },
    ),
    "UNetMotionModel": (
        MOTION,
        16 * TOKENS,
        lambda: {
            "sample": torch.zeros(1, 4, 16, HEIGHT, WIDTH),
            "timestep": TIME,
            "encoder_hidden_states": text(24).expand(16, -1, -1),
        },
    ),
}


SLOW = {"UNetMotionModel"}


@pytest.mark.parametrize("name", [each for each in CASES if each not in SLOW])
def test_models_are_counted_as_pytorch_does(name: str) -> None:
    config, tokens, given = CASES[name]
    found = read_architecture({"_class_name": name, **config}, sample=Sample(text=TEXT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(diffusers, name)(**config).eval()
    held = sum(each.numel() for each in model.parameters())
    assert int(count_parameters(columns(found.at(tokens))).total) == held
    # The counter knows no fused attention of CPUs.
    attention = sdpa_kernel(SDPBackend.MATH)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), attention:
        model(**given())
    assert forward_flop(found, tokens) == pytest.approx(counter.get_total_flops(), rel=1e-3)


@pytest.mark.slow
@takes_minutes("passes 16 frames, each by itself")
@pytest.mark.parametrize("name", sorted(SLOW))
def test_models_of_frames_are_counted_as_pytorch_does(name: str) -> None:
    test_models_are_counted_as_pytorch_does(name)


def test_wan_is_what_its_paper_makes_of_it() -> None:
    # Wan (2025), section 4.2: each block attends to itself, to the text, and feeds forward; what
    # modulates it is learned beside one projection of time that all blocks share.
    found = read_architecture(
        {"_class_name": "WanTransformer3DModel", **WAN}, sample=Sample(text=TEXT)
    )
    d, f, n, layers = 48, 100, 360, 3
    patch_in, patch_out = 5 * 4, 6 * 4
    each_token = layers * (4 * d * d + 2 * d * d + 2 * d * f) + patch_in * d + d * patch_out
    scores = layers * (2 * n * n * d + 2 * n * TEXT * d)
    each_text = layers * 2 * d * d + 20 * d + d * d
    time = 32 * d + d * d + 6 * d * d
    products = n * each_token + scores + TEXT * each_text + time
    assert forward_flop(found, n) == pytest.approx(2 * products, rel=1e-9)


def test_a_sample_is_as_large_as_is_said() -> None:
    config = {"_class_name": "WanTransformer3DModel", **WAN}
    usual = read_architecture(config)
    assert usual.sample_tokens == 21 * 30 * 52  # 81 frames of 480 x 832
    said = read_architecture(config, sample=read_sample("720x1280x5", 100))
    assert said.sample_tokens == 2 * 45 * 80
    assert "100 tokens of text" in said.notes[0]
    assert forward_flop(usual, 1000) > forward_flop(said, 1000)  # of 512 tokens of text


@pytest.mark.slow
@takes_minutes("passes 24 frames, each by itself")
def test_frames_that_are_attended_apart_are_said_to_count() -> None:
    config = {"_class_name": "UNetMotionModel", **MOTION}
    few, many = (
        read_architecture(config, sample=Sample(64, 64, frames, TEXT)) for frames in (8, 16)
    )
    assert any("16 frames" in note for note in many.notes)
    # Of as many tokens, more frames are smaller images: fewer keys in space, more in time.
    assert forward_flop(few, 4096) != pytest.approx(forward_flop(many, 4096), rel=1e-3)


def test_a_step_of_it_is_timed_with_a_wider_interval_and_its_products_counted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"_class_name": "FluxTransformer2DModel", **FLUX}))
    spec = {
        "model": str(path),
        "tokens": 1e9,
        "accelerator": "h100",
        "count": 8,
        "layout": {"dp": 8, "zero": 3},
        "global_batch": 64,
        "image_size": "512x512",
    }
    found = cb.estimate_run(spec).to_dict()
    told = {each["name"]: each for each in found["assumptions"]}
    assert found["convention"] == "megatron"
    assert told["sequence length"]["value"] == "1024"
    assert "wider interval" in str(told["utilisation (MFU)"])


def test_a_pipeline_gives_its_transformer(tmp_path: Path) -> None:
    index = {
        "_class_name": "FluxPipeline",
        "_diffusers_version": "0.30.0",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(RequestError, match=r"give transformer/config\.json, which is not beside"):
        read_architecture(tmp_path)
    (tmp_path / "transformer").mkdir()
    config = {"_class_name": "FluxTransformer2DModel", **FLUX}
    (tmp_path / "transformer" / "config.json").write_text(json.dumps(config))
    found = read_architecture(tmp_path)
    assert found.model_type == "FluxTransformer2DModel"
    assert "text_encoder" in found.notes[0]
    assert found == read_architecture(tmp_path / "model_index.json")


def test_makers_own_files_are_read_where_their_fields_say_which_class() -> None:
    wan = {
        "dim": 48,
        "ffn_dim": 100,
        "freq_dim": 32,
        "in_dim": 5,
        "out_dim": 6,
        "num_heads": 4,
        "num_layers": 3,
        "text_dim": 20,
    }
    own = read_architecture({"_class_name": "WanModel", "model_type": "t2v", **wan})
    theirs = read_architecture({"_class_name": "WanTransformer3DModel", **WAN})
    assert own.kinds == theirs.kinds
    assert own.inputs == theirs.inputs
    with pytest.raises(RequestError, match="ends in -Diffusers"):
        read_architecture({"_class_name": "WanModel", "model_type": "i2v", **wan})
    shown = read_architecture({"_class_name": "WanModel", "has_image_input": "true", **wan})
    extra = int(count_parameters(columns(shown.at(64))).total)
    extra -= int(count_parameters(columns(own.at(64))).total)
    # CLIP's projection with its two norms, and keys, values and a norm of keys in each block.
    d, clip = 48, 1280
    projection = 2 * clip + clip * clip + clip + clip * d + d + 2 * d
    assert extra == projection + 3 * (2 * (d * d + d) + d)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"_class_name": "LTXVideoTransformerModel", **LTX}, "most fields in common has"),
        ({"_class_name": "EulerDiscreteScheduler"}, "is no model of diffusers"),
        ({"_class_name": ["FluxTransformer2DModel"]}, "is no model of diffusers"),
        ({"_class_name": "FluxTransformer2DModel", "num_layers": 10**8}, "num_layers"),
        ({"_class_name": "FluxTransformer2DModel", "in_channels": "8"}, "cannot build"),
        ({"_class_name": "MultiAdapter"}, "cannot build"),
    ],
)
def test_what_cannot_be_counted_is_refused_with_a_reason(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        read_architecture(fields)


@pytest.mark.parametrize("size", ["", "512", "512x", "0x512", "1e3x512", "512x512x0x1", 512])
def test_sizes_that_cannot_be_are_refused(size: Any) -> None:
    with pytest.raises(RequestError, match="image_size"):
        read_sample(size)


def test_a_sample_of_a_model_of_text_is_refused() -> None:
    with pytest.raises(RequestError, match="text_length"):
        read_architecture("llama-3.1-8b", sample=read_sample(text_length=3))
