"""Kinds of stages of a model's making: what each needs, what it has a use for, what it passes."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal[
    "pretrain",
    "midtrain",
    "context",
    "sft",
    "lora",
    "distill",
    "preference",
    "reward",
    "rl",
    "ppo",
    "generate",
    "filter",
    "evaluate",
]
"""What a stage is."""

ALSO = {
    "pretraining": "pretrain",
    "mid-train": "midtrain",
    "midtraining": "midtrain",
    "anneal": "midtrain",
    "long-context": "context",
    "finetune": "sft",
    "qlora": "lora",
    "distillation": "distill",
    "dpo": "preference",
    "reward-model": "reward",
    "grpo": "rl",
    "dapo": "rl",
    "gspo": "rl",
    "rloo": "rl",
    "eval": "evaluate",
}
"""Other words for kinds."""


class KindRules(NamedTuple):
    """What a kind of stage takes.

    Attributes:
        label: what a person calls it.
        updates: whether it updates parameters.
        samples: what its model's own forward passes are for; empty where it has none.
        needs: ways to say how long it is; each a set of fields that go together.
        uses: fields of its own that it has a use for, beside those of every stage.
    """

    label: str
    updates: bool
    samples: str
    needs: tuple[tuple[str, ...], ...]
    uses: frozenset[str]


_TOKENS = (("tokens",), ("flop",), ("schedule",), ("gpu_hours",))
_PAIRS = (*_TOKENS, ("pairs", "answer_length"))
_WRITTEN = (("requests", "answer_length"), ("tokens",), ("gpu_hours",))
_TRAINS = frozenset({"schedule", "epochs", "restarted_tokens"})
_LENGTHS = frozenset({"prompt_length", "answer_length", "answer_mean", "longest_answer"})
_SERVES = _LENGTHS | {"throughput", "batch"}
_SOLD = frozenset({"price_per_token_read", "price_per_token_written"})

_STEPS = (("steps", "prompts", "samples_per_prompt", "answer_length"), ("gpu_hours",), ("flop",))
_RL = (
    _SERVES
    | _SOLD
    | {
        "steps",
        "prompts",
        "samples_per_prompt",
        "epochs",
        "references",
        "kept",
        "kept_share",
        "tail",
        "reward",
        "reward_params",
        "reward_model",
        "verifier_seconds",
        "generation",
        "fit_odds",
        "trained_share",
    }
)

KINDS: dict[str, KindRules] = {
    "pretrain": KindRules("pretraining", True, "", _TOKENS, _TRAINS),
    "midtrain": KindRules("mid-training", True, "", _TOKENS, _TRAINS),
    "context": KindRules("long-context extension", True, "", _TOKENS, _TRAINS),
    "sft": KindRules("fine-tuning", True, "", _TOKENS, _TRAINS | {"trained_share"}),
    "lora": KindRules("low-rank adapters", True, "", _TOKENS, _TRAINS | {"trained_share"}),
    "distill": KindRules(
        "distillation",
        True,
        "",
        _TOKENS,
        _TRAINS | _SOLD | {"teacher", "teacher_params", "teacher_model"},
    ),
    "preference": KindRules(
        "preference tuning",
        True,
        "",
        _PAIRS,
        _TRAINS | _LENGTHS | _SOLD | {"pairs", "references", "trained_share"},
    ),
    "reward": KindRules("reward model", True, "", _PAIRS, _TRAINS | _LENGTHS | {"pairs"}),
    "rl": KindRules("reinforcement learning", True, "rollouts", _STEPS, _RL),
    "ppo": KindRules(
        "reinforcement learning with a critic",
        True,
        "rollouts",
        _STEPS,
        _RL | {"critic", "critic_params", "critic_model"},
    ),
    "generate": KindRules(
        "generated data",
        False,
        "generation",
        _WRITTEN,
        _SERVES | _SOLD | {"requests", "kept", "kept_share"},
    ),
    "filter": KindRules("filtering", False, "filtering", (("tokens",), ("gpu_hours",)), _SOLD),
    "evaluate": KindRules(
        "evaluation", False, "evaluation", _WRITTEN, _SERVES | _SOLD | {"requests"}
    ),
}
"""Of each kind."""

REINFORCED = ("rl", "ppo")
"""Kinds that learn from what they sample."""

OWN = frozenset().union(*(rules.uses for rules in KINDS.values()))
"""Fields of a stage that some kinds have no use for."""

OF_TRAINING = frozenset(
    {
        "flop", "layout", "lengths", "packing", "global_batch", "global_batch_tokens",
        "sequence_length", "software", "framework", "efficiency", "goodput",
        "failures_per_gpu_day", "checkpoint_seconds", "restart_seconds",
    }
)  # fmt: skip
"""Fields of a run that only a stage with updates has a use for."""


def one_kind(value: object) -> object:
    """Return a kind by any of its words; what is none as it stands."""
    return ALSO.get(value.strip().casefold(), value) if isinstance(value, str) else value


def uses(kind: str, field: str) -> bool:
    """Whether a kind of stage has a use for a field."""
    rules = KINDS[kind]
    if field in OWN:
        return field in rules.uses
    if field == "tokens":
        return any(field in together for together in rules.needs)
    return rules.updates or field not in OF_TRAINING


def needs_text(kind: str) -> str:
    """Return the ways to say how long a stage of a kind is, as a message lists them."""
    ways = [
        ", ".join(together[:-1]) + (" and " if together[:-1] else "") + together[-1]
        for together in KINDS[kind].needs
    ]
    return "; or ".join(ways)
