"""Launch files read together: which framework they are of, what they say, where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from computebill.base.errors import RequestError

from .applied import LAUNCHERS, Applied, applied, shown_value
from .entries import Source
from .maps import Known, framework, frameworks, known
from .record import Fact, Launch, Said, Unused
from .sources import read_sources, sources_of

DEEPSPEED = "deepspeed"
"""The table, and the recipe, of what holds weights where a trainer hands them to DeepSpeed."""


def read_launch(paths: str | Path | Iterable[str | Path]) -> Launch:
    """Return what launch files say together; nothing of them is run.

    Args:
        paths: files of one run: a script, a configuration, a launcher's; where two say different
            things, the one that is given last counts.

    Raises:
        RequestError: naming the file: not readable, of no framework that is known, or a value
            that a setting cannot have.
    """
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(each) for each in paths]
    if not given:
        raise RequestError("launch", "got no file; allowed: one or more")
    return _read(read_sources(list(dict.fromkeys(given))), [path.name for path in given])


def launch_of_text(text: str, name: str) -> Launch:
    """Return what the text of a launch file says.

    Args:
        text: of the file.
        name: of it, whose ending tells its form.

    Raises:
        RequestError: as of a file.
    """
    return _read(sources_of({Path(name): text}), [name])


def _read(files: Sequence[Sequence[Source]], names: Sequence[str]) -> Launch:
    found = [_told(sources) for sources in files]
    named = [each.framework.known for each in found if each.framework.known.framework]
    own = next((each for each in named if not each.is_part), named[0] if named else None)
    if own is None:
        raise RequestError(
            ", ".join(names), f"starts what is of no framework that is known; {_looked_for()}"
        )
    return _together(found, own, names)


def _told(sources: Sequence[Source]) -> Applied:
    """Return what a file says: of a script's commands, the one that trains.

    Raises:
        RequestError: where no table knows it.
    """
    scored = [(*_framework_of(source), source) for source in sources]
    score, own, source = max(
        scored, key=lambda each: (bool(each[1].framework), not each[2].is_loose, each[0])
    )
    if score == 0:
        raise RequestError(sources[0].file, _unknown(sources))
    found = applied(source, framework(own.key))
    for other, its_own, each in scored:
        if each is source or each.is_loose:
            continue
        if its_own.framework and other > 0:
            line = next((entry.line for entry in each.entries if entry.line), None)
            found.notes.append(f"{each.file} line {line}: another command, which is not counted")
        else:  # it starts the script that trains, as sbatch does
            for name, fact in applied(each, framework(LAUNCHERS)).facts.items():
                found.facts.setdefault(name, fact)
    return found


def _framework_of(source: Source) -> tuple[int, Known]:
    keys = frozenset(entry.key for entry in source.entries)
    programs = " ".join(source.programs)
    scored = [(each.score(keys, programs), each) for each in frameworks()]
    best = max(scored, key=lambda each: (each[0], bool(each[1].framework)))
    return best if best[0] else (0, known(LAUNCHERS))


def _unknown(sources: Sequence[Source]) -> str:
    """Say what was looked for in a file that no table knows."""
    keys = list(dict.fromkeys(e.spelled for source in sources for e in source.entries))[:6]
    held = f"holds {', '.join(keys)}" if keys else "holds no settings"
    return f"is of no framework that is known: {held}; {_looked_for()}"


def _looked_for() -> str:
    titles = dict.fromkeys(each.title for each in frameworks() if each.framework)
    return f"looked for settings of {', '.join(titles)}"


def _together(found: Sequence[Applied], own: Known, files: Sequence[str]) -> Launch:
    facts: dict[str, Fact] = {}
    unused: list[Unused] = []
    notes: dict[str, None] = {}
    for each in found:
        notes |= dict.fromkeys(each.notes)
        for name, fact in each.facts.items():
            before = facts.get(name)
            if before is not None and before.value != fact.value:
                told = (
                    f"{name.replace('_', ' ')}: {shown_value(before.value)} "
                    f"({before.said.told}) and {shown_value(fact.value)} ({fact.said.told}): "
                    f"{fact.said.file} counts, which was given last"
                )
                notes[told] = None
            facts[name] = fact
        unused += each.unused
    divider = facts.pop("backend", None)
    parts = {each.framework.known.key for each in found}
    is_given = {"deepspeed": DEEPSPEED in parts, "config_file": "accelerate" in parts}
    unused = [each for each in unused if not is_given.get(each.said.key.lstrip("-"))]
    if divider is not None or (DEEPSPEED in parts and own.key != DEEPSPEED):
        said = divider.said if divider is not None else Said("its file", "DeepSpeed")
        facts.setdefault("recipe", Fact(DEEPSPEED, said, usual=divider is None))
    usual = Said("usual", own.title)
    is_rl = any(name.startswith("rl_") for name in facts)
    for name, value in framework(own.key).usual.items():
        if is_rl or not name.startswith("rl_"):
            facts.setdefault(name, Fact(value, usual, usual=True))
    return Launch(
        framework=own.framework,
        title=own.title,
        files=tuple(files),
        facts=facts,
        unused=tuple(unused),
        idle=tuple(setting for each in found for setting in each.idle),
        notes=tuple(notes),
    )
