"""Each term of a layer's computing on eight accelerators, as worked out on paper."""

from __future__ import annotations

import math

import pytest
from ideal import (
    ATTENTION_WEIGHTS,
    HEAD_WEIGHTS,
    HIDDEN,
    LAYER_WEIGHTS,
    MEMORY,
    MLP_WEIGHTS,
    PEAK,
    SEQUENCE,
    mixture,
    model,
    setting,
    tensor,
)
from torch import Tensor

from computebill.kernels import layer_time
from computebill.kernels.layer_time import Pass, Passes
from computebill.kernels.operators import Groups, Model, Operators

LAYER, HEAD = 1, 2
"""Groups of a model whose layers are of one kind; group 0 is the embedding."""


def passes(of: Model | None = None, **changes: dict[str, float]) -> Passes:
    return layer_time.layer_passes(of or model(), setting(**changes))


def single(**fields: float) -> Model:
    """One layer of one operator that is in use once; other fields are 0."""
    given = {"copies": 1, "uses": 1, "ways": math.inf, "window": math.inf, "causal": 1, **fields}
    given.setdefault("together", given.get("d_out", 0))
    operators = Operators(*(tensor([[given.get(name, 0)]]) for name in Operators._fields))
    groups = Groups(*(tensor([value]) for value in (0, 1, 1, 1, 1, fields.get("place", 0))))
    return Model(operators, groups, tensor(4096.0), tensor(1.0), tensor(0.0))


# Products with weights. Memory is as fast as may be: what is left is FLOP over the peak.


def products(of: Model | None = None, **changes: dict[str, float]) -> tuple[Tensor, Tensor]:
    changes["device"] = {"bytes_per_s": math.inf, **changes.get("device", {})}
    found = passes(of, **changes)
    return found.forward.products.flatten(), found.backward.products.flatten()


ONCE = 2 * LAYER_WEIGHTS * SEQUENCE / PEAK
"""Seconds of a layer's products: 1.8 ms."""


def test_products_take_two_flop_a_weight_and_token_and_twice_that_backward() -> None:
    forward, backward = products()
    head = 2 * HEAD_WEIGHTS * SEQUENCE / PEAK
    assert forward.tolist() == pytest.approx([0, ONCE, head])
    assert backward.tolist() == pytest.approx([0, 2 * ONCE, 2 * head])


def test_eight_tensor_parallel_ranks_share_them() -> None:
    forward, backward = products(layout={"tensor": 8})
    assert float(forward[LAYER]) == pytest.approx(ONCE / 8)
    assert float(backward[LAYER]) == pytest.approx(2 * ONCE / 8)


def test_gradients_of_weights_are_half_of_the_backward_pass_and_none_of_frozen_ones() -> None:
    fast = {"bytes_per_s": math.inf}
    assert float(passes(device=fast).weights[LAYER]) == pytest.approx(ONCE)
    frozen = passes(device=fast, work={"trained": 0})
    assert float(frozen.backward.products[LAYER]) == pytest.approx(ONCE)
    assert not frozen.weights.any()


def test_products_reach_a_part_of_the_peak_and_half_of_that_at_half_k() -> None:
    assert float(products(efficiency={"products": 0.8})[0][LAYER]) == pytest.approx(ONCE / 0.8)
    # Inner size 4096 of all but the last product of the MLP, which has 14336.
    down = MLP_WEIGHTS / 3
    expected = 2 * SEQUENCE / PEAK * (2 * (LAYER_WEIGHTS - down) + down * (1 + 4096 / 14336))
    found = products(efficiency={"half_k": 4096})[0]
    assert float(found[LAYER]) == pytest.approx(expected)


def test_low_precision_is_for_layers_and_not_for_the_logits() -> None:
    forward, _ = products(device={"peak": 2 * PEAK}, efficiency={"head": 0.5})
    assert float(forward[LAYER]) == pytest.approx(ONCE / 2)
    assert float(forward[HEAD]) == pytest.approx(2 * HEAD_WEIGHTS * SEQUENCE / (0.5 * PEAK))


