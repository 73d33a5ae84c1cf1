"""A layout in a framework's words, read again."""

from __future__ import annotations

from random import Random

import pytest
from minutes import takes_minutes
from random_layouts import any_layout

from computebill.architectures import read_architecture
from computebill.base.errors import RequestError
from computebill.launch.read import launch_of_text
from computebill.launch.writing import written_frameworks
from computebill.training.handover import Step, hand_over
from computebill.training.launched import launched
from computebill.training.layout import Layout

DEGREES = {"tp", "cp", "dp", "ep"}
SAYS = {
    "megatron": DEGREES
    | {"layers_per_stage", "recompute_layers"}
    | {"pp", "vpp", "first_layers", "last_layers", "etp", "micro_batch", "micro_batches", "zero"}
    | {"recompute", "sequence_parallel", "dispatcher", "tp_overlap", "ep_overlap", "dropout"},
    "torchtitan": DEGREES
    | {"layers_per_stage"}
    | {"pp", "micro_batch", "micro_batches", "shards", "tp_overlap", "sequence_parallel"},
    "torchtitan-toml": DEGREES
    | {"layers_per_stage"}
    | {"pp", "micro_batch", "micro_batches", "shards", "tp_overlap"},
    "nanotron": DEGREES | {"pp", "micro_batch", "micro_batches", "zero", "sequence_parallel"},
    "deepspeed": {"tp", "dp", "micro_batch", "micro_batches", "zero", "offload"},
    "nemo": DEGREES
    | {"pp", "vpp", "etp", "micro_batch", "micro_batches", "recompute", "dropout"}
    | {"recompute_layers"},
    "axolotl": DEGREES | {"micro_batch", "micro_batches", "shards"},
    "accelerate": {"tp", "cp", "dp", "shards"},
}
"""Fields that each framework has settings for, so that none of them may be left unsaid.

Read off the frameworks' own configurations; a framework without pipelines has no pp.
"""

READ = (
    "tp",
    "pp",
    "vpp",
    "cp",
    "dp",
    "ep",
    "micro_batch",
    "zero",
    "recompute",
    "first_layers",
    "last_layers",
    "layers_per_stage",
    "recompute_layers",
)
"""Fields that are held against each other here, whatever the writer thinks of them."""

SHARDING = ("torchtitan", "torchtitan-toml", "axolotl", "accelerate")
NO_STAGES = ("deepspeed", "axolotl", "accelerate")

LAYOUTS = 1000


def drawn(count: int) -> list[Layout]:
    """Layouts, the same in every test."""
    draw = Random(26)
    return [any_layout(draw) for _ in range(count)]


@pytest.mark.parametrize("framework", sorted(SAYS))
def test_what_is_written_is_read_again(framework: str) -> None:
    """A sample of what the next test does whole."""
    for layout in drawn(60):
        _check(framework, layout)


@takes_minutes("a thousand layouts for each framework, written twice and read twice")
@pytest.mark.parametrize("framework", sorted(SAYS))
def test_a_thousand_layouts_are_read_again(framework: str) -> None:
    for layout in drawn(LAYOUTS):
        _check(framework, layout)


def _check(framework: str, layout: Layout) -> None:
    """Read what is written: every field that comes back otherwise is named, and none in vain."""
    handed = hand_over(framework, layout, Step(4096, "bf16"), ["chosen by a search"])
    for field, value in handed.unsaid.items():
        told = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
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
        batch = layout.micro_batch * layout.filled_batches * layout.dp
        if "global_batch" in read.fields:
            assert read.fields["global_batch"] == batch


def _needed(framework: str, layout: Layout) -> set[str]:
    """Return the fields of a layout that the framework has settings for."""
    needed = set(SAYS[framework])
    if layout.recompute == "operators" and framework in ("megatron", "nemo"):
        needed.discard("recompute")
    if layout.offload != ("optimizer",) and framework == "deepspeed":
        needed.discard("offload")
    if framework in SHARDING and (
        not layout.shards or layout.dp % max(1, layout.shards // layout.cp) or layout.zero in (0, 1)
    ):
        needed.discard("shards")
    if framework == "accelerate" and layout.zero < 2:  # it divides a model with FSDP alone
        needed -= {"tp", "cp", "dp"}
    if (layout.recompute_layers or 0) % layout.vpp:  # they say one number for every chunk
        needed.discard("recompute_layers")
    if layout.tp_overlap is False:  # a switch that is off says nothing
        needed.discard("tp_overlap")
    return needed


def test_a_framework_that_nothing_is_written_for_is_told_with_those_that_are() -> None:
    with pytest.raises(RequestError, match="got 'jax'; allowed: accelerate, axolotl, deepspeed"):
        hand_over("jax", Layout())
    assert set(written_frameworks()) == set(SAYS)


@pytest.mark.parametrize(
    ("framework", "setting"),
    [
        ("torchtitan", "--parallelism.pipeline_parallel_layers_per_stage 2\n"),
        ("torchtitan-toml", "pipeline_parallel_layers_per_stage = 2\n"),
    ],
)
def test_chunks_of_a_stage_are_said_by_their_layers_where_the_model_is_known(
    framework: str, setting: str
) -> None:
    """torchtitan counts chunks by the layers of each: 32 layers of 2 are 16 chunks, 4 a stage."""
    model = read_architecture("llama-3.1-8b")
    layout = Layout(tp=2, pp=4, vpp=4, dp=2, etp=1, micro_batches=16, zero=3)
    handed = hand_over(framework, layout, Step(4096, "bf16", model=model))
    assert setting in handed.text
    assert not {"vpp", "etp"} & set(handed.unsaid)  # a model without experts has none to divide
    read = launched(launch_of_text(handed.text, handed.name), {"model": model})
    assert read.layout["vpp"] == 4
    uneven = Layout(tp=2, pp=4, vpp=3, dp=2, micro_batches=16, zero=3)
    assert "vpp" in hand_over(framework, uneven, Step(4096, "bf16", model=model)).unsaid
