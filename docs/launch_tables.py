"""The table of launch.md: the frameworks whose files are read, from their own tables."""

from __future__ import annotations

from computebill.launch.maps import Known, framework, frameworks
from computebill.launch.writing import written_frameworks

FORMS = {
    "accelerate": "the YAML of `accelerate config`, FSDP's and DeepSpeed's in it",
    "automodel": "YAML of its recipes",
    "axolotl": "YAML",
    "deepspeed": "JSON, `auto` left to its trainer's file",
    "llama-factory": "YAML",
    "llm-foundry": "YAML",
    "maxtext": "YAML, and overrides on a command line",
    "megatron": "scripts, YAML (`MODEL_ARGS`), the arguments at the head of a log",
    "megatron-bridge": "YAML, whole or overrides",
    "ms-swift": "scripts of `megatron sft`, `pt`, `rlhf`",
    "nanotron": "YAML",
    "nemo": "YAML, of the launcher and dumped",
    "nemo-rl": "YAML",
    "olmo-core": "its `config.json`",
    "openrlhf": "scripts",
    "slime": "scripts",
    "torchtitan": "flags, TOML, dumped JSON",
    "torchtune": "YAML of its recipes, overrides",
    "transformers": "TrainingArguments in JSON, YAML or flags",
    "trl": "YAML and flags, the Alignment Handbook's too",
    "verl": "overrides on a command line, YAML",
}
"""Forms of files, by the name of a framework's table."""


def read_frameworks() -> str:
    """The frameworks: forms, settings with a fact, and whether layouts are handed over."""
    head = ["| framework | files | settings that facts come of | `--emit` |", "|---|---|---|---|"]
    read = (own for own in frameworks() if own.framework and own.key in FORMS)
    return "\n".join([*head, *map(_row, read)])


def _row(known: Known) -> str:
    own = framework(known.key)
    facts = sum(not row.why for row in (*own.rows.values(), *own.patterns.values()))
    written = (
        key for key in written_frameworks() if framework(key).known.framework == own.known.framework
    )
    emits = ", ".join(f"`{key}`" for key in written if own.writes)
    return f"| {known.title} | {FORMS[known.key]} | {facts} | {emits} |"
