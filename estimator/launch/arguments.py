"""Words of a command line as settings, and the headers of Slurm's scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .entries import Entry
from .marks import HOLE, Text

FLAG = re.compile(r"-{1,2}[A-Za-z]")
OVERRIDE = re.compile(r"\+{0,2}([A-Za-z_]\w*(?:[./]\w+)*)=(.*)", re.DOTALL)
PROGRAM = re.compile(r".*\.(?:py|sh|pyz)|-m")
HEADER = re.compile(r"\s*#SBATCH\s+(.*?)(?:\s+#.*)?$")
SHORT = {"N": "nodes", "n": "ntasks", "t": "time", "G": "gpus", "c": "cpus-per-task"}
"""Short flags of Slurm, and the long ones."""

CHOICE = re.compile(r"(activation[-_]checkpoint):([a-z][a-z_-]*)")
"""torchtitan's choice of a part of its configuration, by a word among flags."""

TOGETHER = re.compile(r"-([NntGc])(\d.*)")


def settings(words: Sequence[Text]) -> tuple[list[Entry], list[str]]:
    """Return the settings of a command line, and its words that are none.

    Args:
        words: of the command, each with its line.
    """
    found: list[Entry] = []
    programs: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        override = OVERRIDE.fullmatch(word)
        choice = CHOICE.fullmatch(word)
        if word == "-m":
            continue
        if choice is not None:
            part, name = choice.groups()
            found.append(replace(_entry(part, name, word.line), spelled=str(word)))
            continue
        if FLAG.match(word):
            name, equals, value = word.partition("=")
            if equals:
                found.append(_entry(name, value, word.line))
                continue
            values = list(_values(words, at))
            at += len(values)
            texts = tuple(str(each) for each in values)
            whole = True if not texts else texts[0] if len(texts) == 1 else texts
            found.append(_entry(name, whole, word.line))
        elif override is not None:
            found.append(_entry(override.group(1), override.group(2), word.line))
        else:
            programs.append(str(word))
    return found, programs


def _entry(name: str, value: object, line: int) -> Entry:
    key = name.lstrip("-+").replace("-", "_").replace("/", ".")
    return Entry(key, value, line, name)


def _values(words: Sequence[Text], at: int) -> Iterator[Text]:
    """Yield what follows a flag and belongs to it."""
    for place, word in enumerate(words[at:], at):
        if place > at and all(HOLE.fullmatch(each) for each in words[place:]):
            return  # $EXTRA at the end, which nobody sets, is no value of the last flag
        if any(each.fullmatch(word) for each in (OVERRIDE, PROGRAM, CHOICE)) or FLAG.match(word):
            return
        yield word


def slurm_headers(text: str) -> list[Entry]:
    """Return the settings of ``#SBATCH`` lines, as ``slurm.nodes``."""
    found: list[Entry] = []
    for line, written in enumerate(text.splitlines(), 1):
        header = HEADER.match(written)
        if header is None:
            continue
        words = [Text(each, line) for each in header.group(1).split()]
        for place, word in enumerate(words):
            together = TOGETHER.fullmatch(word)
            if together:
                words[place] = Text(f"--{SHORT[together.group(1)]}={together.group(2)}", line)
            elif word[1:] in SHORT and word[0] == "-":
                words[place] = Text(f"--{SHORT[word[1:]]}", line)
        entries, _ = settings(words)
        found += [Entry(f"slurm.{each.key}", each.value, line, each.spelled) for each in entries]
    return found
