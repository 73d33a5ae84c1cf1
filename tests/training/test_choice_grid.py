"""The search's masked batch against each layout by itself."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known import LLAMA_8B
from plans import SEQUENCE, planned

import computebill as cb
from computebill.training.cases import Case
from computebill.training.choice_grid import Grid
from computebill.training.choices import Space, make_space
from computebill.training.efficiency import read_profile
from computebill.training.memory import stage_bytes
from computebill.training.memory_odds import most_predicted
from computebill.training.parameters import bounded, unbounded
from computebill.training.rules import check_layout
from computebill.training.step_time import estimate_step

MIXTRAL = LLAMA_8B | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}


LEADING_DENSE = {
    "model_type": "deepseek_v3",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "moe_intermediate_size": 512,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "n_routed_experts": 16,
    "num_experts_per_tok": 4,
    "n_shared_experts": 1,
    "first_k_dense_replace": 3,
    "q_lora_rank": 256,
    "kv_lora_rank": 128,
    "qk_nope_head_dim": 64,
    "qk_rope_head_dim": 32,
    "v_head_dim": 64,
    "vocab_size": 32000,
}
"""Whose first stages are unlike the others."""


def space(config: dict[str, Any], accelerator: str = "h100-sxm", **given: Any) -> Space:
    part = cb.find_accelerator(accelerator)
    case = Case(cb.read_architecture(config), cb.Layout(), part, "bf16", SEQUENCE, "modern")
    return make_space(case, given)


def grid(of: Space) -> Grid:
    return Grid(of, bounded(unbounded(read_profile().values)), torch.device("cpu"))


def one_by_one(of: Space, place: int, count: int, batch: int) -> tuple[float, float] | None:
    """Seconds and bytes of a layout by the functions of one; None where it is not legal."""
    pipe, tp, cp, experts, sharding, micro, recompute = (
        part[index]
        for part, index in zip(
            (of.pipes, of.tp, of.cp, of.experts, of.sharding, of.micro, of.recompute),
            torch.unravel_index(torch.tensor(place), of.shape),
            strict=True,
        )
    )
    tp, sequence_parallel = tp
    dp, rest = divmod(count, pipe.pp * tp * cp)
    if rest or not dp or batch % (dp * micro):
        return None
    domain = 8
    # Replicas whose tensor parallel ranks all are in the first domain.
    near = sum((replica + 1) * tp <= domain for replica in range(dp * cp))
    # Divided by one rank, sharded over one, or inside a domain that is all there is: the same
    # layout again.
    if (experts.divided and tp == 1) or (sharding.inside and not 1 < near < dp * cp):
        return None
    # One rank shards nothing: the same layout as with another stage, where one is tried.
    repeats = dp * cp == 1 and any(each.zero < 3 for each in of.sharding)
    if sharding.zero == 3 and (repeats or pipe.schedule != "1f1b"):
        return None
    if tp > domain and not of.across:
        return None
    layout = cb.Layout(
        pp=pipe.pp,
        vpp=pipe.vpp,
        schedule=pipe.schedule,
        first_layers=pipe.first or None,
        last_layers=pipe.last or None,
        layers_per_stage=pipe.layers or None,
        tp=tp,
        sequence_parallel=sequence_parallel,
        cp=cp,
        dp=dp,
        ep=experts.ep,
        etp=tp if experts.divided else 1,
        zero=sharding.zero,
        shards=near if sharding.inside else None,
        micro_batch=micro,
        micro_batches=batch // (dp * micro),
        recompute=recompute,
    )
    try:
        check_layout(of.case.architecture, layout, SEQUENCE)
    except cb.RequestError:
        return None
    assert of.layout(place, count, batch).model_dump() == layout.model_dump()
    case = Case(of.case.architecture, layout, of.case.accelerator, "bf16", SEQUENCE, "modern")
    stages = stage_bytes(of.case.architecture, [layout], float(SEQUENCE))
    return estimate_step(case).seconds, float(stages.nan_to_num(0.0).amax())


CHOICES = {
    "tp": st.lists(st.sampled_from([1, 2, 4, 8, 16]), min_size=1, max_size=2, unique=True),
    "sequence_parallel": st.sampled_from([[True], [False], [True, False]]),
    "pp": st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=2, unique=True),
    "vpp": st.just([1, 2, 4]),
    "uneven": st.sampled_from([[False], [True]]),
    "cp": st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=2, unique=True),
    "zero": st.lists(st.sampled_from([0, 1, 2, 3]), min_size=1, max_size=2, unique=True),
    "micro_batch": st.lists(st.sampled_from([1, 2, 3, 8]), min_size=1, max_size=2, unique=True),
    "recompute": st.lists(
        st.sampled_from(["none", "selective", "operators", "full"]), min_size=1, max_size=2
    ),
    "schedule": st.lists(
        st.sampled_from(["1f1b", "zero-bubble", "dualpipe"]), min_size=1, max_size=2, unique=True
    ),
}


@settings(max_examples=25)
@given(
    st.sampled_from([LLAMA_8B, MIXTRAL, LLAMA_8B | {"num_hidden_layers": 30}, LEADING_DENSE]),
    st.fixed_dictionaries(CHOICES),
    st.sampled_from([8, 12, 64]),
    st.sampled_from([16, 48, 64]),
    st.booleans(),
)
def test_a_grid_is_every_layout_by_itself(
    config: dict[str, Any], given: dict[str, Any], count: int, batch: int, across: bool
) -> None:
    if 1 in given["pp"] and "1f1b" not in given["schedule"]:
        given = {**given, "schedule": ["1f1b"]}
    if config["num_hidden_layers"] == 30:
        given = {**given, "pp": [1], "schedule": ["1f1b"]}
    of = space(config, **given, **({"ep": [1, 2, 8]} if config is MIXTRAL else {}))
    of = dataclasses.replace(of, across=across)
    whole = grid(of)
    for pipes in whole.chunks():
        chunk = whole.evaluate(pipes, count, batch)
        seconds = chunk.legal_seconds(math.inf).flatten()
        sizes = chunk.bytes.expand_as(chunk.seconds).flatten()
        where = chunk.place(torch.arange(seconds.numel()), of.shape).tolist()
        found = dict(zip(where, zip(seconds.tolist(), sizes.tolist(), strict=True), strict=True))
        rest = math.prod(of.shape[1:])
        for place in range(pipes.start * rest, pipes.stop * rest):
            alone = one_by_one(of, place, count, batch)
            assert (found.get(place, (math.inf,))[0] < math.inf) == (alone is not None)
            if alone is None:
                continue
            if of.pipes[place // rest].layers:  # waited for as in all other pipelines, or less
                assert found[place][0] >= alone[0] * (1 - 1e-9)
                assert found[place][0] <= alone[0] * 1.3
            else:
                assert found[place][0] == pytest.approx(alone[0], rel=1e-9)
            assert found[place][1] == pytest.approx(alone[1], rel=1e-9)


@pytest.mark.parametrize("config", [LLAMA_8B, MIXTRAL, LEADING_DENSE], ids=["8B", "MoE", "mixed"])
def test_batches_side_by_side_are_each_by_itself(config: dict[str, Any]) -> None:
    of = space(config, pp=[1, 2], tp=[1, 2], cp=[1])
    whole, batches = grid(of), (8, 3, 64, 96)  # three are too few for eight ranks
    for pipes in whole.chunks():
        several = whole.evaluate(pipes, 16, *batches)
        assert several.batches.tolist() == [
            place
            for place, batch in enumerate(batches)
            if whole.evaluate(pipes, 16, batch).seconds.numel()
        ]
        rows = zip(several.batches.tolist(), several.legal_seconds(5e10), strict=True)
        for row, (place, seconds) in enumerate(rows):
            alone = whole.evaluate(pipes, 16, batches[place])
            least = alone.legal_seconds(5e10)
            found, where = seconds.flatten().min(0)
            assert float(found) == pytest.approx(float(least.min()), rel=1e-12)
            if torch.isfinite(found):
                own = alone.place(least.flatten().argmin(), of.shape)
                assert int(several.place(where, of.shape)) == int(own)
                sizes = several.bytes.expand_as(several.seconds)[row]
                expected = alone.bytes.expand_as(alone.seconds).flatten()[least.argmin()]
                assert float(sizes.flatten()[where]) == pytest.approx(float(expected), rel=1e-12)


def test_the_best_is_the_fastest_of_all(llama_config: str) -> None:
    choices = {"tp": [1, 4], "pp": [1, 8], "cp": [1, 2], "micro_batch": [1, 4]}
    found = planned(llama_config, **choices)
    of = space(LLAMA_8B, **choices)
    places = range(math.prod(of.shape))
    alone = [one for place in places if (one := one_by_one(of, place, 64, 512)) is not None]
    limit = min(80e9 * 0.95, most_predicted(80e9, 0.9))
    fitting = [one for one in alone if one[1] <= limit]
    assert found.evaluated == math.prod(of.shape)
    assert found.feasible == len(fitting)
    assert found.best.step_seconds == pytest.approx(min(one[0] for one in fitting))
    # The next best, but those that hardly differ in time and in memory from one before.
    apart: list[tuple[float, float]] = []
    for time, size in sorted(one[:2] for one in fitting):
        if not any(
            math.isclose(time, other, rel_tol=0.01) and math.isclose(size, its, rel_tol=0.05)
            for other, its in apart
        ):
            apart.append((time, size))
    fastest = [time for time, _ in apart[1:6]]
    assert [each.step_seconds for each in found.runners_up] == pytest.approx(fastest)


def test_all_pairs_of_places_are_different_layouts() -> None:
    of = space(MIXTRAL, ep=[1, 8])
    whole = grid(of)
    seen: list[str] = []
    for pipes in whole.chunks():
        chunk = whole.evaluate(pipes, 64, 512)
        legal = torch.nonzero(torch.isfinite(chunk.legal_seconds(math.inf)).flatten()).flatten()
        for place in chunk.place(legal, of.shape).tolist()[::7]:
            seen.append(of.layout(place, 64, 512).model_dump_json())
    assert len(seen) > 100
    assert not any(one == other for one, other in itertools.pairwise(sorted(seen)))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_searches_the_same() -> None:
    of = space(MIXTRAL, ep=[1, 8])
    values = bounded(unbounded(read_profile().values))
    here, there = (Grid(of, values, torch.device(name)) for name in ("cpu", "cuda"))
    for pipes in here.chunks():
        one, other = (each.evaluate(pipes, 64, 512) for each in (here, there))
        torch.testing.assert_close(one.seconds, other.seconds.cpu(), rtol=1e-9, atol=0)
        torch.testing.assert_close(one.bytes, other.bytes.cpu(), rtol=1e-9, atol=0)
        for rule, mask in one.masks.items():
            assert torch.equal(mask, other.masks[rule].cpu())
