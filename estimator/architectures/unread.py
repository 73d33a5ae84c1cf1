"""Fields of a file that change a model's shape and that its type's entry does not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from computebill.base.errors import RequestError, shown

from .config import Config

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


SAYS_NOTHING: tuple[object, ...] = (0, 1, False, [], {})
"""Values of a field that leave a shape as it is, such as a mixture of one expert."""


def check_unread(config: Config, model_type: str) -> list[str]:
    """Return what to say of fields that change other types' shapes and were not read.

    Raises:
        RequestError: where the file names code of its own, which such a field is for.
    """
    left = dict(_unread(config))
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


def _unread(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield the fields that were not read, that the type does not declare, and that say much."""
    declared = {*config.declared.defaults, *config.declared.names.values()}
    for name, value in config.fields.items():
        if name not in SHAPING or name in config.read or name in declared:
            continue
        if (
            not isinstance(value, bool | int | float | str | list | Mapping)
            or value in SAYS_NOTHING
        ):
            continue
        yield name, value


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
