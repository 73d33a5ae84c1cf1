"""Dense decoders in the shape of Llama."""

from __future__ import annotations

from . import particulars
from .families_common import BIASES_ON_REQUEST
from .recipes import FULL, SLIDING, Family, attention, every, mlp, typed, windowed

DENSE_DECODERS: dict[str, Family] = {
    "llama": Family(
        "Llama 1 to 3.3, Yi, SmolLM2",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mlp(bias="mlp_bias"),
    ),
    "mistral": Family(
        "Mistral, Codestral",
        mixers=windowed,
    ),
    "qwen2": Family(
        "Qwen 1.5, 2, 2.5",
        mixer=attention(bias=True),
        mixers=typed(particulars.qwen_window),
    ),
    "qwen3": Family(
        "Qwen3",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True),
        mixers=typed(particulars.qwen_window),
    ),
    "gemma": Family(
        "Gemma 1",
        mixer=BIASES_ON_REQUEST,
    ),
    "gemma2": Family(
        "Gemma 2",
        mixer=BIASES_ON_REQUEST,
        mixers=every(2, FULL, SLIDING),
        norms=4,
    ),
    "gemma3_text": Family(
        "Gemma 3",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=True),
        mixers=every("sliding_window_pattern", FULL, SLIDING),
        norms=4,
        defaults={"sliding_window_pattern": 6, "vocab_size": 262208, "num_attention_heads": 8},
    ),
    "phi3": Family("Phi-3, Phi-3.5, Phi-4", mixers=windowed),
    "olmo": Family("OLMo 1", mixer=BIASES_ON_REQUEST, norm="none"),
    "olmo2": Family(
        "OLMo 2",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=("heads", True)),
    ),
    "olmo3": Family(
        "OLMo 3",
        mixer=attention(bias="attention_bias", out_bias="attention_bias", qk_norm=("heads", True)),
        mixers=every(4, FULL, SLIDING),
    ),
    "granite": Family(
        "Granite 3",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mlp(bias="mlp_bias"),
    ),
    "cohere2": Family(
        "Command R7B, Command A",
        mixer=BIASES_ON_REQUEST,
        mixers=every("sliding_window_pattern", FULL, SLIDING),
        norm="gain",
        norms=1,
        defaults={"sliding_window_pattern": 4},
    ),
    "stablelm": Family(
        "StableLM 2, StableLM 3B",
        mixer=attention(bias="use_qkv_bias", qk_norm=("heads", "qk_layernorm")),
        norm="layer",
        norms=lambda config: 1 if config.flag("use_parallel_residual") else 2,
    ),
    "starcoder2": Family(
        "StarCoder2",
        mixer=attention(bias="use_bias", out_bias="use_bias"),
        feed_forward=mlp(gated=False, bias="use_bias"),
        mixers=windowed,
        norm="layer",
    ),
    "glm4": Family(
        "GLM-4-0414",
        mixer=attention(bias="attention_bias"),
        norms=4,
    ),
    "nemotron": Family(
        "Nemotron-4, Minitron",
        mixer=BIASES_ON_REQUEST,
        feed_forward=mlp(gated=False, bias="mlp_bias"),
        norm="layer",
    ),
}
