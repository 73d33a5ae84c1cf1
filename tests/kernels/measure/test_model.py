from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import computebill as cb
from computebill.architectures.columns import columns
from computebill.architectures.counting import count_flop, count_parameters
from computebill.kernels.measure.model import (
    Decoder,
    Shape,
    TransformerBlock,
    block_flop,
    rotation,
    step_flop,
)

SHAPE = Shape(hidden=48, layers=2, heads=4, kv_heads=2, head_dim=16, feed_forward=80, vocabulary=96)
SHAPES = [SHAPE, replace(SHAPE, tied=True), replace(SHAPE, kv_heads=4, head_dim=8)]
BATCH, SEQUENCE = 2, 24


def source() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def tokens(shape: Shape) -> torch.Tensor:
    return torch.randint(shape.vocabulary, (BATCH, SEQUENCE + 1), generator=source())


@pytest.mark.parametrize("shape", SHAPES)
def test_flop_of_a_step_are_those_that_pytorch_counts(shape: Shape) -> None:
    model, data = Decoder(shape, SEQUENCE, source()), tokens(shape)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.loss(data[:, :-1], data[:, 1:]).backward()  # type: ignore[no-untyped-call]
    assert step_flop(shape, BATCH, SEQUENCE)["megatron"] == counter.get_total_flops()


def test_flop_of_a_block_are_those_that_pytorch_counts() -> None:
    block = TransformerBlock(SHAPE, source())
    x = torch.randn(BATCH, SEQUENCE, SHAPE.hidden, requires_grad=True)
    cosines, sines = rotation(SEQUENCE, SHAPE.head_dim, x.device)
    masked = SHAPE.attention(BATCH, SEQUENCE).flop_full - SHAPE.attention(BATCH, SEQUENCE).flop
    forward, backward = block_flop(SHAPE, BATCH, SEQUENCE)
    with sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as first:
            out = block(x, cosines, sines)
        with FlopCounterMode(display=False) as second:
            out.backward(torch.ones_like(out))
    assert forward + masked == first.get_total_flops()
    assert backward + 2 * masked == second.get_total_flops()


def config(shape: Shape) -> dict[str, object]:
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.feed_forward,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": SEQUENCE,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": shape.tied,
        "attention_bias": False,
        "mlp_bias": False,
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_are_those_of_the_module(shape: Shape) -> None:
    held = sum(each.numel() for each in Decoder(shape, SEQUENCE, source()).parameters())
    assert shape.parameters == held


@pytest.mark.parametrize("shape", SHAPES)
def test_conventions_are_those_of_the_estimator(shape: Shape) -> None:
    known = columns(cb.read_architecture(config(shape)))
    counted = count_flop(known, SEQUENCE).conventions
    ours = step_flop(shape, BATCH, SEQUENCE)
    assert ours.keys() == counted.keys()
    for name, each in ours.items():
        assert each == pytest.approx(BATCH * SEQUENCE * float(counted[name]), rel=1e-12)
    assert shape.parameters == float(count_parameters(known).total)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_output_is_that_of_transformers(shape: Shape) -> None:
    transformers = pytest.importorskip("transformers")
    peer = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config(shape))).eval()
    ours, data = Decoder(shape, SEQUENCE, source()), tokens(shape)[:, :-1]
    names = {
        "attention_norm": "input_layernorm",
        "query": "self_attn.q_proj",
        "key": "self_attn.k_proj",
        "value": "self_attn.v_proj",
        "output": "self_attn.o_proj",
        "feed_forward_norm": "post_attention_layernorm",
        "gate": "mlp.gate_proj",
        "up": "mlp.up_proj",
        "down": "mlp.down_proj",
    }
    state = {"embedding.weight": "model.embed_tokens.weight", "norm.weight": "model.norm.weight"}
    state["head.weight"] = "lm_head.weight"
    for layer in range(shape.layers):
        for name, theirs in names.items():
            state[f"blocks.{layer}.{name}.weight"] = f"model.layers.{layer}.{theirs}.weight"
    held = peer.state_dict()
    ours.load_state_dict({name: held[theirs] for name, theirs in state.items()})
    with torch.no_grad():
        torch.testing.assert_close(ours(data), peer(data).logits, rtol=1e-4, atol=1e-5)
        loss = peer(input_ids=data, labels=data).loss
        torch.testing.assert_close(ours.loss(data[:, :-1], data[:, 1:]), loss)


def test_later_tokens_do_not_change_earlier_ones() -> None:
    model, data = Decoder(SHAPE, SEQUENCE, source()), tokens(SHAPE)[:, :-1]
    changed = data.clone()
    changed[:, 10:] = (changed[:, 10:] + 1) % SHAPE.vocabulary
    with torch.no_grad():
        one, other = model(data), model(changed)
    torch.testing.assert_close(one[:, :10], other[:, :10])
    assert not torch.allclose(one[:, 10:], other[:, 10:])


def test_tied_weights_are_one() -> None:
    model = Decoder(replace(SHAPE, tied=True), SEQUENCE, source())
    assert model.head.weight is model.embedding.weight
    untied = Decoder(SHAPE, SEQUENCE, source())
    assert not torch.equal(untied.head.weight, untied.embedding.weight)


def test_weights_are_drawn_without_pytorchs_random_state() -> None:
    before = torch.get_rng_state()
    model = Decoder(SHAPE, SEQUENCE, source())
    assert torch.equal(before, torch.get_rng_state())
    assert float(model.head.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
