"""Each term of a step's communication on eight accelerators, as worked out on paper."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ideal import (
    ACTIVATIONS,
    LAYERS,
    NETWORK,
    NVLINK,
    SEQUENCE,
    mixture,
    model,
    setting,
    tensor,
)
from torch import Tensor

from computebill.kernels import communication
from computebill.kernels.layer_time import Pass, Passes
from computebill.kernels.operators import Operators

LAYER, HEAD = 1, 2
"""Groups of a model whose layers are of one kind; group 0 is the embedding."""

CORNER = 3e-3
"""What a soft corner adds where nothing is hidden: (1 + sqrt(1.01)) / 2 is 1.0025."""


# Sums between tensor parallel ranks.


def sums(**changes: dict[str, float]) -> list[float]:
    changes["layout"] = {"tensor": 8, **changes.get("layout", {})}
    return communication.tensor_seconds(model(), setting(**changes)).flatten().tolist()


RING = 2 * 7 / 8 * ACTIVATIONS / NVLINK
"""Seconds of an all-reduce of a sequence's residual stream: 130 us."""


def test_a_layer_sums_twice_forward_and_twice_backward() -> None:
    # After attention and after the MLP; the gradients of their inputs (Shoeybi et al. 2019,
    # section 3: 4 all-reduces a layer). The head sums the gradient of its input.
    assert pytest.approx(130.5e-6, rel=1e-3) == RING
    assert sums() == pytest.approx([0, 4 * RING, RING])


def test_whole_layers_that_are_computed_again_sum_again() -> None:
    assert sums(work={"recompute": 3})[LAYER] == pytest.approx(6 * RING)
    assert sums(work={"recompute": 2})[LAYER] == pytest.approx(4 * RING)


def test_sums_wait_for_hops_and_hide_in_part() -> None:
    # A tree of eight has three hops up and three down; a ring seven and seven.
    found = sums(links={"latency": 1e-6}, efficiency={"tensor_overlap": 0.25})
    assert found[LAYER] == pytest.approx(0.75 * 4 * (RING + 2 * 3e-6))


def test_experts_results_are_summed_with_their_exchange() -> None:
    # A layer of experts sums after attention alone, once forward and once backward.
    given = setting(layout={"tensor": 8})
    found = communication.tensor_seconds(mixture(), given).flatten().tolist()
    assert found == pytest.approx([0, 2 * RING, RING])


def test_one_rank_sums_nothing() -> None:
    assert sums(layout={"tensor": 1}) == [0, 0, 0]


# Exchange of tokens between experts.


def exchange(chosen: int = 1, computed: float = 0.0, **changes: dict[str, float]) -> float:
    changes["layout"] = {"data": 8, "expert": 8, **changes.get("layout", {})}
    found = communication.expert_seconds(mixture(chosen), setting(**changes), tensor(computed))
    return float(found[LAYER])


ALL_TO_ALL = 7 / 8 * ACTIVATIONS / NVLINK
"""Seconds in which each rank sends seven eighths of its tokens away: 65 us."""


def test_tokens_go_to_their_expert_and_back_and_so_do_gradients() -> None:
    assert exchange() == pytest.approx(4 * ALL_TO_ALL)
    assert exchange(work={"recompute": 3}) == pytest.approx(6 * ALL_TO_ALL)
    assert exchange(efficiency={"exchange": 0.5}) == pytest.approx(8 * ALL_TO_ALL)


def test_tokens_of_other_domains_take_the_network() -> None:
    # Four nodes of two: half of the tokens are three quarters of the time elsewhere.
    found = exchange(links={"domain": 2})
    assert found == pytest.approx(4 * 3 / 4 * ACTIVATIONS / NETWORK)


def test_the_exchange_hides_behind_the_computing_of_another_micro_batch() -> None:
    hides = {"work": {"hides_experts": 1}, "efficiency": {"expert_overlap": 0.8}}
    assert exchange(computed=1e-4, **hides) == pytest.approx(4 * ALL_TO_ALL - 0.8e-4)
    assert exchange(computed=1.0, **hides) == 0
    assert exchange(computed=1.0) == pytest.approx(4 * ALL_TO_ALL)


def test_ranks_that_divide_an_expert_have_each_others_tokens() -> None:
    # Two groups of ranks, four of eight experts on each; every rank has half of a sequence's
    # tokens (tp 2) and gathers the other half.
    layout = {"tensor": 2, "data": 4, "expert": 1, "expert_tensor": 2}
    found = exchange(layout=layout)
    assert found == pytest.approx(4 * ACTIVATIONS / 2 / NVLINK)


