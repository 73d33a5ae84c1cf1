"""Layers of pipeline stages in the words of Megatron-LM and torchtitan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.launch.read import launch_of_text
from computebill.launch.stages import (
    counted_as_layers,
    layers_of_modules,
    layers_of_text,
    modules_of_layers,
    text_of_layers,
)
from computebill.training.launched import launched

LISTS = st.lists(st.integers(0, 40), min_size=2, max_size=16)


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("Ettt|(tt|)*29,m|L", (3, *[2] * 29, 0, 0)),  # the example of Megatron-LM's own docstring
        ("E|t*3|t*3L", (0, 3, 3)),
        ("Et|(tt|t)*2L", (1, 2, 3, 1)),
    ],
)
def test_a_layout_in_letters_is_unrolled(text: str, layers: tuple[int, ...]) -> None:
    assert layers_of_text(text, "here") == layers


@pytest.mark.parametrize("text", ["", "Ex|L", "(t*9999)*9999", "E|t*3|", "7,8"])
def test_other_letters_and_endless_repeats_are_refused(text: str) -> None:
    if text == "E|t*3|":  # an empty last stage is one: it holds the loss
        assert layers_of_text(text, "here") == (0, 3, 0)
        return
    with pytest.raises(RequestError, match="here: got"):
        layers_of_text(text, "here")


@given(LISTS)
def test_what_is_written_is_read_again(layers: list[int]) -> None:
    assert layers_of_text(text_of_layers(layers), "here") == tuple(layers)
    assert layers_of_modules(modules_of_layers(layers, ("norm", "output"))) == tuple(layers)


@pytest.mark.parametrize(
    ("layers", "chunks", "first", "last", "dealt"),
    [
        # Megatron-LM: 62 layers and both ends on 8 stages of 8; torchtitan's docstring: 3 layers on
        # 2 stages, both ends as 2; its default of 1 and 1 for 32 layers on 4.
        (62, 8, 1, 1, (7, 8, 8, 8, 8, 8, 8, 7)),
        (3, 2, 2, 2, (2, 1)),
        (32, 4, 1, 1, (8, 9, 8, 7)),
        (2, 8, 4, 4, None),
    ],
)
def test_ends_count_as_layers(
    layers: int, chunks: int, first: int, last: int, dealt: tuple[int, ...] | None
) -> None:
    assert counted_as_layers(layers, chunks, first, last) == dealt


FOUR = "--pipeline-model-parallel-layout 'Et*15|t*16|t*16|t*15L'"
MODEL = (
    "--num-layers 62 --hidden-size 1024 --num-attention-heads 16 --seq-length 512 "
    "--micro-batch-size 1 --global-batch-size 8 --vocab-size 32000 --bf16 "
)


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (
            f"--pipeline-model-parallel-size 4 {FOUR}",
            {"layers_per_stage": (15, 16, 16, 15)},
        ),
        (
            f"--pipeline-model-parallel-size 2 {FOUR}",
            {"layers_per_stage": (15, 16, 16, 15), "vpp": 2},
        ),
        (
            "--pipeline-model-parallel-size 8 --account-for-embedding-in-pipeline-split "
            "--account-for-loss-in-pipeline-split",
            {"layers_per_stage": (7, 8, 8, 8, 8, 8, 8, 7)},
        ),
        (
            "--pipeline-model-parallel-size 2 --recompute-granularity full "
            "--recompute-method block --recompute-num-layers 5",
            {"recompute": "full", "recompute_layers": 5},
        ),
    ],
)
def test_a_script_deals_layers_out(flags: str, fields: dict[str, Any]) -> None:
    launch = launch_of_text(f"torchrun pretrain_gpt.py {MODEL} {flags}\n", "a.sh")
    layout = launched(launch).layout
    assert {name: layout.get(name) for name in fields} == fields


def test_parts_of_torchtitan_are_read_from_flags_and_files(tmp_path: Path) -> None:
    flags = (
        "torchrun -m torchtitan.train --module llama3 --config llama3_8b "
        "--parallelism.pipeline_parallel_degree 2 --parallelism.module_fqns_per_model_part "
        "tok_embeddings,layers.0 layers.1,layers.2,norm,lm_head activation-checkpoint:full\n"
    )
    file = (
        "[training]\nseq_len = 512\nlocal_batch_size = 2\n[parallelism]\n"
        "pipeline_parallel_degree = 2\nmodule_fqns_per_model_part = "
        '[["tok_embeddings", "layers.0"], ["layers.1", "layers.2", "norm", "output"]]\n'
    )
    for text, name in ((flags, "a.sh"), (file, "a.toml")):
        assert launched(launch_of_text(text, name)).layout["layers_per_stage"] == (1, 2)
    launch = launch_of_text(flags, "a.sh")
    assert (launch.get("model"), launch.get("recompute")) == ("meta-llama/Llama-3.1-8B", "full")


def test_what_lists_no_multiple_of_the_stages_is_told() -> None:
    flags = "--pipeline-model-parallel-size 4 --pipeline-model-parallel-layout 'Et*31|t*31L'"
    found = launched(launch_of_text(f"torchrun pretrain_gpt.py {MODEL} {flags}\n", "a.sh"))
    assert "layers_per_stage" not in found.layout
    assert any("lists 2 parts, no multiple of 4 stages" in note for note in found.notes)
