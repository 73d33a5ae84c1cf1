from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known import DEEPSEEK_LIKE, GPT3
from torch import Tensor

import computebill as cb
from computebill.architectures.columns import Columns, columns
from computebill.architectures.operators import Beside
from computebill.kernels import memory
from computebill.kernels.operators import layers_of, parameters
from computebill.training.layout_columns import activation_columns, layout_columns, recipe_columns
from computebill.training.memory import peak_memory

MIXTRAL = {
    "model_type": "mixtral",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 32000,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}


def tensor(value: object) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def batch_of(config: dict[str, Any]) -> Columns:
    return columns(cb.read_architecture(config))


def layer_bytes(layout: cb.Layout, sequence: int, config: dict[str, Any] = GPT3) -> float:
    """Kept by one layer on one rank, per sequence."""
    batch = batch_of(config)
    kept = memory.kept_bytes(
        batch.operators,
        batch.hidden,
        layout_columns([layout]),
        activation_columns([layout], sequence),
    )
    return float(kept[1]) * sequence


@pytest.mark.parametrize("tp", [1, 2, 8])
@pytest.mark.parametrize("sequence_parallel", [False, True])
@pytest.mark.parametrize("recompute", ["none", "selective"])
def test_activations_of_a_layer_are_those_of_korthikanti(
    tp: int, sequence_parallel: bool, recompute: Any
) -> None:
    layout = cb.Layout(
        tp=tp,
        sequence_parallel=sequence_parallel,
        recompute=recompute,
        attention="unfused",
        dropout=True,
    )
    s, b, h, a = 2048, 1, 12288, 96
    scores = 0 if recompute == "selective" else 5 * a * s / h / tp
    whole = 10 / tp if sequence_parallel else 10
    published = s * b * h * (whole + 24 / tp + scores)  # equations 1 to 4, table 2
    # Beside them the scale of a fused softmax: four bytes a head.
    assert layer_bytes(layout, s) == pytest.approx(published + 4 * a * s / tp, rel=1e-12)


def test_flash_attention_keeps_no_scores() -> None:
    kept = layer_bytes(cb.Layout(recompute="none"), 2048)
    unfused = layer_bytes(cb.Layout(recompute="none", attention="unfused"), 2048)
    assert unfused - kept == pytest.approx(2 * 96 * 2048.0**2)


@pytest.mark.parametrize(
    ("zero", "expected"),
    # Rajbhandari et al. 2019, figure 1: 7.5 billion parameters, 64 ranks, K = 12, in GB.
    [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.9)],
)
def test_zero_divides_as_its_paper_says(zero: int, expected: float) -> None:
    # A model of that size; its own count scales the published figure.
    config = GPT3 | {"n_embd": 4096, "n_layer": 36, "n_head": 32}
    batch = batch_of(config)
    layouts = [cb.Layout(dp=64, zero=zero, recipe="deepspeed")]
    # DeepSpeed's stage 2 keeps gradients whole, which the paper divides.
    recipe = recipe_columns(layouts)._replace(whole_gradients=tensor([0.0]))
    kept = activation_columns(layouts, 1.0)
    laid_out = layout_columns(layouts)
    found = memory.training_memory(batch.model, laid_out, recipe, kept, tensor([0.0]))
    held = float(found.weights + found.gradients + found.optimizer)
    count = float((parameters(batch.operators).sum(1) * layers_of(batch.groups)).sum())
    assert held / count * 7.5 == pytest.approx(expected, abs=0.06)


def total_parameters(config: dict[str, Any], **degrees: int) -> float:
    """Weights over all ranks of one replica, from the bytes of every stage."""
    layout = cb.Layout(zero=0, **degrees)
    found = peak_memory(batch_of(config), 1.0, [layout])
    return float(found.weights.nan_to_num(0.0).sum()) / 2 * layout.tp


def test_parallel_ranks_hold_the_model_once_and_what_is_not_divided_once_each() -> None:
    whole = total_parameters(MIXTRAL)
    assert whole == 46_702_792_704
    assert total_parameters(MIXTRAL, pp=4) == whole
    # Norms and routers are on each of the 8 ranks.
    norms, routers = 4096 * 65, 4096 * 8 * 32
    assert total_parameters(MIXTRAL, tp=8) == whole + 7 * (norms + routers)