def test_tiles_that_do_not_fill_a_wave_waste_the_rest_of_it() -> None:
    # 1,024 tokens by 8,192 outputs: 8 x 32 tiles of 128 x 256 are 1.94 waves of 132
    # multiprocessors, 2.36 of 108.
    one = single(d_in=4096, d_out=8192)
    plain = 2 * 4096 * 8192 * 1024 / PEAK
    for units, waves in ((132, 2), (108, 3), (66, 4)):
        given = {"device": {"units": units}, "efficiency": {"harshness": 1}}
        forward, _ = products(one, work={"sequence": 1024}, **given)
        assert float(forward[0]) == pytest.approx(plain * waves * units / 256)
    half, _ = products(
        one, work={"sequence": 1024}, device={"units": 108}, efficiency={"harshness": 0.5}
    )
    assert float(half[0]) == pytest.approx(plain * (1 + 0.5 * (3 * 108 / 256 - 1)))


def test_products_of_one_input_are_computed_together() -> None:
    # Keys of 1,024 columns beside queries of 4,096 and values of 1,024: 8 x 24 tiles of 6,144
    # columns are 1.45 waves of 132 multiprocessors, and keys take a sixth of two. Alone, 8 x 4
    # tiles would take a wave to themselves.
    keys = single(d_in=4096, d_out=1024, together=6144)
    given = {"device": {"units": 132}, "efficiency": {"harshness": 1}}
    forward, backward = products(keys, work={"sequence": 1024}, **given)
    plain = 2 * 4096 * 1024 * 1024 / PEAK
    assert float(forward) == pytest.approx(plain * 2 * 132 / 192)
    # Gradients of their input add up in one product of 1,024 x 4,096, 8 x 16 tiles; gradients of
    # weights are one of 4,096 x 6,144: 32 x 24 tiles in six waves.
    assert float(backward) == pytest.approx(plain * (132 / 128 + 6 * 132 / 768))


def test_weights_that_few_tokens_meet_are_bound_by_memory() -> None:
    # One token: weights are read, in 16 bits.
    found = passes(single(d_in=4096, d_out=8192), work={"sequence": 1}).forward.products
    assert float(found) == pytest.approx(2 * 4096 * 8192 / MEMORY, rel=1e-3)


@pytest.mark.parametrize("size", [6, 8, 10])
def test_gradients_of_weights_are_added_to_what_stands_in_memory(size: int) -> None:
    # One token, and computing that takes no time: its operands are read in 16 bits, and of every
    # element of the gradient so many bytes are moved.
    one = single(d_in=4096, d_out=8192)
    given = {"work": {"sequence": 1, "adding_bytes": size}, "device": {"peak": math.inf}}
    found = passes(one, **given)
    weights = (2 * (4096 + 8192) + size * 4096 * 8192) / MEMORY
    assert float(found.weights) == pytest.approx(weights)
    # Results and gradients of inputs are written in 16 bits.
    once = 2 * (4096 * 8192 + 4096 + 8192) / MEMORY
    assert float(found.forward.products) == pytest.approx(once)
    assert float(found.backward.products) == pytest.approx(once + weights)


def test_adapters_take_products_down_to_their_rank_and_up_in_every_pass() -> None:
    # Hu et al. 2021, section 4.1: h = W x + B A x, with W frozen. A has 4096 x 16 elements, B
    # 16 x 8192; gradients of A and of B, and of what goes between them, take as much each pass.
    sizes = {"d_in": 4096, "d_out": 8192}
    work = {"trained": 0, "adapter_rank": 16}
    plain = 2 * SEQUENCE * 4096 * 8192 / PEAK
    low = 2 * SEQUENCE * 16 * (4096 + 8192) / PEAK
    forward, backward = products(single(**sizes, adapted=1), work=work)
    assert float(forward) == pytest.approx(plain + low)
    assert float(backward) == pytest.approx(plain + 2 * low)
    for other in (single(**sizes), single(**sizes, adapted=1)):
        forward, backward = products(other, work={**work, "adapter_rank": 0})
        assert float(forward) == pytest.approx(plain)
        assert float(backward) == pytest.approx(plain)
    forward, _ = products(single(**sizes), work=work)
    assert float(forward) == pytest.approx(plain)


def test_adapters_are_added_to_results_and_to_gradients_of_inputs() -> None:
    # Two results of 16 bits are read and their sum written: 6 bytes.
    fast = {"peak": math.inf}
    one = single(d_in=4096, d_out=8192, adapted=1)
    bare = single(d_in=4096, d_out=8192)
    work = {"trained": 0, "adapter_rank": 16}
    with_, without = passes(one, work=work, device=fast), passes(bare, work=work, device=fast)

    def moved(m: int, n: int, k: int) -> int:
        return 2 * (m * n + n * k + m * k)

    low = moved(SEQUENCE, 16, 4096) + moved(SEQUENCE, 8192, 16)
    beside = float(with_.forward.products - without.forward.products)
    assert beside == pytest.approx((low + 6 * SEQUENCE * 8192) / MEMORY)
    beside = float(with_.backward.products - without.backward.products)
    assert beside == pytest.approx((2 * low + 6 * SEQUENCE * 4096) / MEMORY)


