from __future__ import annotations

import dataclasses
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.cache_utils import DynamicCache

from computebill.hardware.accelerators import find_accelerator
from computebill.kernels import serving
from computebill.kernels.serving import Served, Server
from computebill.training.serving import constants, make_server, served_sizes

TABLE = Path(__file__).parents[1] / "data/serving_throughput.csv"


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@dataclasses.dataclass(frozen=True)
class Plain:
    """A dense model of 8 billion parameters on an H100, its datasheet reached."""

    params: float = 8e9
    active: float = 8e9
    layers: float = 32
    hidden: float = 4096
    cache: float = 2 * 32 * 8 * 128
    weight_bytes: float = 2
    cache_bytes: float = 2
    ranks: float = 1
    flop_per_s: float = 989e12
    bytes_per_s: float = 3.35e12
    memory: float = 80e9
    link_bytes_per_s: float = 450e9
    latency: float = 1e-5
    launch: float = 0.0

    def _only(self, kind: Any) -> Any:
        return kind(**{name: scalar(getattr(self, name)) for name in kind._fields})

    @property
    def served(self) -> Served:
        found: Served = self._only(Served)
        return found

    @property
    def server(self) -> Server:
        found: Server = self._only(Server)
        return found

    def decode(self, batch: float, context: float) -> float:
        return float(
            serving.decode_seconds(self.served, self.server, scalar(batch), scalar(context))
        )

    def request(self, prompt: float, answer: float, most: float, tail: float = 1.0) -> float:
        sizes = map(scalar, (prompt, answer, most, tail))
        return float(serving.request_seconds(self.served, self.server, *sizes))


LLAMA = Plain()


@pytest.mark.parametrize("ranks", [1, 2, 8])
def test_one_sequence_takes_as_long_as_reading_the_weights(ranks: float) -> None:
    model = dataclasses.replace(LLAMA, ranks=ranks, latency=0.0, link_bytes_per_s=math.inf)
    # 16 GB of weights at 3.35 TB/s: 4.776 ms.
    assert model.decode(1, 1) * ranks == pytest.approx(4.776e-3, rel=1e-3)


@pytest.mark.parametrize("ranks", [1, 2, 8])
def test_a_token_of_a_large_batch_takes_as_long_as_its_products(ranks: float) -> None:
    model = dataclasses.replace(LLAMA, ranks=ranks, latency=0.0, link_bytes_per_s=math.inf)
    batch = 1e6
    # Two operations a parameter: 1.6e10 at 989 TFLOP/s.
    assert model.decode(batch, 0) * ranks / batch == pytest.approx(1.6178e-5, rel=1e-3)


def test_a_small_model_waits_for_its_kernels_to_begin() -> None:
    small = dataclasses.replace(LLAMA, params=1e6, active=1e6, cache=100, launch=2e-5)
    assert small.decode(1, 10) == pytest.approx(32 * 2e-5)


BATCH = st.floats(1, 1e4)
CONTEXT = st.floats(0, 1e6)
MODELS = st.builds(
    lambda params, share, cache, ranks, latency: Plain(
        params=params,
        active=params * share,
        cache=cache,
        ranks=ranks,
        latency=latency,
        launch=2e-5,
    ),
    st.floats(1e7, 1e12),
    st.floats(0.01, 1),
    st.floats(1e3, 1e6),
    st.sampled_from([1, 2, 4, 8, 16, 32, 64]),
    st.floats(0, 1e-4),
)
LITTLE = 1 + 1e-12


@given(MODELS, BATCH, st.floats(1, 10), CONTEXT, st.floats(0, 1e5))
def test_more_sequences_and_longer_ones_take_longer(
    model: Plain, batch: float, times: float, context: float, longer: float
) -> None:
    step = model.decode(batch, context)
    assert step <= model.decode(batch * times, context) * LITTLE
    assert step <= model.decode(batch, context + longer) * LITTLE
    # A larger batch never makes a sequence of it slower by more than its size.
    assert model.decode(batch * times, context) <= step * times * LITTLE