def test_expert_parallel_ranks_divide_experts_alone() -> None:
    experts = 32 * 8 * 3 * 4096 * 14336
    one, eight = (
        float(peak_memory(batch_of(MIXTRAL), 1.0, [cb.Layout(zero=0, dp=8, ep=n)]).weights)
        for n in (1, 8)
    )
    assert one - eight == pytest.approx(2 * experts * 7 / 8)


def test_expert_tensor_parallel_does_not_follow_tensor_parallel_once_experts_are_spread() -> None:
    held = [
        float(peak_memory(batch_of(MIXTRAL), 1.0, [layout]).weights)
        for layout in (
            cb.Layout(zero=0, tp=4, dp=2, ep=8),
            cb.Layout(zero=0, tp=4, dp=2, ep=2, etp=4),
        )
    ]
    assert held[0] == held[1]


@pytest.mark.parametrize(("tp", "etp"), [(1, 1), (4, 1), (4, 4), (4, 2)])
def test_tokens_of_experts_are_spread_over_tensor_parallel_ranks(tp: int, etp: int) -> None:
    # Over the ranks of a group, each chosen expert's token is kept once inside the expert, and
    # its input by each of the ranks that divide the expert.
    layout = cb.Layout(tp=tp, etp=etp, recompute="none", dp=4)
    dense = {k: v for k, v in MIXTRAL.items() if "expert" not in k} | {"model_type": "llama"}
    sequence = 1024
    difference = layer_bytes(layout, sequence, MIXTRAL) - layer_bytes(layout, sequence, dense)
    hidden, width = 2 * 4096, 2 * 14336
    router = hidden + 4 * 8  # its input, and scores in 32 bits
    experts = 2 * (hidden * etp + 3 * width)
    expected = router + experts - (hidden + 3 * width)
    assert difference * tp == pytest.approx(sequence * expected)


def test_key_value_heads_are_copied_beyond_their_number() -> None:
    llama = {k: v for k, v in MIXTRAL.items() if "expert" not in k} | {"model_type": "llama"}
    at_8, at_16 = total_parameters(llama, tp=8), total_parameters(llama, tp=16)
    copies = 2 * 4096 * 1024 * 32
    norms = 4096 * 65
    assert at_16 - at_8 == copies + 8 * norms


def test_a_tied_head_on_another_stage_is_a_copy() -> None:
    batch = batch_of(GPT3)
    one = float(peak_memory(batch, 1.0, [cb.Layout(zero=0)]).weights)
    four = float(peak_memory(batch, 1.0, [cb.Layout(zero=0, pp=4)]).weights.sum())
    assert (four - one) / 2 == 12288 * 51200


def test_the_head_of_an_encoder_decoder_is_held_whole() -> None:
    t5 = {
        "model_type": "t5",
        "d_model": 768,
        "d_kv": 64,
        "d_ff": 3072,
        "num_layers": 12,
        "num_heads": 12,
        "vocab_size": 32128,
    }
    one, two = (
        float(peak_memory(batch_of(t5), 512.0, [cb.Layout(zero=0, pp=n)]).weights.sum())
        for n in (1, 2)
    )
    assert (two - one) / 2 == 768 * 32128


def test_stored_scores_are_a_square_whatever_the_window() -> None:
    mistral = {k: v for k, v in MIXTRAL.items() if "expert" not in k} | {
        "model_type": "mistral",
        "sliding_window": 1024,
    }
    kept = [layer_bytes(cb.Layout(attention=how), 8192, mistral) for how in ("flash", "unfused")]
    assert kept[1] - kept[0] == 2 * 32 * 8192.0**2


def test_keys_and_values_that_are_copied_are_kept_by_each_rank() -> None:
    llama = {k: v for k, v in MIXTRAL.items() if "expert" not in k} | {"model_type": "llama"}
    narrow = 2 * 2 * 128 * 8  # bytes of keys and values of a token
    at_8, at_16 = (layer_bytes(cb.Layout(tp=n), 1024, llama) for n in (8, 16))
    # All halves but the one head of keys and values that each rank has.
    assert at_16 - narrow / 8 * 1024 == pytest.approx((at_8 - narrow / 8 * 1024) / 2)


