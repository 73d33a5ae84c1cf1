"""Fields of a file that change a model's shape and that its type's entry does not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from computebill.base.errors import RequestError, shown

from .config import Config
from .operators import Architecture

_SHAPING_NAMES = """
attention_bias attention_k_eq_v attn_layer_indices block_configs compress_ratios
conv_L_cache dense_intermediate_size enable_moe_block first_k_dense_replace hc_mult head_dim
hidden_size_per_layer_input hybrid_layer_pattern hybrid_override_pattern index_head_dim
index_n_heads kv_lora_rank laurel_rank layers_block_type linear_attn_config
linear_num_key_heads linear_num_value_heads lora_rank mamba_d_ssm mamba_d_state mamba_expand
mamba_n_heads mamba_num_heads mlp_bias moe_intermediate_size moe_latent_size moe_num_experts
moe_shared_expert_intermediate_size multi_query n_routed_experts n_shared_experts
num_experts num_global_key_value_heads num_kv_shared_layers num_local_experts
num_shared_experts o_lora_rank q_lora_rank qk_layernorm qk_nope_head_dim
shared_expert_intermediate_size shared_intermediate_size sparse_attention_config ssm_cfg
ssm_state_size state_size swa_head_dim swa_num_key_value_heads use_post_norm use_qk_norm
v_head_dim zero_expert_num
"""
SHAPING = frozenset(_SHAPING_NAMES.split())
"""Names of fields that change the count of one type or another."""


_SHAPE_WORDS = "bias dim dims depth expand expert experts ffn head heads hidden inner kernel latent"
_SHAPE_WORDS += " layer layernorm layers lora mlp norm rank size sizes state width"
_OTHER_WORDS = """
act base batch block cache chunk coef context dropout eps epsilon every factor fp32 image init
initializer loss max multiple original parallel patch per pooler pos position positions precision
prob pretraining rope rotary scale scaling seq sequence step topk type types video window
"""
SWITCH_WORDS = frozenset(("bias", "biases", "mlp", "qk", "qkv"))
SHAPE_WORDS, OTHER_WORDS = frozenset(_SHAPE_WORDS.split()), frozenset(_OTHER_WORDS.split())
"""Words of a field's name that tell of a shape; those beside which they tell of something else."""

ALWAYS = {
    "add_swa_attention_sink_bias": ("mimo_v2_flash",),
    "attention_bias": ("mimo",),
    "mamba_use_mlp": ("falcon_h1",),
    "use_qk_norm": ("minimax_m2", "minimax_m3", "qwen3", "qwen3_moe"),
    "use_routing_bias": ("minimax_m2", "minimax_m3"),
}
"""Fields that say what a type always has, and its entry counts."""


def may_shape(name: str, value: object) -> bool:
    """Whether a field is one that may change a shape, by its name and its kind."""
    if name in SHAPING:
        return isinstance(value, bool | int | float | str | list | Mapping)
    words = set(name.casefold().split("_"))
    if isinstance(value, bool):
        return bool(words & SWITCH_WORDS) and not words & OTHER_WORDS
    is_shape = bool(words & SHAPE_WORDS) and not words & OTHER_WORDS
    return is_shape and isinstance(value, int | list)


def _says_nothing(value: object) -> bool:
    """Whether a value leaves a shape as it is, such as a mixture of one expert."""
    return value is not True and value in (0, 1, [], {})


ALIKE = {
    "hidden_size": ("d_model", "n_embd", "n_embed"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "num_key_value_heads": ("n_kv_heads", "num_kv_heads", "n_head_kv"),
    "intermediate_size": ("ffn_dim", "d_ff", "n_inner"),
    "num_experts": ("num_local_experts", "n_routed_experts"),
}
"""Other names of a size in files of other makers, whatever the type."""


def check_one_name(config: Config) -> None:
    """Refuse two names of one size that have other values.

    Raises:
        RequestError: naming both.
    """
    declared = {*config.declared.defaults, *config.declared.names.values()}
    for name, others in ALIKE.items():
        key, names = config.key(name), config.names_of(name)
        value = config.fields.get(key)
        if key not in config.read or not isinstance(value, int):
            continue
        for other in (*names, *others):
            told = config.fields.get(other)
            is_another = other not in names and (other in config.read or other in declared)
            if isinstance(told, int) and told != value and not is_another:
                raise RequestError(
                    config.file,
                    f"{other}: got {told} beside {key} {value}; allowed: one of the two, or the "
                    "same in both",
                )


def check_unread(config: Config, model_type: str, architecture: Architecture) -> list[str]:
    """Return what to say of fields that change other types' shapes and were not read.

    Raises:
        RequestError: where the file names code of its own, which such a field is for.
    """
    left = dict(_unread(config, model_type, sizes_of(architecture)))
    if not left:
        return []
    named = ", ".join(f"{name} {shown(value, 30)}" for name, value in left.items())
    if config.fields.get("auto_map"):
        raise RequestError(
            config.file,
            f"{', '.join(left)}: change the shape, and are not understood for {model_type}: the "
            f"file names code of its own (auto_map), which is never run; allowed: {model_type} "
            "without them, or totals: computebill run --params 405B --tokens 15T …",
        )
    return [f"Not counted, as {model_type} has no such fields: {named}."]


def _unread(config: Config, model_type: str, sizes: set[float]) -> Iterator[tuple[str, Any]]:
    """Yield the fields that were not read, that the type does not declare, and that say much."""
    declared = {*config.declared.defaults, *config.declared.names.values()}
    for name, value in config.fields.items():
        is_own = name in config.read or name in declared or name in GENERAL
        is_own = is_own or (value is True and model_type in ALWAYS.get(name, ()))
        if is_own or not may_shape(name, value) or _says_nothing(value):
            continue
        if name in SHAPING or not _is_told(name, value, config, sizes):
            yield name, value


LEAST_TOLD = 64
"""Least size that is hardly another's by chance."""


def _is_told(name: str, value: object, config: Config, sizes: set[float]) -> bool:
    """Whether a number only says again what other fields say: one of their sizes, or a sum's."""
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    if value >= LEAST_TOLD and value in sizes:
        return True
    words = set(name.split("_")) & SHAPE_WORDS
    alike = {each for each in config.read if set(each.split("_")) & words}
    alike |= {config.key(each) for each, others in ALIKE.items() if name in others}
    is_again = any(config.fields.get(each) == value for each in alike)
    return is_again or ("layers" in words and value in sizes)


def sizes_of(architecture: Architecture) -> set[float]:
    """Return the sizes that an architecture's products have, its layers among them."""
    told = [(each.d_in, each.d_out, each.vectors, each.heads) for each in architecture.operators()]
    found = {float(size) for each in told for size in each if isinstance(size, int | float)}
    layers = architecture.layer_count
    return found | ({float(layers)} if isinstance(layers, int) else set())


def leaves_nothing_over(config: Config) -> bool:
    """Whether every field that may change a shape was read, or is the type's own."""
    declared = {*config.declared.defaults, *config.declared.names.values(), *GENERAL}
    return all(
        name in config.read or name in declared or not isinstance(value, bool | int | list | dict)
        for name, value in config.fields.items()
    )


_GENERAL_NAMES = """
architectures auto_map bos_token_id eos_token_id id2label initializer_range label2id
model_type num_labels output_attentions output_hidden_states pad_token_id pretraining_tp
quantization_config rope_parameters rope_scaling rope_theta torchscript transformers_version
use_bfloat16 use_cache
"""
GENERAL = frozenset(_GENERAL_NAMES.split())
"""Fields that any configuration may have, and no shape hangs on."""