@pytest.mark.parametrize(("ranks", "busiest"), [(8, 1.1), (2, 1.05), (1, 1.0)])
def test_the_busiest_of_several_experts_is_less_so(ranks: int, busiest: float) -> None:
    # One expert with a tenth more than the mean; of four on a rank, ups and downs that have
    # nothing to do with each other cancel to the half (square root of four). All experts
    # together have all tokens.
    layout = {"data": 8, "expert": ranks}
    given = {"layout": layout, "efficiency": {"expert_imbalance": 1.1}}
    forward, _ = products(mixture(chosen=2), **given)
    flop = 2 * SEQUENCE * (ATTENTION_WEIGHTS + 4096 * 8 + busiest * 2 * MLP_WEIGHTS)
    assert float(forward[LAYER]) == pytest.approx(flop / PEAK)


def test_a_rank_s_experts_have_the_tokens_of_all_ranks() -> None:
    # Eight ranks, an expert on each; two of eight for each token, the busiest with a tenth more.
    layout = {"data": 8, "expert": 8}
    given = {"layout": layout, "efficiency": {"expert_imbalance": 1.1}}
    forward, _ = products(mixture(chosen=2), **given)
    router = 4096 * 8
    flop = 2 * SEQUENCE * (ATTENTION_WEIGHTS + router + 1.1 * 2 * MLP_WEIGHTS)
    assert float(forward[LAYER]) == pytest.approx(flop / PEAK)
    launch = {"expert_launch": 1e-3}
    # Three products of the expert are launched forward, six backward.
    forward, backward = products(mixture(chosen=2), layout=layout, efficiency=launch)
    plain = products(mixture(chosen=2), layout=layout)
    assert float(forward[LAYER] - plain[0][LAYER]) == pytest.approx(3 * 1e-3)
    assert float(backward[LAYER] - plain[1][LAYER]) == pytest.approx(2 * 3 * 1e-3)


# Attention.


def test_fused_attention_computes_the_causal_half_and_two_and_a_half_times_that_backward() -> None:
    # 2 FLOP for each of 32 heads, 128 wide, query and key, and again for values. A query of 4,096
    # attends 2,048.5 keys on average. Dao 2023, section 3.1: 2.5 times the work backward.
    found = passes(efficiency={"attention": 0.5, "attention_backward": 2.5})
    once = 2 * 2 * 32 * 128 * 2048.5 * SEQUENCE / (0.5 * PEAK)
    assert float(found.forward.attention[LAYER]) == pytest.approx(once)
    assert float(found.backward.attention[LAYER]) == pytest.approx(2.5 * once)
    shared = passes(layout={"tensor": 8}, efficiency={"attention": 0.5})
    assert float(shared.forward.attention[LAYER]) == pytest.approx(once / 8)


def test_recurrences_reach_a_thirtieth_of_the_peak_and_take_twice_that_backward() -> None:
    # As a scan of a state space, of a million FLOP a token.
    found = passes(single(per_token=1e6), layout={"tensor": 2})
    once = 1e6 * SEQUENCE / 2 / (PEAK / 30)
    assert float(found.forward.attention) == pytest.approx(once)
    assert float(found.backward.attention) == pytest.approx(2 * once)


def test_attention_reaches_half_where_keys_are_few() -> None:
    plain, slow = (
        float(passes(efficiency={"half_keys": keys}).forward.attention[LAYER])
        for keys in (0, 2048.5)
    )
    assert slow == pytest.approx(2 * plain)


def test_unfused_attention_computes_the_square_and_twice_that_backward() -> None:
    # Every query with all 4,096 keys, masked later; the backward pass has nothing to compute
    # again. Five times are stored scores of 16 bits moved.
    given = {"attention": 0.5, "attention_backward": 2.5, "score_passes": 5.0}
    found = passes(efficiency=given)
    computed = 2 * 2 * 32 * 128 * SEQUENCE**2 / (0.5 * PEAK)
    stored = 5 * 2 * 32 * SEQUENCE**2 / MEMORY
    assert float(found.forward.attention[LAYER]) == pytest.approx(computed + stored)
    assert float(found.backward.attention[LAYER]) == pytest.approx(2 * (computed + stored))
    # A window leaves the square as it is.
    near = model(model_type="mistral", sliding_window=512)
    found = passes(near, efficiency=given)
    assert float(found.forward.attention[LAYER]) == pytest.approx(computed + stored)