def test_gradients_and_states_are_divided_by_tensor_and_pipeline_parallel() -> None:
    batch = batch_of(GPT3)
    one = peak_memory(batch, 1.0, [cb.Layout(zero=0)])
    many = peak_memory(batch, 1.0, [cb.Layout(zero=0, tp=8, pp=8)])
    copied_head = 12288 * 51200 * 4  # its gradient, on the last stage
    for name, share in (("gradients", 1), ("optimizer", 3)):
        on_one, on_many = getattr(one, name), getattr(many, name)
        # Norms, row-wise biases and positions are on all eight ranks.
        expected = float(on_one) + share * copied_head
        assert 8 * float(on_many.sum()) == pytest.approx(expected, rel=3e-3)
        assert float(on_many.max()) < float(on_one) / 50


def test_context_parallel_ranks_share_a_sequence() -> None:
    batch = batch_of(GPT3)
    layouts = [cb.Layout(zero=0), cb.Layout(zero=0, cp=4)]
    found = peak_memory(batch, 2048.0, layouts)
    assert float(found.activations[0, 1]) == pytest.approx(float(found.activations[0, 0]) / 4)
    assert float(found.logits[0, 1]) == pytest.approx(float(found.logits[0, 0]) / 4)


def test_full_recomputation_keeps_the_inputs_of_layers_and_one_layer() -> None:
    batch = batch_of(GPT3)
    few, many = (
        float(
            peak_memory(
                batch_of(GPT3 | {"n_layer": n}), 2048.0, [cb.Layout(recompute="full")]
            ).activations
        )
        for n in (12, 24)
    )
    assert many - few == pytest.approx(12 * 2 * 12288 * 2048)
    none, full = (
        float(peak_memory(batch, 2048.0, [cb.Layout(recompute=mode)]).activations)
        for mode in ("none", "full")
    )
    assert full < none / 10


def test_full_sharding_gathers_two_layers_and_the_gradient_of_one() -> None:
    batch = batch_of(GPT3)
    found = peak_memory(batch, 2048.0, [cb.Layout(dp=64, zero=3)])
    layer = 12 * 12288**2 + 13 * 12288
    assert float(found.gathered) == pytest.approx(3 * 2 * layer)


def test_stages_of_torch_fsdp_hold_gathered_weights_and_whole_gradients() -> None:
    # From one micro-batch to the next; others gather two layers at a time and scatter gradients.
    batch = batch_of(GPT3)
    held, passing = (
        peak_memory(batch, 2048.0, [cb.Layout(dp=64, pp=2, zero=3, recipe=recipe)])
        for recipe in ("fsdp", "deepspeed")
    )
    layer = 12 * 12288**2 + 13 * 12288
    first = 48 * layer + (51200 + 2048) * 12288
    assert float(held.gathered[0]) == pytest.approx(2 * first)
    assert float(held.gradients[0]) == pytest.approx(4 * first)
    assert float(held.weights[0]) == pytest.approx(4 * first / 64)
    assert float(passing.gathered[0]) == pytest.approx(3 * 2 * layer)
    assert float(passing.gradients[0]) == pytest.approx(2 * first / 64)


def test_a_stage_keeps_what_it_sent_on_where_nothing_frees_it() -> None:
    # DeepSpeed's pipelines keep 16 bits of each token's hidden size for every micro-batch in
    # flight: two on the first of two stages. The last stage sends nothing on.
    batch = batch_of(GPT3)
    kept, freed = (
        peak_memory(batch, 2048.0, [cb.Layout(pp=2, recipe=recipe)]).activations[:, 0].tolist()
        for recipe in ("deepspeed", "megatron")
    )
    assert kept[0] - freed[0] == pytest.approx(2 * 2048 * 2 * 12288)
    assert kept[1] == freed[1]