def test_dense_layers_exchange_nothing() -> None:
    layout = {"data": 8, "expert": 8}
    found = communication.expert_seconds(model(), setting(layout=layout), tensor(0.0))
    assert not found.any()


# Keys and values of ranks that share a sequence.

LATENT = {
    "model_type": "deepseek_v2",
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "q_lora_rank": None,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "moe_intermediate_size": 1408,
    "n_routed_experts": 64,
    "num_experts_per_tok": 6,
    "n_shared_experts": 2,
    "first_k_dense_replace": 0,
}
"""Attention of DeepSeek-V2-Lite."""


def context(attention: float = 0.0, **changes: dict[str, float]) -> float:
    changes["layout"] = {"context": 8, **changes.get("layout", {})}
    each = Pass(tensor(0.0), tensor(attention), tensor(0.0))
    passes = Passes(each, each, tensor(0.0), tensor(0.0))
    return float(communication.context_seconds(model().operators, setting(**changes), passes)[1])


KEYS_AND_VALUES = SEQUENCE / 8 * 2 * 8 * 128 * 2
"""Bytes of a rank's eighth of a sequence: 8 heads of each, 128 wide, in 16 bits."""


def test_keys_and_values_go_around_a_ring_and_their_gradients_with_them() -> None:
    # Each rank passes on seven times what it holds, and twice as much backward.
    assert context() == pytest.approx(3 * 7 * KEYS_AND_VALUES / NVLINK)


def test_a_ring_hides_behind_attention() -> None:
    once = 7 * KEYS_AND_VALUES / NVLINK
    # Seven tenths of attention's time, forward and backward.
    half = once / 2 / 0.7
    assert context(attention=half) == pytest.approx(once / 2 + 1.5 * once)
    assert context(attention=1.0) == 0


def test_whole_layers_that_are_computed_again_need_their_keys_again() -> None:
    once = 7 * KEYS_AND_VALUES / NVLINK
    again = {"work": {"recompute": 3}}
    assert context(**again) == pytest.approx((1 + 1 + 2) * once)
    assert context(work={"recompute": 2}) == pytest.approx(3 * once)
    # Behind attention that is computed again as well.
    half = once / 2 / 0.7
    assert context(attention=half, **again) == pytest.approx(2 * once / 2 + 1.5 * once)


@pytest.mark.parametrize(
    ("config", "elements"),
    [
        # Each head of queries with a head of keys and one of values; one of each for all.
        ({"num_key_value_heads": 32}, 2 * 32 * 128),
        ({"num_key_value_heads": 1}, 2 * 128),
        # Latent attention: keys of 128 + 64 and values of 128 for each of 16 heads (DeepSeek-V2,
        # section 2.1).
        (LATENT, 16 * (192 + 128)),
    ],
)
def test_a_ring_carries_the_model_s_own_keys_and_values(
    config: dict[str, Any], elements: int
) -> None:
    each = Pass(tensor(0.0), tensor(0.0), tensor(0.0))
    passes = Passes(each, each, tensor(0.0), tensor(0.0))
    given = setting(layout={"context": 8})
    found = communication.context_seconds(model(**config).operators, given, passes)
    once = 7 * SEQUENCE / 8 * elements * 2 / NVLINK
    assert float(found[LAYER]) == pytest.approx(3 * once)


@pytest.mark.parametrize(("ranks", "held"), [(1, 8), (2, 4), (8, 1), (16, 1)])
def test_keys_are_copied_where_their_heads_are_fewer_than_ranks(ranks: int, held: int) -> None:
    # Nodes of a thousand, so that every ring is inside.
    found = context(layout={"tensor": ranks}, links={"domain": 1000})
    assert found == pytest.approx(3 * 7 * KEYS_AND_VALUES / 8 * held / NVLINK)


def test_heads_are_exchanged_for_tokens() -> None:
    # Queries and results of 32 heads, keys and values of 8: of each rank's tokens seven eighths,
    # forward and backward.
    moved = SEQUENCE / 8 * (32 + 32 + 8 + 8) * 128 * 2
    found = context(attention=1.0, work={"exchanges_heads": 1})
    assert found == pytest.approx(2 * 7 / 8 * moved / NVLINK)
    again = context(attention=1.0, work={"exchanges_heads": 1, "recompute": 3})
    assert again == pytest.approx(3 * 7 / 8 * moved / NVLINK)


def test_a_rank_that_has_a_sequence_for_itself_exchanges_nothing() -> None:
    hops = {"latency": 1e-6}
    for work in ({}, {"exchanges_heads": 1}):
        assert context(layout={"context": 1}, links=hops, work=work) == 0


# Sends between pipeline stages.


