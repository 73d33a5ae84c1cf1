"""Parts of layers that only their makers' own code has, by the names of their configurations."""

from __future__ import annotations

from typing import Any

from . import attending, blocks, recurrences
from .config import LARGEST_SIZE, Config
from .operators import Heads, Layers, Operator
from .recipes import DENSE, SPARSE, SharedExperts, grouped_labels, mixture, mlp

FIRST, LATER = "first", "later"
"""Labels of RWKV-7's first layer, whose values take none of another layer, and of all others."""


def swish_pair(config: Config, label: str) -> list[Operator]:
    """Jais: a feed-forward block with biases, gated where its activation is a SwiGLU."""
    if config.get("position_embedding_type") != "alibi":
        raise config.fault("position_embedding_type", "alibi, which has no table")
    is_gated = config.get("activation_function") == "swiglu"
    return mlp(gated=is_gated, bias=True, ratio=4)(config, label)


def biased_down(config: Config, label: str) -> list[Operator]:
    """TeleChat: a gated block of which only the last matrix has a bias."""
    if config.flag("embed_layernorm"):
        raise config.fault("embed_layernorm", "false")
    bias = blocks.vector("mlp", config.size("hidden_size"))
    return [*mlp()(config, label), bias]


def code_shell_attention(config: Config, label: str) -> list[Operator]:
    """CodeShell: groups of keys where they are switched on, rotary positions."""
    if config.get("position_embedding_type") != "rope":
        raise config.fault("position_embedding_type", "rope")
    heads = config.heads(grouped=False)
    if config.flag("group_query_attention"):
        heads = heads._replace(keys=config.size("num_query_groups"))
    return attending.attention(config.size("hidden_size"), heads, attending.BIASES)