def test_frozen_weights_have_no_gradients_and_no_states() -> None:
    layout = cb.Layout(lora_rank=16, lora_targets=("attention",))
    batch = columns(cb.read_architecture(GPT3), layout.beside)
    found = peak_memory(batch, 2048.0, [layout])
    adapters = 96 * 16 * 4 * (12288 + 12288)
    bare = peak_memory(batch_of(GPT3), 2048.0, [cb.Layout()])
    assert float(found.weights - bare.weights) == adapters * 2
    assert float(found.gradients) == adapters * 4
    assert float(found.optimizer) == adapters * (4 + 8)
    sharded = layout.model_copy(update={"dp": 8, "zero": 1})
    assert float(peak_memory(batch, 2048.0, [sharded]).optimizer) == adapters * 12 / 8


@pytest.mark.parametrize(
    ("optimizer", "matrix", "other"), [("adamw", 12, 12), ("muon", 8, 12), ("adamw-8bit", 6, 12)]
)
def test_optimizers_hold_their_states(optimizer: Any, matrix: float, other: float) -> None:
    batch = batch_of(GPT3)
    found = float(peak_memory(batch, 1.0, [cb.Layout(zero=0, optimizer=optimizer)]).optimizer)
    inside = 96 * 12 * 12288**2
    outside = (51200 + 2048) * 12288 + 96 * 13 * 12288 + 2 * 12288
    scale = 8 / 256 * inside if optimizer == "adamw-8bit" else 0
    assert found == inside * matrix + outside * other + scale


def test_deepspeed_keeps_gradients_whole_up_to_stage_2() -> None:
    whole, divided = (
        float(peak_memory(batch_of(GPT3), 1.0, [layout]).gradients)
        for layout in (
            cb.Layout(dp=8, zero=2, recipe="deepspeed"),
            cb.Layout(dp=8, zero=3, recipe="deepspeed"),
        )
    )
    assert whole == 8 * divided


def test_training_in_32_bits_keeps_twice_as_much() -> None:
    layouts = [cb.Layout(recipe=name, recompute="full") for name in ("fp32", "bf16")]
    found = peak_memory(batch_of(GPT3), 2048.0, layouts).activations[0].tolist()
    assert found[0] == 2 * found[1]


def test_inputs_of_products_in_8_bits_are_half_and_attention_keeps_its_own_output() -> None:
    # Of a layer with two norms of 2 h, Korthikanti's 34 s b h less masks: inputs of the first
    # product of attention and of the block, h each, of attention's last, h, of the block's, 4 h.
    layouts = [cb.Layout(recipe=name) for name in ("megatron", "megatron-fp8")]
    plain, low = (layer_bytes(layout, 2048) for layout in layouts)
    saved = (1 + 1 + 1 + 4) * 12288 * 2048  # a byte each
    beside = 2 * 12288 * 2048  # attention's output in 16 bits
    assert plain - low == saved - beside


@pytest.mark.parametrize(
    ("loss", "tokens"),
    [
        ({"loss": "plain"}, 4096),
        ({"loss": "chunked", "loss_chunk": 512}, 512),
        ({"loss": "chunked", "recipe": "torchtune"}, 4096 / 8),
        ({"loss": "cut"}, 0),
        # Hsu et al. 2024: 8 parts of as many hidden sizes as a vocabulary of 8 x 12288 has.
        ({"loss": "fused"}, 512),
    ],
)
def test_logits_are_there_for_the_tokens_of_a_part(loss: dict[str, Any], tokens: float) -> None:
    batch = batch_of(GPT3 | {"vocab_size": 8 * 12288})
    layout = cb.Layout(**loss, micro_batch=2)
    found = float(peak_memory(batch, 2048.0, [layout]).logits)
    each = 10 if layout.used_recipe == "megatron" else 14
    assert found == tokens * 8 * 12288 * each


def test_a_quantised_base_is_gathered_as_it_rests_and_unpacked_one_matrix_at_a_time() -> None:
    layer, widest = 12 * 12288**2, 4 * 12288**2
    batch = columns(cb.read_architecture(GPT3), Beside(frozenset({"attention"})))
    plain, packed = (
        peak_memory(batch, 1.0, [cb.Layout(dp=8, zero=3, lora_rank=1, weights=name)])
        for name in ("bf16", "int8")
    )
    assert float(plain.gathered - packed.gathered) == pytest.approx(2 * layer - 2 * widest)
    matrices = 96 * layer
    assert float(plain.weights - packed.weights) == pytest.approx(matrices / 8)