def sends(**layout: float) -> float:
    given = {"pipeline": 8, "micro_batches": 16, **layout}
    return float(communication.sending_seconds(model().hidden, setting(layout=given)))


def test_a_stage_sends_activations_on_and_gradients_back() -> None:
    # Of sixteen micro-batches' two sends one is behind computing; besides, the first micro-batch
    # passes seven hops between eight stages forward, the last one seven backward.
    assert sends() == pytest.approx(2 * (16 / 2 + 7) * ACTIVATIONS / NVLINK)
    assert sends(virtual=2) == pytest.approx(2 * (16 + 7) * ACTIVATIONS / NVLINK)


def test_stages_of_other_domains_are_reached_by_the_network() -> None:
    # Sixteen accelerators, eight of a domain; tensor parallel ranks send a half each.
    found = sends(tensor=2)
    assert found == pytest.approx(2 * (16 / 2 + 7) * ACTIVATIONS / 2 / NETWORK)


def test_every_send_takes_a_hop_of_the_links_it_goes_by() -> None:
    hops = {"latency": 1e-6, "latency_across": 1e-5}
    for layout, link, hop in (({}, NVLINK, 1e-6), ({"tensor": 2}, 2 * NETWORK, 1e-5)):
        given = setting(layout={"pipeline": 8, "micro_batches": 16, **layout}, links=hops)
        found = float(communication.sending_seconds(model().hidden, given))
        assert found == pytest.approx(2 * (16 / 2 + 7) * (ACTIVATIONS / link + hop))


def test_one_stage_sends_nothing() -> None:
    assert sends(pipeline=1) == 0


# Gradients and weights between replicas.

HELD = 1e9
"""Parameters on a rank."""

SHARE = 7 / 8 * HELD / NVLINK
"""Seconds for each byte of a parameter that a ring of eight gathers, or scatters sums of."""


def dense() -> tuple[Operators, Tensor]:
    """Operators of a dense model, and parameters held of them: all in one."""
    operators = model().operators
    held = torch.zeros_like(operators.d_in)
    held[LAYER, 2] = HELD
    return operators, held


def replicas(
    held: tuple[Operators, Tensor] | None = None,
    round_trip: float = 0.0,
    **changes: dict[str, float],
) -> float:
    changes["layout"] = {"data": 8, "shards": 8, **changes.get("layout", {})}
    operators, parameters = held or dense()
    found = communication.data_seconds(
        operators, setting(**changes), parameters, tensor(float(LAYERS)), tensor(round_trip)
    )
    return float(found)


def test_replicas_sum_gradients_once_a_step() -> None:
    # 2 bytes of a gradient there, 2 back: 2 (n - 1) / n S / B.
    assert replicas() == pytest.approx(4 * SHARE, rel=CORNER)
    assert replicas(layout={"micro_batches": 16}) == pytest.approx(4 * SHARE, rel=CORNER)
    assert replicas(work={"gradient_bytes": 4}) == pytest.approx(8 * SHARE, rel=CORNER)


def test_sharded_states_scatter_gradients_and_gather_weights() -> None:
    # ZeRO 1: 4 bytes of a gradient there, 2 of a new weight back.
    found = replicas(layout={"zero": 1}, work={"gradient_bytes": 4})
    assert found == pytest.approx((4 + 2) * SHARE, rel=CORNER)


@pytest.mark.parametrize("count", [1, 4])
def test_sharded_gradients_are_scattered_with_every_micro_batch(count: int) -> None:
    # ZeRO 2 holds no whole gradients: Rajbhandari et al. 2019, section 5.2. New weights are
    # gathered once a step.
    layout = {"zero": 2, "micro_batches": count}
    found = replicas(layout=layout, work={"gradient_bytes": 4})
    assert found == pytest.approx((4 * count + 2) * SHARE, rel=CORNER)


@pytest.mark.parametrize("count", [1, 4])
def test_full_sharding_gathers_weights_twice_for_every_micro_batch(count: int) -> None:
    # Forward and backward, and scatters gradients: Zhao et al. 2023, section 3.
    layout = {"zero": 3, "micro_batches": count}
    found = replicas(layout=layout, work={"gradient_bytes": 4})
    assert found == pytest.approx(count * (2 + 2 + 4) * SHARE, rel=CORNER)


@pytest.mark.parametrize("count", [1, 4])
def test_stages_that_hold_what_they_gathered_move_it_once(count: int) -> None:
    layout = {"zero": 3, "holds": 1, "micro_batches": count}
    found = replicas(layout=layout, work={"gradient_bytes": 4})
    assert found == pytest.approx((2 + 4) * SHARE, rel=CORNER)
    frozen = replicas(layout=layout, work={"trained": 0})
    assert frozen == pytest.approx(2 * SHARE, rel=CORNER)


