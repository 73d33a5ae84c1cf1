"""What ``plan --emit`` writes, read by the frameworks' own parsers: a job of its own.

``make parsers`` puts each framework into an environment of its own, at the version that
``parsers/*.txt`` names, and runs these tests; without those environments they are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
from random_layouts import sound_layout

from computebill.training.handover import Handed, Step, hand_over
from computebill.training.layout import Layout

HERE = Path(__file__).parent / "parsers"
PARSERS = Path(os.environ.get("COMPUTEBILL_PARSERS", ""))
"""Folder of the environments, one a parser."""

EMITTED = {
    "accelerate": "accelerate", "transformers": "deepspeed", "deepspeed": "deepspeed",
    "nanotron": "nanotron", "axolotl": "axolotl", "torchtitan": "torchtitan",
    "torchtitan_toml": "torchtitan-toml", "megatron": "megatron",
}  # fmt: skip
"""What is written for each parser."""

STAGES = ("nanotron", "torchtitan", "torchtitan_toml", "megatron")
"""Parsers of frameworks that have stages of a pipeline."""

CHECKOUTS = {"megatron": "Megatron-LM", "nanotron": "nanotron/src"}
"""Frameworks whose packages on the registry have no arguments, or cannot be imported: theirs are
read in a checkout, by its name in the folder that COMPUTEBILL_CHECKOUTS names."""

LAYOUTS, LENGTH = 100, 4096


def stands_for(layout: Layout) -> dict[str, Any]:
    """What a parser has to have read, by the layout alone."""
    shards = layout.dp if not layout.shards else layout.shards // layout.cp
    shards = shards if layout.zero else 1
    times = layout.micro_batches or 1
    offloads = set(layout.offload)
    return {
        **{name: getattr(layout, name) for name in ("tp", "pp", "cp", "dp", "ep", "vpp", "zero")},
        "count": layout.accelerators, "dp_shards": shards, "dp_replicas": layout.dp // shards,
        "etp": layout.tp if layout.ep == 1 else 1, "micro_batch": layout.micro_batch,
        "micro_batches": times, "global_batch": layout.micro_batch * times * layout.dp,
        "rank_batch": layout.micro_batch * (times if layout.pp > 1 else 1),
        "stage_batch": layout.micro_batch, "sequence_length": LENGTH,
        "sequence_parallel": layout.tp > 1, "recompute": layout.recompute,
        "layers_per_stage": list(layout.layers_per_stage) if layout.layers_per_stage else None,
        "recompute_layers": layout.recompute_layers // layout.vpp
        if isinstance(layout.recompute_layers, int)
        else None,
        "first_layers": layout.first_layers, "last_layers": layout.last_layers,
        "pipeline": "Interleaved1F1B" if layout.vpp > 1 else "1F1B", "bf16": True, "fp8": False,
        "precision": "bf16", "dropout": False, "lora_rank": 0,
        "offload_weights": "weights" in offloads, "offload_optimizer": "optimizer" in offloads,
    }  # fmt: skip


UNSAID_WITH = {"dp_shards": "shards", "dp_replicas": "shards", "offload_weights": "offload"}
"""Facts by the field of a layout that is named where they are not said."""


def wrong(layout: Layout, handed: Handed, answer: dict[str, Any]) -> dict[str, Any]:
    """What a parser read otherwise than it stands in the layout, if not named as unsaid."""
    if "refused" in answer:
        return answer
    says = answer["says"]
    if "nodes" in says and "node_devices" in says:
        says["count"] = says.pop("nodes") * says.pop("node_devices")
    says.pop("nodes", None)
    right = stands_for(layout)
    unsaid = {*handed.unsaid, *(k for k, field in UNSAID_WITH.items() if field in handed.unsaid)}
    return {
        name: (value, right[name])
        for name, value in says.items()
        if value != right[name] and name not in unsaid
    }


def parser(name: str) -> tuple[Path, Path]:
    """The Python that a framework is in, and the folder that it is imported from."""
    python = PARSERS / name / "bin" / "python"
    if not os.environ.get("COMPUTEBILL_PARSERS") or not python.exists():
        pytest.skip(f"{name} is not installed; make parsers installs and runs it")
    checkout = Path(os.environ.get("COMPUTEBILL_CHECKOUTS", "")) / CHECKOUTS.get(name, "")
    if name in CHECKOUTS and not (os.environ.get("COMPUTEBILL_CHECKOUTS") and checkout.exists()):
        pytest.skip(f"{CHECKOUTS[name]} is not there; make parsers CHECKOUTS=FOLDER, that it is in")
    return python, checkout


@pytest.mark.parametrize("name", EMITTED)
def test_a_frameworks_own_parser_takes_what_is_written_for_it(name: str, tmp_path: Path) -> None:
    (python, checkout), draw = parser(name), Random(26)
    layouts = [sound_layout(draw, has_stages=name in STAGES) for _ in range(LAYOUTS)]
    files: dict[str, tuple[Layout, Handed]] = {}
    for number, layout in enumerate(layouts):
        handed = hand_over(EMITTED[name], layout, Step(LENGTH, "bf16"))
        path = tmp_path / f"{number}-{handed.name}"
        path.write_text(handed.text, encoding="utf-8")
        files[str(path)] = (layout, handed)
    answers = tmp_path / "answers.json"
    command = [str(python), str(HERE / f"own_{name}.py"), str(answers), *files]
    paths = {**os.environ, "PYTHONPATH": str(checkout)} if name in CHECKOUTS else None
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=paths)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(answers.read_text(encoding="utf-8"))
    problems = {
        str(found): (layout.model_dump(exclude_defaults=True), handed.text)
        for path, (layout, handed) in files.items()
        if (found := wrong(layout, handed, told[path]))
    }
    assert not problems, "\n".join((*problems, *map(str, next(iter(problems.values())))))