@given(MODELS, BATCH, CONTEXT)
def test_more_ranks_are_faster_but_not_more_than_their_number(
    model: Plain, batch: float, context: float
) -> None:
    free = dataclasses.replace(
        model, latency=0.0, link_bytes_per_s=math.inf, launch=0.0, ranks=model.ranks
    )
    twice = dataclasses.replace(free, ranks=2 * model.ranks)
    one, other = free.decode(batch, context), twice.decode(batch, context)
    assert one / 2 <= other * LITTLE
    assert other <= one * LITTLE
    # What ranks send each other never makes a step shorter.
    assert model.decode(batch, context) >= one / LITTLE


def test_two_ranks_pay_for_each_exchange() -> None:
    # Two sums a layer; each sends every rank's half both ways: h elements of two bytes a token.
    model = dataclasses.replace(LLAMA, ranks=2)
    busy = dataclasses.replace(model, latency=0.0, link_bytes_per_s=math.inf).decode(8, 100)
    extra = model.decode(8, 100) - busy
    assert extra == pytest.approx(64 * (1e-5 + 8 * 4096 * 2 / 450e9), rel=1e-6)


def chosen(experts: int, each: int, tokens: int) -> float:
    """Share of experts that tokens meet, each choosing by itself, drawn."""
    draws = np.random.default_rng(0)
    met = []
    for _ in range(200):
        order = draws.random((tokens, experts)).argsort(axis=1)[:, :each]
        met.append(len(np.unique(order)) / experts)
    return float(np.mean(met))


def touched(params: float, active: float, tokens: float) -> float:
    model = Plain(params=params, active=active)
    return float(serving.touched_params(model.served, scalar(tokens)))


@pytest.mark.parametrize(("experts", "each"), [(8, 2), (64, 8), (16, 1)])
@pytest.mark.parametrize("tokens", [1, 2, 5, 20, 100])
def test_tokens_meet_the_experts_that_a_simulation_draws(
    experts: int, each: int, tokens: int
) -> None:
    # Half of what a token meets is shared by all; the rest is chosen experts.
    share = each / experts
    shared = 1e9 * share / (1 + share)
    expected = shared + (1e9 - shared) * chosen(experts, each, tokens)
    assert touched(1e9, 2 * shared, tokens) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("tokens", "billions"), [(1, 37), (16, 277)])
def test_deepseek_v3_reads_about_what_its_own_numbers_give(tokens: int, billions: float) -> None:
    # 8 of 256 routed experts, 655 B of parameters; 16.5 B are met by every token.
    assert touched(671e9, 37e9, tokens) == pytest.approx(billions * 1e9, rel=0.1)


@pytest.mark.parametrize(
    ("params", "shared", "experts", "each"),
    # Mixtral 8x7B (Jiang et al. 2024), DeepSeek-V3 (2024, its report: 37B of 671B, 8 of 256).
    [(46.7e9, 1.6e9, 8, 2), (671e9, 16.5e9, 256, 8)],
)
@pytest.mark.parametrize("tokens", [1, 128, 512])
def test_parameters_that_all_tokens_share_matter_little(
    params: float, shared: float, experts: int, each: int, tokens: int
) -> None:
    active = shared + (params - shared) * each / experts
    expected = shared + (params - shared) * chosen(experts, each, tokens)
    assert touched(params, active, tokens) == pytest.approx(expected, rel=0.06)


@given(st.floats(1e6, 1e12), st.floats(1, 1e4))
def test_every_token_meets_all_of_a_dense_model(params: float, tokens: float) -> None:
    assert touched(params, params, tokens) == params


