"""Dense decoders since 2025, and older ones that later releases took up."""

from __future__ import annotations

from . import gemmas, particulars
from .families_common import BIASES_ON_REQUEST, FOUR_TIMES, GPT2_NAMES
from .recipes import (
    FULL,
    SLIDING,
    Family,
    attention,
    every,
    gains,
    latent,
    mlp,
    plus,
    square,
    typed,
    windowed,
)

QK_NORM = attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True)
ALL_BIASES = attention(bias="use_bias", out_bias="use_bias")

LATER: dict[str, Family] = {
    "apertus": Family(
        "Apertus",
        mixer=QK_NORM,
        feed_forward=plus(mlp(gated=False), particulars.xielu),
    ),
    "arcee": Family(
        "AFM-4.5B",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mlp(gated=False, bias="mlp_bias"),
    ),
    "bitnet": Family(
        "BitNet b1.58 2B4T",
        mixer=plus(BIASES_ON_REQUEST, gains("norm", "hidden_size")),
        feed_forward=plus(mlp(), gains("norm", "intermediate_size")),
    ),
    "cohere": Family(
        "Command R, R+",
        mixer=attention(
            bias="attention_bias", out_bias="attention_bias", qk_norm=("heads", "use_qk_norm")
        ),
        norm="gain",
        norms=1,
    ),
    "diffllama": Family(
        "DiffLlama",
        mixer=plus(BIASES_ON_REQUEST, particulars.differential),
    ),
    "ernie4_5": Family(
        "ERNIE 4.5 0.3B",
        mixer=ALL_BIASES,
        feed_forward=mlp(bias="use_bias"),
    ),
    "exaone4": Family(
        "EXAONE 4",
        mixer=attention(qk_norm=True),
        mixers=particulars.exaone4_window,
    ),
    "glm": Family("GLM-4-9B", mixer=attention(bias="attention_bias")),
    "gpt_bigcode": Family(
        "StarCoder, SantaCoder",
        mixer=particulars.bigcode_attention,
        positions=lambda config: config.size("max_position_embeddings"),
        names=GPT2_NAMES,
        feed_forward=FOUR_TIMES,
        norm="layer",
    ),
    "gpt_neo": Family(
        "GPT-Neo",
        mixer=attention(out_bias=True, grouped=False),
        mixers=particulars.neo_window,
        positions=lambda config: config.size("max_position_embeddings"),
        names={
            "num_hidden_layers": "num_layers",
            "num_attention_heads": "num_heads",
            "sliding_window": "window_size",
        },
        feed_forward=FOUR_TIMES,
        norm="layer",
    ),
    "granite_swa": Family(
        "Granite with windows",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", sinks=True),
        feed_forward=mlp(bias="mlp_bias"),
        mixers=every(4, FULL, SLIDING, offset=0),
    ),
    "hunyuan_v1_dense": Family("Hunyuan 0.5B to 7B", mixer=QK_NORM),
    "helium": Family(
        "Helium 1",
        mixer=square(attention(bias="attention_bias")),
        feed_forward=mlp(bias="mlp_bias"),
    ),
    "internlm3": Family(
        "InternLM3",
        mixer=attention(bias="qkv_bias", out_bias="attention_bias"),
        feed_forward=mlp(bias="mlp_bias"),
    ),
    "nanochat": Family(
        "nanochat",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mlp(gated=False),
        norm="none",
    ),
    "persimmon": Family(
        "Persimmon-8B",
        mixer=attention(
            bias=True, out_bias=True, grouped=False, qk_norm=("head_layer", "qk_layernorm")
        ),
        feed_forward=mlp(gated=False, bias=True),
        norm="layer",
    ),
    "phi": Family(
        "Phi-1, Phi-1.5, Phi-2",
        mixer=attention(bias=True, out_bias=True, qk_norm=("head_layer", "qk_layernorm")),
        feed_forward=FOUR_TIMES,
        norm="layer",
        norms=1,
        head_bias=True,
    ),
    "seed_oss": Family(
        "Seed-OSS",
        mixer=attention(bias="attention_bias", out_bias="attention_out_bias"),
        feed_forward=mlp(bias="mlp_bias"),
    ),
    "smollm3": Family(
        "SmolLM3",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mlp(bias="mlp_bias"),
        mixers=typed(particulars.smollm_window),
    ),
    "minicpm3": Family(
        "MiniCPM3",
        mixer=latent(values_of_heads=True),
        feed_forward=mlp(bias="mlp_bias"),
    ),
    "youtu": Family("Youtu-LLM", mixer=latent(), feed_forward=mlp(bias="mlp_bias")),
    "hyperclovax": Family(
        "HyperCLOVA X SEED",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mlp(bias="mlp_bias"),
        norms=lambda config: 4 if config.flag("use_post_norm") else 2,
    ),
    "vaultgemma": Family(
        "VaultGemma",
        mixer=BIASES_ON_REQUEST,
        mixers=every(2, FULL, SLIDING),
    ),
    "biogpt": Family(
        "BioGPT",
        mixer=attention(bias=True, out_bias=True, grouped=False),
        feed_forward=mlp(gated=False, bias=True),
        norm="layer",
        positions=lambda config: config.size("max_position_embeddings") + 2,
    ),
    "cwm": Family("CWM", mixer=attention(), feed_forward=mlp(bias="mlp_bias"), mixers=windowed),
    "gemma3n_text": Family(
        "Gemma 3n",
        mixer=plus(gemmas.attention, gemmas.alternating),
        mixers=gemmas.layers,
        feed_forward=None,
        norms=4,
        before=lambda config: [*gemmas.own_inputs(config), *gemmas.streams(config)],
        after=gemmas.streams,
        defaults={"sliding_window_pattern": 5},
    ),
    "gemma4_text": Family(
        "Gemma 4",
        mixer=gemmas.attention,
        mixers=gemmas.layers,
        feed_forward=None,
        norms=4,
        before=gemmas.own_inputs,
        defaults={"sliding_window_pattern": 6},
    ),
    "mllama_text_model": Family(
        "Llama 3.2 Vision",
        mixer=particulars.mllama_attention,
        mixers=particulars.mllama_layers,
        before=particulars.mllama_entries,
        can_tie=False,
        note="Attention to images is not counted: how many there are is not said.",
    ),
}