def test_gradients_of_one_micro_batch_come_as_activations_go() -> None:
    # All of them are there at the end, with one layer's activations; at the loss none is.
    once, twice = (
        peak_memory(
            batch_of(GPT3), 2048.0, [cb.Layout(recipe="bf16", recompute="full", micro_batches=n)]
        )
        for n in (1, 2)
    )
    gradients = float(twice.gradients)
    assert float(once.coming) == gradients
    assert float(twice.coming) == 0
    assert float(twice.total - once.total) == pytest.approx(
        min(gradients, float(once.activations + once.logits - once.late))
    )
    # What is told of each part adds up, whatever the moment.
    for found in (once, twice):
        parts = found.at_peak
        told = parts.weights + parts.gradients + parts.optimizer + parts.activations + parts.logits
        assert float(told) <= float(found.total) * (1 + 1e-12)


def test_autocast_s_copies_are_there_for_a_pass() -> None:
    batch = batch_of(GPT3)
    plain, mixed = (peak_memory(batch, 1.0, [cb.Layout(recipe=name)]) for name in ("fp32", "amp"))
    assert float(mixed.gathered - plain.gathered) == pytest.approx(float(plain.weights) / 2)


@settings(max_examples=25)
@given(st.data())
def test_a_batch_of_layouts_is_each_of_them(data: st.DataObject) -> None:
    layouts = [
        cb.Layout(
            tp=data.draw(st.sampled_from([1, 2, 4])),
            pp=data.draw(st.sampled_from([1, 2, 7])),
            dp=data.draw(st.sampled_from([4, 16])),
            ep=data.draw(st.sampled_from([1, 4])),
            zero=data.draw(st.integers(0, 3)),
            micro_batch=data.draw(st.integers(1, 4)),
            recompute=data.draw(st.sampled_from(["none", "selective", "operators", "full"])),
            kernels=data.draw(st.sampled_from(["fused", "eager"])),
        )
        for _ in range(4)
    ]
    batch = batch_of(DEEPSEEK_LIKE)
    together = peak_memory(batch, 512.0, layouts)
    for index, layout in enumerate(layouts):
        alone = peak_memory(batch, 512.0, [layout])
        for name in memory.Memory._fields:
            expected = getattr(alone, name)[:, 0]
            found = getattr(together, name)[: layout.pp, index]
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@settings(max_examples=25)
@given(st.sampled_from(["tp", "dp", "cp"]), st.sampled_from([0, 1, 2, 3]))
def test_more_ranks_never_hold_more(degree: str, zero: int) -> None:
    batch = batch_of(GPT3)
    layouts = [cb.Layout(**{degree: n}, zero=zero, recipe="megatron") for n in (2, 4, 8, 16)]
    totals = peak_memory(batch, 2048.0, layouts).total[0].tolist()
    assert totals == sorted(totals, reverse=True)


def test_bytes_are_the_recipe_s() -> None:
    found = recipe_columns([cb.Layout(recipe="deepspeed"), cb.Layout(zero=3, dp=2)])
    assert (found.weight + found.gradient).tolist() == [4.0, 8.0]
    assert (found.matrix_state + found.step).tolist() == [16.0, 8.0]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_counts_the_same() -> None:
    batch = batch_of(DEEPSEEK_LIKE)
    layouts = [cb.Layout(tp=2, pp=7, dp=4, ep=4)]
    arguments = (
        batch.model,
        layout_columns(layouts),
        recipe_columns(layouts),
        activation_columns(layouts, 512.0),
        tensor([1.0]),
    )

    def moved(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to("cuda")
        return type(value)(*(moved(part) for part in value))

    here = memory.training_memory(*arguments)
    there = memory.training_memory(*(moved(each) for each in arguments))
    for one, other in zip(here, there, strict=True):
        torch.testing.assert_close(one, other.cpu(), rtol=1e-9, atol=0)
