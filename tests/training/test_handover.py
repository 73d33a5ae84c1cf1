"""A layout in a framework's words, read again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.launch.read import launch_of_text
from computebill.launch.writing import written_frameworks
from computebill.training.handover import Step, hand_over
from computebill.training.launched import launched
from computebill.training.layout import Layout

DEGREES = {"tp", "cp", "dp", "ep"}
SAYS = {
    "megatron": DEGREES
    | {"pp", "vpp", "first_layers", "last_layers", "etp", "micro_batch", "micro_batches", "zero"}
    | {"recompute", "sequence_parallel", "dispatcher", "tp_overlap", "ep_overlap", "dropout"},
    "torchtitan": DEGREES | {"pp", "micro_batch", "micro_batches", "shards", "tp_overlap"},
    "nanotron": DEGREES | {"pp", "micro_batch", "micro_batches", "zero", "sequence_parallel"},
    "deepspeed": {"tp", "dp", "micro_batch", "micro_batches", "zero", "offload"},
    "nemo": DEGREES | {"pp", "vpp", "etp", "micro_batch", "micro_batches", "recompute", "dropout"},
    "axolotl": DEGREES | {"micro_batch", "micro_batches", "shards"},
    "accelerate": {"tp", "cp", "dp", "shards"},
}
"""Fields that each framework has settings for, so that none of them may be left unsaid.

Read off the frameworks' own configurations; a framework without pipelines has no pp.
"""

READ = (
    "tp",
    "pp",
    "cp",
    "dp",
    "ep",
    "micro_batch",
    "zero",
    "recompute",
    "first_layers",
    "last_layers",
)
"""Fields that are held against each other here, whatever the writer thinks of them."""

NO_STAGES = ("deepspeed", "axolotl", "accelerate")

powers = st.sampled_from([1, 2, 4, 8])


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Layouts as a search or a person makes them."""
    pp, zero = draw(powers), draw(st.integers(0, 3))
    fields = {
        "tp": draw(powers),
        "pp": pp,
        "cp": draw(st.sampled_from([1, 1, 2, 4])),
        "dp": draw(powers) * draw(st.sampled_from([1, 3])),
        "ep": draw(powers),
        "micro_batch": draw(st.integers(1, 8)),
        "micro_batches": draw(st.integers(1, 64)),
        "zero": zero,
        "recompute": draw(st.sampled_from(["none", "selective", "operators", "full"])),
    }
    if pp > 1:
        fields["vpp"] = draw(st.sampled_from([1, 1, 2, 3]))
        if fields["vpp"] == 1 and zero < 3:
            fields["schedule"] = draw(st.sampled_from(["1f1b", "zero-bubble", "dualpipe"]))
        if fields["vpp"] == 1 and fields.get("schedule", "1f1b") == "1f1b":
            ends = st.sampled_from([(None, None), (7, None), (None, 5), (3, 4)])
            fields |= dict(zip(("first_layers", "last_layers"), draw(ends), strict=True))
    options = {
        "etp": draw(powers),
        "sequence_parallel": draw(st.booleans()),
        "shards": draw(st.sampled_from([2, 4, 8])) * fields["cp"],
        "dispatcher": draw(st.sampled_from(["all-to-all", "deepep"])),
        "tp_overlap": draw(st.booleans()),
        "ep_overlap": draw(st.booleans()),
        "optimizer": draw(st.sampled_from(["adamw", "muon", "adamw-8bit", "sgd"])),
        "offload": draw(st.sampled_from([("optimizer",), ("activations",)])),
        "dropout": draw(st.booleans()),
        "gradients": draw(st.sampled_from(["bf16", "fp32"])),
        "cp_exchange": draw(st.sampled_from(["ring", "all-to-all"])),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(options)), max_size=4))
    return Layout(**fields, **{name: options[name] for name in chosen})


@given(layouts(), st.sampled_from(sorted(SAYS)))
@settings(max_examples=500, deadline=None)
def test_what_is_written_is_read_again(layout: Layout, framework: str) -> None:
    handed = hand_over(framework, layout, Step(4096, "bf16"), ["chosen by a search"])
    for field, value in handed.unsaid.items():
        told = ", ".join(value) if isinstance(value, tuple) else str(value)
        assert f"{field}: {told}" in handed.text
    read = launched(launch_of_text(handed.text, handed.name))
    assert read.fields.get("sequence_length") in (4096, None)
    if "pp" in handed.unsaid:  # what hangs on stages that a framework has not got is not its own
        assert framework in NO_STAGES
        return
    excused = set(handed.unsaid)
    assert not excused & _needed(framework, layout), (handed.unsaid, handed.text)
    back = Layout(**{name: read.layout[name] for name in READ if name in read.layout})
    for field in READ:
        if field not in excused:
            assert getattr(back, field) == getattr(layout, field)
    if "micro_batches" not in excused and "dp" not in excused:
        batch = layout.micro_batch * layout.micro_batches * layout.dp
        if "global_batch" in read.fields:
            assert read.fields["global_batch"] == batch


def _needed(framework: str, layout: Layout) -> set[str]:
    """Return the fields of a layout that the framework has settings for."""
    needed = set(SAYS[framework])
    if layout.recompute == "operators" and framework in ("megatron", "nemo"):
        needed.discard("recompute")
    if layout.offload != ("optimizer",) and framework == "deepspeed":
        needed.discard("offload")
    if framework in ("torchtitan", "axolotl", "accelerate") and (
        not layout.shards or layout.dp % max(1, layout.shards // layout.cp) or layout.zero in (0, 1)
    ):
        needed.discard("shards")
    if layout.tp_overlap is False:  # a switch that is off says nothing
        needed.discard("tp_overlap")
    return needed


def test_a_framework_that_nothing_is_written_for_is_told_with_those_that_are() -> None:
    with pytest.raises(RequestError, match="got 'jax'; allowed: accelerate, axolotl, deepspeed"):
        hand_over("jax", Layout())
    assert set(written_frameworks()) == set(SAYS)
