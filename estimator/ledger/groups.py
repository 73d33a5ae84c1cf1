"""Groups of jobs by their names, and the rules that are proposed for them."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from .cube import Measured
from .schema import KINDS, UNKNOWN

BY = ["project", "partition", "stem"]
HELD = 100_000
"""Groups that are kept; beyond, those of the fewest hours go."""
MOST = 40
"""Groups of which a rule is proposed."""
NUMBER = "#"

GUESSES = (
    ("interactive", r"^(ba)?sh$|jupyter|notebook|interactive|vscode|salloc|^srun$|tunnel|debug"),
    ("evaluation", r"eval|bench|lm-?harness|mmlu|humaneval|test"),
    ("inference", r"serv(e|ing)|infer|vllm|sglang|endpoint|predict"),
    ("data generation", r"synth|gen(erate|eration)?[-_]?data|datagen|rollout|filter|dedup|token"),
    ("post-training", r"sft|rlhf|dpo|grpo|ppo|rlvr|post-?train|fine-?tun|instruct|align|lora"),
    ("pretraining research", r"pre-?train|train|ablat|scal(e|ing)|sweep|exp"),
)
"""Kinds that names suggest, the first that fits; a person decides."""


def stem(name: str) -> str:
    """Return a name with its numbers alike."""
    return re.sub(r"\d+", NUMBER, name)[:120]


def groups_of(jobs: Measured) -> pd.DataFrame:
    """Return jobs and hours of unknown kind by project, partition and name."""
    rows = np.flatnonzero((jobs.kind == KINDS.index(UNKNOWN)) & (jobs.measures["gpu_hours"] > 0))
    names = {"project": "project", "partition": "partition", "stem": "name"}
    found = {}
    for column, field in names.items():
        words = jobs.words[field]
        words = words.mapped(stem) if column == "stem" else words
        found[column] = np.array([*words.values, ""], dtype=object)[words.codes[rows]]
    frame = pd.DataFrame(found)
    for measure in ("jobs", "gpu_hours"):
        frame[measure] = jobs.measures[measure][rows]
    return frame.groupby(BY, as_index=False, sort=False).sum()


def added(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return the groups of two together, the largest first."""
    both = pd.concat([one, other], ignore_index=True)
    if both.empty:
        return both
    sums = both.groupby(BY, as_index=False, sort=False).sum()
    return sums.nlargest(HELD, "gpu_hours").reset_index(drop=True)


def guess(name: str) -> str | None:
    """Return the kind that a name suggests; None where it suggests none."""
    return next((kind for kind, words in GUESSES if re.search(words, name.lower())), None)


def proposed(groups: pd.DataFrame, records: str) -> str:
    """Return a file of rules to be edited, a rule for each of the largest groups.

    Args:
        groups: what no rule names.
        records: names of the records, for the head of the file.
    """
    return "\n".join(_lines(groups, records)) + "\n"


def _lines(groups: pd.DataFrame, records: str) -> Iterator[str]:
    hours = float(groups["gpu_hours"].sum()) if len(groups) else 0.0
    yield f"# Rules of `computebill ledger`, proposed from {' '.join(records.split())}."
    yield "# The first rule that matches a job says what kind it is; every field that a rule has"
    yield "# must match, as a regular expression, anywhere in the text. What none matches stays"
    yield "# unknown. Kinds are guesses from names: say which runs were final ones."
    yield f"# Kinds: {', '.join(KINDS)}."
    yield "# Fields: name, project, user, partition, qos, state, tags, host, device, cluster,"
    yield "# record, checkpoint; config = { KEY = ... } of trackers; min_accelerators,"
    yield "# max_accelerators, min_hours, max_hours."
    yield ""
    for group in groups.head(MOST).to_dict("records"):
        own, jobs = float(group["gpu_hours"]), float(group["jobs"])
        yield f"# {own:,.0f} accelerator-hours ({own / hours:.1%}), {jobs:,.0f} jobs"
        yield from _rule(group)
        yield ""
    rest = groups.iloc[MOST:]
    if len(rest):
        yield f"# and {len(rest):,} smaller groups with {rest['gpu_hours'].sum():,.0f} hours"
        yield ""
    yield "# [[accelerator]]        # what a partition has, where records do not tell"
    yield '# partition = "^gpu$"'
    yield '# profile = "h100-sxm"'
    yield "# per_node = 8"
    yield ""
    yield "# [prices]               # USD an accelerator-hour, of a contract"
    yield '# "h100-sxm" = 2.1'
    yield ""
    yield "# [chains]               # jobs that are restarts of one run"
    yield "# gap_hours = 24"
    yield "# checkpoint_minutes = 60"


def _rule(group: Mapping[Hashable, Any]) -> Iterator[str]:
    name, project, partition = (str(group[field]) for field in ("stem", "project", "partition"))
    kind = guess(name)
    fields = {"name": _pattern(name), "project": _pattern(project)}
    fields["partition"] = _pattern(partition)
    mark = "" if kind and name else "# "
    yield f"{mark}[[rule]]"
    yield f"{mark}kind = {_text(kind or UNKNOWN)}"
    for field, pattern in fields.items():
        if pattern:
            yield f"{mark}{field} = {_text(pattern)}"


def _pattern(name: str) -> str:
    """Return the expression of a name whose numbers may be others."""
    escaped = "".join(
        char if char.isalnum() or char in "_-/@ :" or not char.isascii() else f"\\{char}"
        for char in name
        if char.isprintable()
    )
    return f"^{escaped.replace(chr(92) + NUMBER, '[0-9]+')}$" if name else ""


def _text(value: str) -> str:
    """Return a text as TOML has it."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
