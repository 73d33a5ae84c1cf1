"""Layers that are listed by stage: read, checked, and the same figures as what they stand for."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known import DEEPSEEK_LIKE, LLAMA_8B

import computebill as cb
from computebill.base.specfile import validate
from computebill.training.cases import Case, case_columns, step_times
from computebill.training.dealing import even_deal
from computebill.training.efficiency import read_profile
from computebill.training.layout import Layout
from computebill.training.memory import stage_bytes
from computebill.training.parameters import bounded, unbounded
from computebill.training.rules import check_layout
from computebill.training.step_time import estimate_step

SEQUENCE = 4096
FULL = {"recompute": "full"}
LLAMA = cb.read_architecture(LLAMA_8B)
H100 = cb.find_accelerator("h100-sxm")


def figures(architecture: Any, **fields: Any) -> tuple[float, dict[str, float], list[float]]:
    """Seconds of a step, their breakdown, and bytes of every stage."""
    layout = Layout(**{"tp": 2, "dp": 2, "micro_batches": 16, **fields})
    check_layout(architecture, layout, SEQUENCE)
    step = estimate_step(Case(architecture, layout, H100, "bf16", SEQUENCE, "modern"))
    sizes = stage_bytes(architecture, [layout], float(SEQUENCE))
    return step.seconds, dict(step.breakdown), sizes[:, 0].tolist()


@given(st.integers(1, 40), st.integers(1, 12))
def test_dealing_out_evenly_leaves_the_ends_short(layers: int, chunks: int) -> None:
    found = even_deal(layers, chunks)
    assert sum(found) == layers
    assert len(found) == chunks
    if layers % chunks == 0:
        assert set(found) == {layers // chunks}
    # DeepSeek-V3 in 16 stages of Megatron: the ends have the embedding, the head and an MTP layer.
    assert even_deal(61, 16) == (3, *[4] * 14, 2)


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        (LLAMA_8B, {"pp": 4}),
        (LLAMA_8B, {"pp": 4, "vpp": 2, "zero": 3}),
        (LLAMA_8B, {"pp": 2, "schedule": "zero-bubble"}),
        (LLAMA_8B, {"pp": 4, "schedule": "dualpipe"}),
        (DEEPSEEK_LIKE, {"pp": 4}),
    ],
)
def test_a_list_that_is_even_changes_no_figure(
    config: dict[str, Any], fields: dict[str, Any]
) -> None:
    architecture = cb.read_architecture(config)
    chunks = fields["pp"] * fields.get("vpp", 1)
    listed = even_deal(int(architecture.layer_count), chunks)
    assert figures(architecture, **fields, layers_per_stage=listed) == figures(
        architecture, **fields
    )


PIPED = {"pp": 4, "micro_batches": 16}


def test_a_list_is_what_the_ends_say() -> None:
    ends = figures(LLAMA, **PIPED, first_layers=7, last_layers=7)
    listed = figures(LLAMA, **PIPED, layers_per_stage=(7, 9, 9, 7))
    assert listed[0] == pytest.approx(ends[0], rel=1e-12)
    assert listed[1] == pytest.approx(ends[1], rel=1e-12)
    assert listed[2] == ends[2]


def test_a_stage_with_more_layers_sets_the_pace_and_the_memory() -> None:
    whole = {name: figures(LLAMA, **PIPED, layers_per_stage=each) for name, each in LISTS.items()}
    products = {name: breakdown["products"] for name, (_, breakdown, _) in whole.items()}
    # Of 16 micro-batches, 9 layers take as much more than 8 as they are more, if no head is there.
    assert products["second"] == products["third"]
    assert products["eleven"] / products["second"] == pytest.approx(11 / 9, rel=1e-6)
    # The second has three micro-batches in flight, the third two.
    second, third = (whole[name][2] for name in ("second", "third"))
    assert second[1] > third[2]
    assert second[0] == third[0]
    # The more that stages wait, the earlier and the slower one of them is.
    assert whole["eleven"][0] > whole["second"][0]


LISTS = {"second": (8, 9, 8, 7), "third": (8, 8, 9, 7), "eleven": (8, 11, 8, 5)}


def test_leading_dense_layers_land_where_they_are_listed() -> None:
    architecture = cb.read_architecture(DEEPSEEK_LIKE)
    layout = {"pp": 3, "tp": 1, "ep": 2}
    apart = figures(architecture, **layout, layers_per_stage=(3, 6, 5))[2]
    mixed = figures(architecture, **layout, layers_per_stage=(4, 5, 5))[2]
    # 16 experts of 3 x 256 x 64, half of them on a rank, are more than the dense layers' 3 x 256 x
    # 512: what a layer of experts adds to the first stage it leaves the second.
    assert mixed[0] > apart[0]
    assert mixed[1] < apart[1]
    assert mixed[2] == apart[2]


def test_layers_that_are_computed_again_lie_between_none_and_all() -> None:
    def of(**fields: Any) -> tuple[float, dict[str, float], list[float]]:
        return figures(LLAMA, **PIPED, **fields)

    none, full = of(recompute="none"), of(recompute="full")
    assert of(recompute="full", recompute_layers=0)[2] == none[2]
    for listed in (8, "8,8,8,8"):
        seconds, parts, sizes = of(recompute="full", recompute_layers=listed)
        assert seconds == pytest.approx(full[0], rel=1e-12)
        assert parts == pytest.approx(full[1], rel=1e-12)
        assert sizes == full[2]
    steps = [of(recompute="full", recompute_layers=n) for n in range(9)]
    assert all(one[0] < two[0] for one, two in itertools.pairwise(steps))
    for stage in range(4):
        sizes = [each[2][stage] for each in steps]
        # The first gives back only what it holds besides while it is passed backward.
        assert all(one >= two for one, two in itertools.pairwise(sizes))
        falls = [one - two for one, two in itertools.pairwise(sizes[1:])]
        assert falls == pytest.approx([falls[0]] * 7)
    # A stage that computes fewer again than the slowest is not waited for any less.
    fewer = of(recompute="full", recompute_layers="4,0,0,0")
    assert none[0] < fewer[0] < steps[4][0]
    assert fewer[2] == [steps[4][2][0], *none[2][1:]]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(1, 3))
def test_lists_are_read_and_written_alike(listed: list[int], vpp: int) -> None:
    listed = [*listed, 1]
    count = len(listed)
    text = ",".join(map(str, listed * vpp))
    vpp = vpp if count > 1 else 1
    layout = Layout(
        pp=count, vpp=vpp, layers_per_stage=text, recompute="full", recompute_layers=listed
    )
    assert layout.layers_per_stage == tuple(listed * vpp)
    assert Layout.model_validate_json(layout.model_dump_json()) == layout
    assert layout.to_dict()["layers_per_stage"] == listed * vpp
    assert layout.deal.stages(vpp * sum(listed)) == tuple(vpp * each for each in listed)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"layers_per_stage": "16,16,0"}, "got 16,16,0, 3 in all; allowed: as many numbers as pp"),
        ({"layers_per_stage": "16,-16"}, "layers_per_stage: got '16,-16'; allowed: whole numbers"),
        ({"layers_per_stage": "0,0"}, "got '0,0'; allowed: at least one layer in all"),
        ({"layers_per_stage": "16,17"}, "got 16,17, 33 in all; allowed: the model's 32 layers"),
        ({"layers_per_stage": "16,16", "first_layers": 8}, "give layers_per_stage or first_layers"),
        ({"recompute_layers": 4}, "got 4; allowed with recompute full, .* not with none"),
        (FULL | {"recompute_layers": "4,3,2"}, "one number for all stages, or as many as pp, 2"),
        (FULL | {"recompute_layers": "17,3"}, "got 17,3; allowed: up to 16,16, what the stages"),
        (FULL | {"recompute_layers": "some"}, "recompute_layers: got 'some'; allowed: whole"),
    ],
)
def test_lists_that_fit_no_pipeline_are_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(cb.RequestError, match=problem) as caught:
        check_layout(LLAMA, validate(Layout, {"pp": 2} | fields, "layout"), SEQUENCE)
    assert "\n" not in str(caught.value)


def test_hardware_flop_count_the_layers_that_are_computed_again() -> None:
    # Of 32 layers of one kind, on four stages, 2 + 1 + 0 + 1.
    fields = {"pp": 4, "recompute": "full", "recompute_layers": (2, 1, 0, 1)}
    some, every = (
        cb.describe_model(LLAMA, layout=Layout(**each), sequence_length=SEQUENCE)
        for each in (fields, fields | {"recompute_layers": None})
    )
    assert float(some.flop.recomputed) == pytest.approx(float(every.flop.recomputed) * 4 / 32)
    assert float(some.flop.forward) == float(every.flop.forward)


MIXED: list[dict[str, Any]] = [
    {"pp": 2, **FULL, "recompute_layers": 5},
    {"pp": 8, **FULL},
    {"pp": 4, "layers_per_stage": (7, 9, 9, 7)},
    {"pp": 4, "first_layers": 7, "last_layers": 7},
    {"pp": 4, "vpp": 2, **FULL, "recompute_layers": (8, 6, 4, 2)},
    {"pp": 8, "vpp": 2},
    {"pp": 4, "schedule": "dualpipe", **FULL},
    {"pp": 1, **FULL},
]
"""Layouts whose neighbours list what they do not."""


def test_a_layout_is_the_same_whatever_it_is_priced_beside() -> None:
    layouts = [Layout(tp=2, dp=2, micro_batches=16, **fields) for fields in MIXED]
    cases = [Case(LLAMA, each, H100, "bf16", SEQUENCE, "modern") for each in layouts]
    together = seconds(cases)
    assert together == pytest.approx([seconds([each])[0] for each in cases], rel=1e-12)
    sizes = stage_bytes(LLAMA, layouts, float(SEQUENCE)).T
    for layout, beside in zip(layouts, sizes, strict=True):
        alone = stage_bytes(LLAMA, [layout], float(SEQUENCE))[:, 0]
        assert beside[: layout.pp].tolist() == pytest.approx(alone.tolist(), rel=1e-12)


def seconds(cases: list[Case]) -> list[float]:
    """Seconds of steps, all in one batch."""
    values = bounded(unbounded(read_profile().values))
    found: list[float] = step_times(case_columns(cases), values).total.tolist()
    return found