def half_width(config: Config, label: str) -> list[Operator]:
    """Molmo: a gated block of half of the width in the file, which is that of both its inputs."""
    return blocks.mlp(config.size("hidden_size"), config.size("intermediate_size") // 2)


def molmo_rows(config: Config) -> list[Operator]:
    """Molmo: a table of further tokens, for images, beside the one that words are looked up in."""
    rows = config.size("additional_vocab_size")
    return [blocks.embedding("embedding", rows, config.size("hidden_size"))]


def arctic_layers(config: Config) -> list[tuple[str, Layers]]:
    """Arctic: a mixture in every so many layers."""
    step = config.size("moe_layer_frequency")
    count = config.whole_layers()
    return grouped_labels([DENSE if (i + 1) % step else SPARSE for i in range(count)])


def arctic_feed_forward(config: Config, label: str) -> list[Operator]:
    """Arctic: a mixture, and beside it a dense block as wide as the hidden size, with a norm."""
    if label == DENSE:
        return mlp()(config, label)
    parts, hidden = mixture()(config, label), config.size("hidden_size")
    together = [config.flag(name) for name in ("parallel_attn_mlp_res", "use_residual")]
    if not any(together):
        return parts
    if not all(together):
        raise config.fault("use_residual", "as parallel_attn_mlp_res, both or neither")
    return [blocks.norm("norm", hidden, "rms"), *blocks.mlp(hidden, hidden), *parts]


def grok_feed_forward(config: Config, label: str) -> list[Operator]:
    """Grok: a mixture; of Grok-2 beside a dense block, which gives its width to the other field."""
    if not config.flag("residual_moe"):
        return mixture()(config, label)
    return [*mlp()(config, label), *mixture(width="moe_intermediate_size")(config, label)]


def step_layers(config: Config) -> list[tuple[str, Layers]]:
    """Step-3: the layers that are mixtures, as a word of numbers divided by commas."""
    given, count = config.get("moe_layers_enum"), config.whole_layers()
    words = given.split(",") if isinstance(given, str) else []
    chosen = {int(word) for word in words if word.strip().isdecimal() and len(word) < 9}
    if not words or len(chosen) != len(words) or max(chosen) >= count:
        raise config.fault("moe_layers_enum", f"numbers of layers from 0 to {count - 1}: 4,5,6")
    return grouped_labels([SPARSE if layer in chosen else DENSE for layer in range(count)])


STEP_MIXTURE = mixture(
    width="moe_intermediate_size", shared=SharedExperts(width="share_expert_dim")
)
"""Step-3's experts, and the one that all tokens share."""


def step_attention(config: Config, label: str) -> list[Operator]:
    """Step-3: queries of all heads from a narrower, normed one (arXiv 2507.19427, section 3)."""
    hidden, narrow = config.size("hidden_size"), config.size("share_q_dim")
    heads = config.size("num_attention_heads")
    groups = Heads(heads, config.size("num_attention_groups"), config.size("head_dim"))
    queries, *rest = attending.attention(hidden, groups)
    wide = groups.queries * groups.width
    name, kept = "attention_qkv", blocks.BYTES * narrow
    split: dict[str, Any] = {"ways": heads, "adapted": "attention", "module": "wq"}
    return [
        blocks.column(
            name, hidden, narrow, ways=1, adapted="attention", module="q_proj", kept=queries.kept
        ),
        blocks.norm("norm", narrow, "rms"),
        blocks.column(name, narrow, wide, kept=kept, **split),
        *rest,
    ]


def _heads_of_layers(config: Config, name: str) -> list[int]:
    return config.sizes(name, config.whole_layers())


def elm_attentions(config: Config) -> list[tuple[str, Layers]]:
    """OpenELM: the layers by their heads of queries and of keys."""
    pairs = (_heads_of_layers(config, name) for name in ("num_query_heads", "num_kv_heads"))
    return grouped_labels([f"{queries}/{keys}" for queries, keys in zip(*pairs, strict=True)])


def elm_attention(config: Config, label: str) -> list[Operator]:
    """OpenELM: attention with as many heads as its label says."""
    queries, keys = (int(each) for each in label.split("/"))
    if queries % keys:
        raise config.fault("num_kv_heads", "divisors of num_query_heads, layer by layer")
    extras = attending.Extras(qk_norm="head" if config.flag("normalize_qk_projections") else "")
    heads = Heads(queries, keys, config.size("head_dim"))
    return attending.attention(config.size("hidden_size"), heads, extras)


def elm_feed_forwards(config: Config) -> list[tuple[str, Layers]]:
    """OpenELM: the layers by the width of their block, a multiple of the hidden size, rounded."""
    given, count = config.get("ffn_multipliers"), config.whole_layers()
    hidden, step = config.size("hidden_size"), config.size("ffn_dim_divisor")
    if (
        not isinstance(given, list)
        or len(given) != count
        or not all(type(each) in (int, float) and 0 < each < 1000 for each in given)
    ):
        raise config.fault("ffn_multipliers", f"a list of {count} numbers above 0, one a layer")
    return grouped_labels([str(_rounded(each * hidden, step)) for each in given])


def _rounded(value: float, step: int) -> int:
    """Return the multiple that is nearest, or the next where that is less than nine tenths."""
    nearest = max(step, int(value + step / 2) // step * step)
    return nearest + step if nearest < 0.9 * value else nearest


def elm_feed_forward(config: Config, label: str) -> list[Operator]:
    """OpenELM: a block as wide as its label says."""
    is_gated = config.flag("ffn_with_glu")
    return blocks.mlp(config.size("hidden_size"), int(label), gated=is_gated)


def rwkv6(config: Config, label: str) -> list[Operator]:
    """RWKV-6's time mixing: the ranks of its shifts and decay hang on the hidden size alone."""
    hidden, width = config.size("hidden_size"), config.optional_size("attention_hidden_size")
    twice = 2 if hidden == 4096 else 1
    ranks = recurrences.Rwkv6Ranks(shifts=32 * twice, decay=64 * twice)
    return recurrences.rwkv6(hidden, width or hidden, config.size("head_size"), ranks)


def rwkv7_layers(config: Config) -> list[tuple[str, Layers]]:
    """RWKV-7: the first layer, and all others."""
    count = config.whole_layers()
    return grouped_labels([LATER if layer else FIRST for layer in range(count)])


def rwkv7(config: Config, label: str) -> list[Operator]:
    """RWKV-7's time mixing by the names of its configuration."""
    hidden = config.size("hidden_size")
    config.get("num_heads")  # not looked at by its own code either: heads are of head_dim
    if config.get("value_dim") not in (None, hidden, [hidden] * config.whole_layers()):
        raise config.fault("value_dim", f"{hidden}, the hidden size, in every layer")
    if config.get("norm_bias") is False:
        raise config.fault("norm_bias", "true")
    if config.get("attn") is not None:
        raise config.fault("attn", "none: only layers of its own are counted")
    ranks = recurrences.Rwkv7Ranks(
        decay=config.size("decay_low_rank_dim"),
        rates=config.size("a_low_rank_dim"),
        values=config.size("v_low_rank_dim") if label == LATER else 0,
        gate=config.size("gate_low_rank_dim"),
    )
    return recurrences.rwkv7(hidden, config.size("head_dim"), ranks)


def rwkv7_channels(config: Config, label: str) -> list[Operator]:
    """RWKV-7's channel mixing: a squared ReLU of four times the hidden size, and no gate."""
    hidden, width = config.size("hidden_size"), config.optional_size("intermediate_size")
    if width is None:
        ratio = config.get("hidden_ratio")
        if type(ratio) not in (int, float) or not 0 < ratio * hidden <= LARGEST_SIZE:
            raise config.fault("hidden_ratio", "a number above 0, or intermediate_size")
        width = int(ratio * hidden)
    return [*blocks.mlp(hidden, width, gated=False), blocks.vector("mlp", hidden)]
