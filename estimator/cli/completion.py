"""What the shell completes a flag's value with: names that ship, read from file names and data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib import resources

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

WORDS = {
    "kind": """pretrain midtrain context sft lora distill preference reward rl generate filter
        evaluate""",
    "convention": "6nd palm megatron causal",
    "commitment": "on-demand 1y 3y spot",
    "objective": "time cost energy",
    "packing": "within across",
    "recompute": "none selective operators full",
    "precision": "bf16 fp16 fp8 mxfp8 nvfp4 fp32",
    "schedule": "1f1b zero-bubble dualpipe",
    "dispatcher": "all-to-all deepep",
    "attention": "flash unfused",
    "kernels": "fused eager",
    "zero": "0 1 2 3",
    "recipe": """megatron megatron-fp8 deepspeed deepspeed-bf16 fsdp bf16 fp32 amp trl torchtune
        axolotl llama-factory unsloth fsdp2""",
    "weights": "fp32 bf16 fp8 int8 nf4 nf4-single gptq mxfp4 nvfp4",
    "gradients": "bf16 fp32 fused",
    "optimizer": """adamw adamw-8bit paged-adamw paged-adamw-8bit adafactor sgd sgd-momentum lion
        lion-8bit paged-lion-8bit muon""",
    "offload": "optimizer weights activations",
    "loss": "plain chunked fused cut",
    "leave-out": "lab source row none",
    "grade": "A B C",
    "device": "auto cpu cuda",
    "method": "sobol random",
}
"""Values of flags that take a few words."""


def _files(package: str, ending: str, inside: str = "") -> list[str]:
    """Return the names of a package's data files, or of a folder in it, without their ending."""
    folder = resources.files(package).joinpath(inside)
    return sorted(
        each.name.removesuffix(ending) for each in folder.iterdir() if each.name.endswith(ending)
    )


def _accelerators() -> list[str]:
    return _files("computebill.hardware_profiles", ".toml")


def _frameworks() -> list[str]:
    import tomllib

    text = resources.files("computebill.training").joinpath("frameworks.toml").read_text("utf-8")
    return sorted(tomllib.loads(text)["frameworks"])


def _models() -> list[str]:
    from computebill.architectures.shipped import shipped_models

    return [each.short for each in shipped_models()]


def _programmes() -> list[str]:
    from computebill.programmes.loading import shipped_programmes

    return shipped_programmes()


def _sweeps() -> list[str]:
    from computebill.sweep.spec import shipped_sweeps

    return list(shipped_sweeps())


def _rules() -> list[str]:
    return _files("computebill.regulation", ".toml", "rule_sets")


READ: dict[str, Callable[[], Iterable[str]]] = {
    "accelerator": _accelerators,
    "framework": _frameworks,
    "model": _models,
    "programmes": _programmes,
    "rules": _rules,
    "sweep": _sweeps,
}
"""Values that are read when a shell asks for them."""


def completed(name: str) -> Complete | None:
    """Return what completes a flag's or an argument's value; None where the shell's files do.

    Values in a list, ``h100,b200``, are completed after the last comma.

    Args:
        name: name of the flag without its dashes, or of the argument.
    """
    if name not in WORDS and name not in READ:
        return None
    return partial(_begun, name)


def _begun(
    name: str, ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    before, comma, last = incomplete.rpartition(",")
    values = WORDS[name].split() if name in WORDS else READ[name]()
    return [
        CompletionItem(f"{before}{comma}{each}") for each in values if each.startswith(last.lower())
    ]