def test_frozen_weights_are_gathered_and_have_no_gradients() -> None:
    frozen = {"work": {"trained": 0}}
    assert replicas(layout={"zero": 3}, **frozen) == pytest.approx((2 + 2) * SHARE, rel=CORNER)
    for zero in (0, 1, 2):
        assert replicas(layout={"zero": zero}, **frozen) == 0


def test_every_layer_s_weights_go_around_the_ring_by_themselves() -> None:
    # Seven hops for each of 32 layers, twice gathered and once scattered; in one, unsharded.
    for zero, messages in ((3, 3 * LAYERS), (1, 2), (0, 2)):
        layout = {"zero": zero}
        late = replicas(layout=layout, links={"latency": 1e-4})
        moved = (3 * 2 if zero == 3 else 2 * 2) * SHARE
        assert late == pytest.approx(moved + messages * 7e-4, rel=CORNER)


def test_groups_of_shards_sum_what_is_left_between_them() -> None:
    # Four nodes of two: the halves inside, then a quarter of the ring over each half.
    found = replicas(layout={"zero": 1, "shards": 2}, links={"domain": 2})
    inside = 1 / 2 * HELD * (2 + 2) / NVLINK
    between = 2 * 3 / 4 * (HELD / 2) * 2 / NETWORK
    assert found == pytest.approx(inside + between, rel=CORNER)


def test_experts_that_are_there_once_have_no_replicas() -> None:
    operators = mixture().operators
    held = torch.where(operators.expert > 0, HELD, 0.0)
    found = replicas((operators, held), layout={"expert": 8})
    assert found == 0
    # On four ranks there are two of each: 3 matrices, a ring of two.
    found = replicas((operators, held), layout={"expert": 4})
    assert found == pytest.approx(4 * 1 / 2 * 3 * HELD / NVLINK, rel=CORNER)


def test_experts_replicas_lie_as_far_apart_as_they_are_spread() -> None:
    # Two nodes of four, each with all experts: the two that hold the same are in different ones.
    operators = mixture().operators
    held = torch.where(operators.expert > 0, HELD, 0.0)
    found = replicas((operators, held), layout={"expert": 4}, links={"domain": 4})
    assert found == pytest.approx(4 * 1 / 2 * 3 * HELD / NETWORK, rel=CORNER)


def test_experts_have_replicas_where_all_else_is_there_once() -> None:
    # Two tensor parallel ranks with whole experts each, of one replica: a ring of two sums them.
    operators = mixture().operators
    held = torch.where(operators.expert > 0, HELD, 0.0)
    found = replicas((operators, held), layout={"data": 1, "shards": 1, "tensor": 2})
    assert found == pytest.approx(4 * 1 / 2 * 3 * HELD / NVLINK, rel=CORNER)


def test_no_more_ranks_divide_experts_than_hold_the_same() -> None:
    # Four shards, and two ranks that hold the same experts: halves there, and halves back; no
    # sum is left between groups of shards.
    operators = mixture().operators
    held = torch.where(operators.expert > 0, HELD, 0.0)
    found = replicas((operators, held), layout={"expert": 4, "zero": 1, "shards": 4})
    assert found == pytest.approx((2 + 2) * 1 / 2 * 3 * HELD / NVLINK, rel=CORNER)


def test_traffic_of_every_micro_batch_hides_behind_each() -> None:
    # Of four micro-batches' gradients, each behind half of its own computing; a tenth never.
    given = {"efficiency": {"data_overlap": 0.5, "data_exposed": 0.1}}
    each = 2 * SHARE
    layout = {"zero": 2, "micro_batches": 4}
    whole = 4 * each + 2 * SHARE
    found = replicas(round_trip=0.1 * each, layout=layout, **given)
    assert found == pytest.approx(whole - 4 * 0.05 * each, rel=0.005)


def test_traffic_hides_behind_computing_but_for_what_never_does() -> None:
    given = {"efficiency": {"data_overlap": 0.5, "data_exposed": 0.1}}
    whole = 4 * SHARE
    # Half of a long round trip is more than all of it: a tenth stays, and the soft corner's rest.
    found = replicas(round_trip=100 * whole, **given)
    assert found == pytest.approx(0.1 * whole, rel=0.001)
    # At the corner, a twentieth is waited for.
    found = replicas(round_trip=1.8 * whole, **given)
    assert found == pytest.approx(0.1 * whole + 0.05 * whole, rel=0.001)


def test_a_context_parallel_rank_is_a_replica() -> None:
    assert replicas(layout={"data": 1, "context": 8}) == pytest.approx(4 * SHARE, rel=CORNER)