@given(
    st.floats(1e9, 5e10),
    st.sampled_from([1, 2, 8]),
    st.integers(2000, 100_000),
    st.sampled_from([1.0, 2.0]),
)
def test_the_largest_batch_is_that_of_sequences_added_one_by_one(
    params: float, ranks: int, context: int, element: float
) -> None:
    model = Plain(params=params, active=params, ranks=ranks, cache_bytes=element)
    found = float(serving.largest_batch(model.served, model.server, scalar(context)))
    free, count = 80e9 * ranks - 2 * params, 0
    while free >= 131072 // 2 * element * context:
        free -= 131072 // 2 * element * context
        count += 1
    assert math.floor(found) == count


def llama(key_heads: int, layers: int = 2, hidden: int = 64) -> LlamaForCausalLM:
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 8,
        num_key_value_heads=key_heads,
        vocab_size=128,
        tie_word_embeddings=True,
        max_position_embeddings=4096,
        attn_implementation="eager",
    )
    torch.manual_seed(0)
    return LlamaForCausalLM(config).eval()


def counted(model: LlamaForCausalLM, tokens: int, past: DynamicCache | None = None) -> Any:
    """Operations by operator: products with weights are mm, those of attention bmm."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, tokens, dtype=torch.int64), past_key_values=past)
    found = counter.get_flop_counts()["Global"]
    aten = torch.ops.aten
    return found.get(aten.mm, 0) + found.get(aten.addmm, 0), found.get(aten.bmm, 0)


def one_operation_a_second(model: LlamaForCausalLM, key_heads: int) -> Plain:
    """Served where computing takes all the time."""
    params = float(sum(each.numel() for each in model.parameters()))
    layers, hidden = model.config.num_hidden_layers, model.config.hidden_size
    return Plain(
        params=params,
        active=params,
        layers=layers,
        hidden=hidden,
        cache=2 * layers * key_heads * 8,
        flop_per_s=1.0,
        bytes_per_s=1e30,
        memory=1e30,
        latency=0.0,
    )


@pytest.mark.parametrize("length", [16, 512])
@pytest.mark.parametrize("key_heads", [8, 2])
def test_reading_a_prompt_takes_the_operations_of_a_forward_pass(
    length: int, key_heads: int
) -> None:
    model = llama(key_heads)
    products, attention = counted(model, length)
    # A token looks back only, at half of the others on average, where this implementation
    # computes all. The tied embedding counts as the output layer, so only norms, which no product
    # has, are too many: below 1 %.
    expected = products + attention / 2
    assert one_operation_a_second(model, key_heads).request(length, 0, 1) == pytest.approx(
        expected, rel=0.02
    )


@pytest.mark.parametrize("key_heads", [8, 2])
def test_writing_a_token_takes_the_operations_of_a_forward_pass(key_heads: int) -> None:
    model, context = llama(key_heads), 512
    past = DynamicCache(config=model.config)
    counted(model, context - 1, past)
    products, attention = counted(model, 1, past)
    assert attention > products / 5
    found = one_operation_a_second(model, key_heads).decode(1, context)
    assert found == pytest.approx(products + attention, rel=0.02)


def simulated(model: Plain, prompt: int, answer: int, most: int, rounds: int = 4) -> float:
    """Seconds of a request: places in a batch, each at another token, a new one where one ends."""
    token = model.cache * model.cache_bytes

    def fits(count: int) -> bool:
        # Spread evenly, answers are half written on average.
        held = count * (prompt + answer / 2) * token + model.params * model.weight_bytes
        return held <= model.memory and count <= most

    count = 0
    while fits(count + 1):
        count += 1
    written = [place * answer // count for place in range(count)]
    clock, done = 0.0, 0
    for _ in range(rounds * answer):
        contexts = sum(prompt + each for each in written)
        reading = (model.params * model.weight_bytes + contexts * token) / model.bytes_per_s
        flop = count * 2 * model.active + 2 * model.cache * contexts
        clock += max(reading, flop / model.flop_per_s, model.layers * model.launch)
        for place in range(count):
            written[place] += 1
            if written[place] == answer:
                written[place] = 0
                done += 1
                # Each token of the prompt meets half of it on average: 4 h (p / 2) a layer.
                flop = prompt * (2 * model.active + 2 * model.layers * model.hidden * prompt)
                clock += flop / model.flop_per_s
    return clock / done


@pytest.mark.parametrize(
    ("prompt", "answer", "most"),
    [(100, 200, 1), (100, 200, 8), (1000, 200, 1000), (50, 400, 500), (2000, 50, 16)],
)
def test_requests_take_as_long_as_a_full_batch_played_step_by_step(
    prompt: int, answer: int, most: int
) -> None:
    # Every head has its own keys and values.
    model = dataclasses.replace(LLAMA, cache=2 * 32 * 4096, launch=1e-5)
    expected = simulated(model, prompt, answer, most)
    assert model.request(prompt, answer, most) == pytest.approx(expected, rel=0.01)


def test_a_batch_that_waits_for_its_longest_answer_runs_down() -> None:
    # Where reading the weights is all that takes time, a step takes as long with few sequences.
    model = dataclasses.replace(LLAMA, cache=1.0, flop_per_s=1e30)
    draws = random.Random(0)
    lengths = [draws.randint(1, 400) for _ in range(64)]
    mean = sum(lengths) / len(lengths)
    seconds = sum(
        model.params * model.weight_bytes / model.bytes_per_s
        for step in range(max(lengths))
        if any(length > step for length in lengths)
    )
    found = model.request(10, mean, 64, max(lengths) / mean)
    assert found == pytest.approx(seconds / 64, rel=1e-3)


def test_a_request_takes_all_ranks_that_hold_a_copy() -> None:
    one = dataclasses.replace(LLAMA, latency=0.0, link_bytes_per_s=math.inf, memory=1e15)
    many = dataclasses.replace(one, ranks=8)
    # With free links, eight ranks work off the same bytes and operations.
    assert many.request(500, 100, 32) == pytest.approx(one.request(500, 100, 32), rel=1e-9)


def test_a_model_that_does_not_fit_takes_forever() -> None:
    assert math.isinf(dataclasses.replace(LLAMA, params=40e9).request(10, 10, 1))
    assert math.isfinite(dataclasses.replace(LLAMA, params=40e9, ranks=2).request(10, 10, 1))
    # The weights do, not one sequence beside them: 64 GB hold 488,000 tokens of 131,072 bytes.
    assert math.isfinite(LLAMA.request(480_000, 0, 1))
    assert math.isinf(LLAMA.request(490_000, 0, 1))


def ratios() -> np.ndarray:
    """Published throughput over that predicted with the constants that ship."""
    rows = pd.read_csv(TABLE, comment="#")
    found = []
    for (name, precision, ranks), group in rows.groupby(["accelerator", "precision", "tp"]):
        accelerator, kind = find_accelerator(str(name)), str(precision)
        params, active, prompt, answer, batch = (
            torch.tensor(group[key].to_numpy(float))
            for key in ("params_b", "active_b", "input_tokens", "output_tokens", "batch")
        )
        seconds = serving.request_seconds(
            served_sizes(params * 1e9, active * 1e9, kind),
            make_server(accelerator, kind, float(ranks)),
            prompt,
            answer,
            batch,
            torch.ones_like(batch),
        )
        predicted = (answer * float(ranks) / seconds).numpy()
        found.append(group["output_tokens_per_s"].to_numpy(float) / predicted)
    return np.concatenate(found)


def test_published_throughputs_are_met() -> None:
    found = ratios()
    assert len(found) == 557
    assert np.median(abs(1 / found - 1)) <= 0.25


def test_the_interval_that_ships_holds_nine_in_ten_published_throughputs() -> None:
    found, used = ratios(), constants()
    held = np.mean((used.low <= found) & (found <= used.high))
    assert 0.85 <= held <= 0.95
