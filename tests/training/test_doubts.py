"""Doubts: what was assumed, what is new, and how much wider that makes an interval."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from known import LLAMA_8B

import computebill as cb
from computebill.training.cases import Case, case_columns
from computebill.training.doubts import (
    DOUBTS,
    FACTS,
    SIZES,
    Reach,
    assumed_facts,
    doubt_columns,
    reach_of,
    widening,
)
from computebill.training.parameters import INDEX, NAMES

MIXTRAL = LLAMA_8B | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
NOWHERE = Reach(unseen=(), sizes={})


def case(config: dict[str, object] = LLAMA_8B, **layout: int) -> Case:
    return Case(
        architecture=cb.read_architecture(config),
        layout=cb.Layout(**layout),
        accelerator=cb.find_accelerator("h100-sxm"),
        precision="bf16",
        sequence=4096,
        software="fused",
    )


def doubts(
    one: Case, reach: Reach = NOWHERE, slopes: torch.Tensor | None = None
) -> dict[str, float]:
    none = torch.zeros(1, len(NAMES), dtype=torch.float64)
    given = none if slopes is None else slopes
    found = doubt_columns([one], case_columns([one]), given, reach)
    return {name: value for name, value in zip(DOUBTS, found[0].tolist(), strict=True) if value}


@pytest.mark.parametrize(
    ("one", "assumed"),
    [
        (case(), {"micro_batch", "software", "packing"}),
        (case(dp=8), {"micro_batch", "software", "packing", "zero"}),
        (case(dp=2, pp=8), {"micro_batch", "software", "packing", "zero", "vpp", "network"}),
        (case(MIXTRAL, dp=8, ep=8), {"micro_batch", "software", "packing", "zero", "dispatcher"}),
        (case(MIXTRAL, tp=2), {"micro_batch", "software", "packing", "etp"}),
        (replace(case(dp=8), domain=4), {"micro_batch", "software", "packing", "zero", "network"}),
    ],
)
def test_a_fact_is_assumed_where_the_step_hangs_on_it_and_nobody_states_it(
    one: Case, assumed: set[str]
) -> None:
    assert set(assumed_facts(one, ())) == assumed
    assert assumed_facts(one, FACTS) == ()
    assert set(assumed_facts(one, {"software"})) == assumed - {"software"}


def test_facts_and_software_and_experts_across_domains_are_doubts() -> None:
    assert doubts(case(dp=8)) == {}
    assert doubts(replace(case(dp=8), assumed=("zero", "vpp"))) == {"layout": 1.0}
    assert doubts(replace(case(dp=8), software="scripts")) == {"untuned": 1.0}
    assert doubts(case(MIXTRAL, dp=8)) == {}
    assert doubts(case(MIXTRAL, dp=16)) == {"experts": 1.0}


def test_a_part_whose_maker_nobody_measured_is_a_doubt() -> None:
    amd = replace(case(dp=8), accelerator=cb.find_accelerator("mi300x"))
    assert doubts(amd, Reach((), {}, ("NVIDIA",))) == {"maker": 1.0}
    assert doubts(amd, Reach((), {}, ("NVIDIA", "AMD"))) == {}
    # Of a profile that does not know who made what was measured, nothing is said.
    assert doubts(amd) == {}


def test_time_that_hangs_on_what_nobody_measured_counts_by_its_share() -> None:
    slopes = torch.zeros(1, len(NAMES), dtype=torch.float64)
    slopes[0, INDEX["head"]], slopes[0, INDEX["memory"]] = -0.25, 0.125
    assert doubts(case(), Reach(("head",), {}), slopes) == {"unmeasured": 0.25}
    assert doubts(case(), Reach(("head", "memory"), {}), slopes) == {"unmeasured": 0.375}
    assert doubts(case(), Reach(("head",), {}), 100 * slopes) == {"unmeasured": 1.0}


def test_doublings_beyond_what_was_measured_count() -> None:
    small = {"accelerators": (1.0, 2.0), "parameters": (1e9, 1e12), "sequence": (16384.0, 1e6)}
    # Eight accelerators are two doublings above, 4,096 tokens two below.
    assert doubts(case(dp=8), Reach((), small)) == {"far": 4.0}
    wide = dict.fromkeys(SIZES, (1.0, 1000000000000.0))
    assert doubts(case(dp=8), Reach((), wide)) == {}


def test_a_reach_is_the_least_and_the_most_of_what_was_measured() -> None:
    columns = case_columns([case(dp=8), case(dp=64), case(dp=1024)])
    slopes = torch.zeros(3, len(NAMES), dtype=torch.float64)
    slopes[1, INDEX["head"]] = -0.1
    slopes[2, INDEX["memory"]] = -0.1
    amd = replace(case(dp=1024), accelerator=cb.find_accelerator("mi300x"))
    cases = [case(dp=8), case(dp=64), amd]
    found = reach_of(cases, columns, slopes, torch.tensor([True, True, False]))
    assert found.makers == ("NVIDIA",)
    assert found.sizes["accelerators"] == (8.0, 64.0)
    assert found.sizes["parameters"][0] == pytest.approx(8.03e9, rel=1e-3)
    assert set(NAMES) - set(found.unseen) == {"head"}


def test_factors_multiply() -> None:
    columns = torch.zeros(2, len(DOUBTS), dtype=torch.float64)
    names = list(DOUBTS)
    columns[0, names.index("software")] = 1.0
    columns[0, names.index("far")] = 3.0
    found = widening(columns, {"software": 0.2, "far": 0.1, "experts": 5.0})
    assert found.tolist() == pytest.approx([1.6487212707, 1.0])