def test_stored_scores_are_moved_more_often_by_kernels_of_their_own_and_by_dropout() -> None:
    # Scores of 32 heads, 4,096 x 4,096 of 2 bytes. Scaled and masked apart, each is read and
    # written twice more; dropout reads and writes it, and a mask of a byte: 5 / 2 of its size.
    def stored(**work: float) -> float:
        found = passes(work=work, efficiency={"score_passes": 4.0}, device={"peak_16": math.inf})
        once = float(found.forward.attention[LAYER])
        assert float(found.backward.attention[LAYER]) == pytest.approx(2 * once)
        return once * MEMORY / (2 * 32 * SEQUENCE**2)

    assert stored() == pytest.approx(4)
    assert stored(fused=0) == pytest.approx(8)
    assert stored(dropout=1) == pytest.approx(6.5)
    assert stored(fused=0, dropout=1) == pytest.approx(10.5)
    # One kernel stores none, whatever it drops.
    whole = passes(work={"fused": 0, "dropout": 1}).forward.attention
    assert whole.tolist() == passes().forward.attention.tolist()


@pytest.mark.parametrize(("fused", "size"), [(1, 1), (0, 5)])
@pytest.mark.parametrize("shared", [False, True])
def test_dropout_moves_a_mask_and_without_fusion_what_it_drops(
    fused: int, size: int, shared: bool
) -> None:
    # Two dropouts a layer of 4,096 x 4,096 elements, of which tensor parallel ranks have a quarter
    # each where they share the sequence; as much going forward as going back.
    layout = {"tensor": 4, "sequence_parallel": float(shared)}
    plain, dropping = (
        passes(layout=layout, work={"fused": fused, "dropout": dropout}) for dropout in (0, 1)
    )
    moved = 2 * size * SEQUENCE * HIDDEN / (4 if shared else 1) / MEMORY
    for one, other in zip(plain[:2], dropping[:2], strict=True):
        beside = other.elementwise - one.elementwise
        assert beside.flatten().tolist() == pytest.approx([0, moved, 0])


