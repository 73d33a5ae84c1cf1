"""The table of logs.md: the frameworks whose logs are read, and what their lines tell."""

from __future__ import annotations

from computebill.logs.formats import Format, formats

WORDS = {
    "seconds": "seconds of a step",
    "steps_per_s": "steps a second",
    "tokens_per_s_gpu": "tokens a second of one",
    "tokens_per_s": "tokens a second of all",
    "samples_per_s": "sequences a second",
    "memory": "memory",
    "loss": "loss",
    "tokens": "tokens so far",
    "samples": "sequences so far",
    "batch": "sequences of a step",
    "step_tokens": "tokens of a step",
    "at": "the time",
    "elapsed": "the time since the start",
}
"""What lines may tell, in words."""


def read_formats() -> str:
    """The frameworks, and what their lines may tell beside the step."""
    head = ["| framework | beside the step, its lines may tell |", "|---|---|"]
    return "\n".join([*head, *(_row(own) for own in formats())])


def _row(own: Format) -> str:
    told = {value.column for kind in own.kinds for value in kind.values}
    return f"| {own.title} | {', '.join(WORDS[name] for name in WORDS if name in told)} |"
