"""Faults put into a copy of the kernels of a step, and which of them the kernels' tests find.

Run on demand: ``python tests/mutants_of_steps.py [words of a mutant ...]``. A mutant that survives
is a formula that no test holds. Nothing of the tree is changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
TESTS = (
    "kernels/test_layer_time.py",
    "kernels/test_communication.py",
    "kernels/test_collectives.py",
    "kernels/test_optimizers.py",
    "kernels/test_roofline.py",
    "kernels/test_pipeline.py",
    "kernels/test_step.py",
    "kernels/test_memory.py",
    "training/test_agreement.py",
)


class Mutant(NamedTuple):
    """A fault: what is replaced, once, in which kernel."""

    what: str
    module: str
    right: str
    wrong: str


# The first fourteen are those of a review of 30 November 2026, nine of which survived then.
MUTANTS = (
    Mutant(
        "keys and values of a ring x 4",
        "communication",
        "collectives.gather_seconds(each, keys * layout.context)",
        "collectives.gather_seconds(each, 4.0 * keys * layout.context)",
    ),
    Mutant(
        "no traffic of logits",
        "layer_time",
        "/ ways * LOGIT_BYTES / bandwidth",
        "/ ways * 0.0 / bandwidth",
    ),
    Mutant(
        "nine tenths of products computed again",
        "layer_time",
        "REPEATED_PRODUCTS * forward.products",
        "0.9 * forward.products",
    ),
    Mutant(
        "half of the optimizer's bytes",
        "optimizers",
        "moved = inner * work.state_bytes + rest",
        "moved = inner * 0.5 * work.state_bytes + 0.5 * rest",
    ),
    Mutant(
        "a quarter of the sends between stages",
        "communication",
        "times = 2.0 * (layout",
        "times = 0.5 * (layout",
    ),
    Mutant(
        "full sharding gathers once",
        "communication",
        "2.0 * layout.micro_batches)",
        "layout.micro_batches)",
    ),
    Mutant("half of a sum", "collectives", "2.0 * (moved + hops)", "moved + hops"),
    Mutant(
        "element-wise backward pass as the forward pass",
        "layer_time",
        "(2.0 * inside + logits)",
        "(inside + logits)",
    ),
    Mutant(
        "half of the multiprocessors",
        "roofline",
        "there = units.clamp_min(1.0)",
        "there = (units / 2.0).clamp_min(1.0)",
    ),
    Mutant(
        "a ring hides behind a third as much",
        "communication",
        "2.0 * moved - HIDING",
        "2.0 * moved - HIDING / 3",
    ),
    Mutant(
        "half of the exchange of tokens",
        "communication",
        "moved = (once + shared) * repeated",
        "moved = (once + shared) * repeated / 2.0",
    ),
    Mutant(
        "attention's backward pass as the forward pass",
        "layer_time",
        "(forward * backward + 2.0 * recurrence)",
        "(forward + 2.0 * recurrence)",
    ),
    Mutant(
        "the optimizer's states are whole",
        "optimizers",
        "torch.where(layout.zero >= 1, divided",
        "torch.where(layout.zero >= 4, divided",
    ),
    Mutant(
        "weights' gradients take no time",
        "layer_time",
        "weights = setting.work.trained * sums * part",
        "weights = 0.0 * sums * part",
    ),
    # What time and memory hold.
    Mutant(
        "ZeRO 2 reduces once a step",
        "communication",
        "torch.where(layout.zero >= 2, each_time, 1.0)",
        "torch.where(layout.zero >= 3, each_time, 1.0)",
    ),
    Mutant(
        "stages hold what they gathered, in time alone",
        "memory",
        "gathered = torch.where(layout.holds > 0, all_of * recipe.gathered, passing)",
        "gathered = passing",
    ),
    Mutant(
        "held gradients are divided",
        "memory",
        "gradients = torch.where(layout.holds > 0, all_of, on_rank(parameters, 2))",
        "gradients = on_rank(parameters, 2)",
    ),
    Mutant(
        "stages gather anew what memory holds",
        "communication",
        "gathers = torch.where(layout.holds > 0, 1.0,",
        "gathers = torch.where(layout.holds > 2, 1.0,",
    ),
    Mutant(
        "experts' states are divided by all ranks, in time alone",
        "optimizers",
        "routed / layout.expert_shards",
        "routed / layout.shards",
    ),
    Mutant(
        "experts' states are divided by more ranks than hold them",
        "memory",
        "return torch.minimum(self.shards, replicas)",
        "return self.shards + 0.0 * replicas",
    ),
    Mutant(
        "gradients are in memory once more divided",
        "memory",
        "all_of, on_rank(parameters, 2))",
        "all_of, on_rank(parameters, 1))",
    ),
    # Between ranks.
    Mutant(
        "keys are divided by all tensor parallel ranks",
        "communication",
        "ways = torch.minimum(operators.ways, layout.tensor)",
        "ways = layout.tensor",
    ),
    Mutant(
        "keys are not sent again for layers computed again",
        "communication",
        "again = 1.0 + (setting.work.recompute == 3).to(moved.dtype)",
        "again = 1.0",
    ),
    Mutant(
        "copies to one rank go one by one",
        "collectives",
        "distinct = count * (1 - (1 - 1 / count) ** copies)",
        "distinct = copies",
    ),
    Mutant(
        "every dispatcher sends once",
        "collectives",
        "is_once = sends_once > 0",
        "is_once = sends_once > -1",
    ),
    Mutant(
        "a pipeline has a hop for each stage",
        "communication",
        "SENDS_SEEN + layout.pipeline - 1)",
        "SENDS_SEEN + layout.pipeline)",
    ),
    Mutant(
        "sends have no latency",
        "communication",
        "(size / rate + latency) * times",
        "size / rate * times",
    ),
    Mutant(
        "hops of what has no bytes",
        "collectives",
        "torch.where((each.ranks > 1) & (size > 0), moved + messages",
        "torch.where((each.ranks > 1) & (size >= 0), moved + messages",
    ),
    Mutant(
        "all layers in one message",
        "communication",
        "messages = torch.where(is_sharded, units, 1.0)",
        "messages = torch.ones_like(units)",
    ),
    Mutant(
        "a domain has one network card",
        "collectives",
        "members * links.across)",
        "links.across)",
    ),
    Mutant(
        "sums between shards are of all",
        "communication",
        "count / shards * work.gradient_bytes",
        "count * work.gradient_bytes",
    ),
    Mutant(
        "ZeRO 1 gathers gradients' bytes",
        "communication",
        "back = torch.where(layout.zero >= 1, weights, gradients)",
        "back = gradients",
    ),
    Mutant(
        "one micro-batch hides all",
        "communication",
        "efficiency.data_overlap * round_trip * reduces",
        "efficiency.data_overlap * round_trip",
    ),
    Mutant(
        "experts have no replicas of their own",
        "communication",
        "torch.where(all_moved > 0, seen + waited, 0.0)",
        "torch.where(replicas > 1, seen + waited, 0.0)",
    ),
    Mutant(
        "the head sums nothing",
        "communication",
        "* (inside + head)",
        "* (inside + 0.0 * head)",
    ),
    # On one rank.
    Mutant(
        "gradients are written and not added",
        "layer_time",
        "rate._replace(result_bytes=setting.work.adding_bytes)",
        "rate",
    ),
    Mutant(
        "scores are computed again in no time",
        "layer_time",
        "again = torch.where(recompute == 1, scores,",
        "again = torch.where(recompute == 1, 0.0 * scores,",
    ),
    Mutant(
        "unfused attention computes the causal half",
        "layer_time",
        "keys = torch.where(unfused, sequence + torch.zeros_like(attended), attended)",
        "keys = attended",
    ),
    Mutant(
        "unfused attention is as slow backward as fused",
        "layer_time",
        "torch.where(unfused, UNFUSED_BACKWARD, efficiency",
        "torch.where(unfused, efficiency.attention_backward, efficiency",
    ),
    Mutant(
        "the width of heads means nothing",
        "layer_time",
        "torch.where(unfused | (width <= 0), 1.0, narrow)",
        "1.0",
    ),
    Mutant(
        "narrow heads are slow unfused, too",
        "layer_time",
        "torch.where(unfused | (width <= 0), 1.0, narrow)",
        "torch.where(width <= 0, 1.0, narrow)",
    ),
    Mutant(
        "several experts are as uneven as one",
        "layer_time",
        "- 1.0) / torch.sqrt(local)",
        "- 1.0) + 0.0 * local",
    ),
    Mutant(
        "adapters are beside nothing",
        "layer_time",
        "forward, backward = results + beside.results, inputs + beside.inputs",
        "forward, backward = results, inputs",
    ),
    Mutant(
        "adapters have no gradients",
        "layer_time",
        "sums * part + beside.weights",
        "sums * part",
    ),
    Mutant(
        "a product's result takes no traffic",
        "roofline",
        "traffic = traffic + rate.result_bytes * rows * columns",
        "traffic = traffic + 0.0 * rows * columns",
    ),
    Mutant(
        "Muon's products are half as many",
        "optimizers",
        "(4.0 * short + 2.0 * short**2",
        "(2.0 * short + 1.0 * short**2",
    ),
    Mutant(
        "embeddings have the states of matrices",
        "optimizers",
        "rest * work.other_bytes",
        "rest * work.state_bytes",
    ),
    # The whole step.
    Mutant(
        "all stages are as slow as the slowest",
        "step",
        "return rest.clamp_min(0.0) / count",
        "return _at(each_layer, stages, slowest) + 0.0 * rest",
    ),
    Mutant(
        "a lab's pace is in one of two ways to a step's time",
        "step",
        "return total * (1.0 + _straggling(setting)) * setting.efficiency.pace",
        "return total * (1.0 + _straggling(setting))",
    ),
    Mutant(
        "launches are not repeated",
        "step",
        "(2.0 + (recompute == 3).to(floor))",
        "2.0",
    ),
    Mutant(
        "a dual pipe's ranks meet all that they hold",
        "step",
        "torch.where(layout.schedule == schedules.DUAL, 0.5, 1.0)",
        "torch.where(layout.schedule == schedules.DUAL, 1.0, 1.0)",
    ),
    Mutant(
        "the gradients of weights fill no bubble",
        "pipeline",
        "(forward + backward - 2 * weights)",
        "(forward + backward)",
    ),
)


def package(folder: Path) -> None:
    """Make ``computebill`` in a folder: a copy of the kernels, and links to all else."""
    top = folder / "computebill"
    top.mkdir()
    for part in (ROOT / "estimator").iterdir():
        if part.name != "__pycache__":
            (top / part.name).symlink_to(part)
    (top / "hardware_profiles").symlink_to(ROOT / "hardware_profiles")
    copytree(ROOT / "kernels", top / "kernels")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python where ``computebill`` is the one of a folder."""
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
    }
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def verdict(mutant: Mutant | None) -> str:
    """The test that kills a mutant, or none of them; without one, whether the tests pass.

    Raises:
        SystemExit: what is to be replaced is not there once, or another package was tested.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package(folder)
        if mutant:
            file = folder / "computebill" / "kernels" / f"{mutant.module}.py"
            text = file.read_text(encoding="utf-8")
            if text.count(mutant.right) != 1:
                sys.exit(f"{mutant.what}: {text.count(mutant.right)} times in {mutant.module}")
            file.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")
        asked = run(folder, "-c", "import computebill.kernels as k; print(k.__file__)")
        if not asked.stdout.startswith(name):
            sys.exit(f"computebill is {asked.stdout}, not the copy in {name}{asked.stderr}")
        tests = [str(file) for each in TESTS if (file := ROOT / "tests" / each).exists()]
        settings = ("-x", "-q", "-n", "0", "-m", "not slow", "--hypothesis-seed=0", "--tb=no")
        found = run(folder, "-m", "pytest", *settings, *tests)
    if found.returncode == 0:
        return "survived"
    failed = [line for line in found.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if found.returncode != 1 or not failed:
        sys.exit(f"{mutant and mutant.what}: pytest ended with {found.returncode}\n{found.stdout}")
    return f"killed by {failed[0].split('::')[-1].split(' - ')[0]}"


def verdicts(mutants: tuple[Mutant, ...]) -> Iterator[tuple[Mutant, str]]:
    """Yield mutants and what became of each, in their order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(mutants, pool.map(verdict, mutants), strict=True)


def main(words: list[str]) -> int:
    """Print what became of each mutant; the number that survived."""
    asked = tuple(
        one for one in MUTANTS if all(word in f"{one.module} {one.what}" for word in words)
    )
    if (plain := verdict(None)) != "survived":
        sys.exit(f"the tests fail without any mutant: {plain}")
    survivors = 0
    for mutant, found in verdicts(asked):
        survivors += found == "survived"
        print(f"{mutant.module:<14} {mutant.what:<58} {found}", flush=True)
    print(f"{len(asked) - survivors} of {len(asked)} killed")
    return min(survivors, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