def test_narrow_heads_reach_less_of_fused_attention() -> None:
    # Half of the peak at 24, told for heads of 128: 64 / 88 over 128 / 152.
    def forward(width: int, **efficiency: float) -> float:
        of = model(num_attention_heads=4096 // width, num_key_value_heads=8)
        return float(passes(of, efficiency=efficiency).forward.attention[LAYER])

    assert forward(128, half_width=24) == pytest.approx(forward(128))
    assert forward(64, half_width=24) == pytest.approx(forward(64) / (64 / 88) * (128 / 152))
    assert forward(256, half_width=24) == pytest.approx(forward(256) / (256 / 280) * (128 / 152))
    unfused = {"score_passes": 5.0}
    assert forward(64, half_width=24, **unfused) == pytest.approx(forward(64, **unfused))


def test_crooked_heads_are_slow_where_attention_is_not_fused() -> None:
    # Rows of 100 elements are no multiple of 16 bytes; of 104 they are.
    def forward(width: int, **efficiency: float) -> float:
        of = model(head_dim=width)
        given = {"score_passes": 1e-9, **efficiency}
        return float(passes(of, efficiency=given).forward.attention[LAYER])

    assert forward(100, misaligned=3) == pytest.approx(3 * forward(100))
    assert forward(104, misaligned=3) == pytest.approx(forward(104))
    fused = {"score_passes": 0}
    assert forward(100, misaligned=3, **fused) == pytest.approx(forward(100, **fused))


# Element-wise traffic.


def elementwise(of: Model, **changes: dict[str, float]) -> tuple[float, float]:
    found = passes(of, **changes)
    return float(found.forward.elementwise), float(found.backward.elementwise)


KEPT = {"kept": 100.0, "kept_split": 80.0, "eager": 30.0, "eager_split": 16.0}


def test_what_is_kept_is_written_once_and_read_twice_backward() -> None:
    # 180 bytes of each token; backward, beside it, as many of gradients.
    once = 180 * SEQUENCE / MEMORY
    assert elementwise(single(**KEPT)) == pytest.approx((once, 2 * once))
    # 1.5 times the bytes, at 0.8 of the bandwidth.
    slow = {"traffic": 1.5, "memory": 0.8}
    expected = once * 1.5 / 0.8
    assert elementwise(single(**KEPT), efficiency=slow) == pytest.approx((expected, 2 * expected))


def test_kernels_that_are_not_fused_move_more() -> None:
    once = (180 + 46) * SEQUENCE / MEMORY
    assert elementwise(single(**KEPT), work={"fused": 0}) == pytest.approx((once, 2 * once))


@pytest.mark.parametrize(("sequence_parallel", "kept"), [(0, 100 + 10), (1, 12.5 + 10)])
def test_eight_ranks_share_heads_and_where_asked_the_sequence(
    sequence_parallel: int, kept: float
) -> None:
    # Korthikanti et al. 2022, section 4.2.2.
    layout = {"tensor": 8, "sequence_parallel": sequence_parallel}
    once = kept * SEQUENCE / MEMORY
    assert elementwise(single(**KEPT), layout=layout) == pytest.approx((once, 2 * once))


def test_low_precision_casts_what_is_not_divided() -> None:
    once = (180 + 1.5 * 100) * SEQUENCE / MEMORY
    found = elementwise(single(**KEPT), efficiency={"cast_traffic": 1.5})
    assert found == pytest.approx((once, 2 * once))


def test_tokens_of_experts_are_sorted_besides() -> None:
    once = (180 + 2 * 100) * SEQUENCE / MEMORY
    found = elementwise(single(**KEPT, expert=1), efficiency={"permutation": 2})
    assert found == pytest.approx((once, 2 * once))


def test_logits_are_moved_in_16_and_32_bits_with_their_softmax() -> None:
    # 2 + 4 + 4 bytes for each token and entry of the vocabulary, in either pass; of 8 ranks, each
    # an eighth.
    head = single(d_in=4096, d_out=128256, place=2)
    once = 10 * 128256 * SEQUENCE / MEMORY
    assert elementwise(head) == pytest.approx((once, once))
    assert elementwise(head, layout={"tensor": 8}) == pytest.approx((once / 8, once / 8))


# What is computed again.


def repeated(recompute: int, passes: float = 0.0, prunes: int = 0) -> list[float]:
    """Seconds of what each group repeats; its products take 100, attention 20, the rest 3.

    Of the products, 30 are a last one whose result nothing in the layer reads.
    """
    forward = Pass(tensor(100.0), tensor(20.0), tensor(3.0))
    both = Passes(forward, forward, tensor(0.0), tensor(30.0))
    work = {"recompute": recompute, "prunes": prunes}
    given = setting(work=work, efficiency={"score_passes": passes})
    return layer_time.repeated_seconds(model().groups, both, given).flatten().tolist()


def test_nothing_is_computed_again_unless_asked_and_only_in_layers() -> None:
    assert repeated(0) == [0, 0, 0]
    assert repeated(3) == [0, 123, 0]


def test_a_compiler_of_whole_steps_leaves_out_what_nothing_reads() -> None:
    assert repeated(3, prunes=1) == [0, 93, 0]
    assert repeated(2, prunes=1) == repeated(2)
    # The last product of a layer of Llama goes down from 14,336 to 4,096.
    found = passes(device={"bytes_per_s": math.inf})
    assert found.unread.flatten().tolist() == pytest.approx(
        [0, 2 * SEQUENCE * 4096 * 14336 / PEAK, 0]
    )
    # Weights of experts that were chosen, and norms after a block, read what comes out of them.
    assert not passes(mixture()).unread.any()
    assert not passes(model(model_type="gemma2", query_pre_attn_scalar=128)).unread.any()


def test_stored_scores_are_computed_again_where_they_are_not_kept() -> None:
    # Korthikanti et al. 2022, section 5: attention's scores, softmax and values. A fused kernel
    # does so in its backward pass anyway.
    assert repeated(1) == [0, 0, 0]
    assert repeated(1, passes=5) == [0, 20, 0]


def test_every_second_product_is_computed_again_and_all_that_lies_between() -> None:
    # torchtitan keeps the products of queries, values, gate and down, and attention's output;
    # again go keys, attention's output product and up: 80 of 218 million weights.
    again = 4096 * 1024 + 4096 * 4096 + 4096 * 14336
    assert repeated(2)[LAYER] == pytest.approx(100 * again / LAYER_WEIGHTS + 3, rel=0.1)
