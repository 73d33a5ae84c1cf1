"""Files as sources of settings: what a file is, by its name and by what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from computebill.base.errors import RequestError
from computebill.base.specfile import LARGEST_FILE, read_text

from .arguments import settings, slurm_headers
from .documents import read_json, read_toml, read_yaml
from .entries import Entry, Source
from .interpolation import resolved
from .printed import has_block, read_printed
from .script import Ran, read_script

SCRIPTS = (".sh", ".bash", ".slurm", ".sbatch", ".zsh", ".sub", ".job")
YAML, LOGS = (".yaml", ".yml"), (".log", ".out", ".txt", ".err")
MANY = 250
"""Settings of a file that nobody wrote by hand: a framework dumped all that it has."""

RUNS = "Python is not run: dump the configuration that it makes, and give that"


def read_sources(paths: Sequence[Path]) -> list[list[Source]]:
    """Return of every file what it may mean: of a script, each of its commands.

    A script that another one sources is read there.

    Raises:
        RequestError: naming the file: missing, a directory, too large, not text, not of its form.
    """
    return sources_of({path: _text(path) for path in paths})


def sources_of(texts: Mapping[Path, str]) -> list[list[Source]]:
    """Return the same of texts, by the files that they are of.

    Raises:
        RequestError: naming the file, where it is not of its form.
    """
    scripts = {path.name: texts[path] for path in texts if _is_script(path, texts[path])}
    found: dict[Path, list[Source]] = {}
    sourced: set[str] = set()
    for path in texts:
        if path.name in scripts:
            others = {name: text for name, text in scripts.items() if name != path.name}
            sources, followed = _of_script(path, texts[path], others)
            found[path] = sources
            sourced |= followed
        else:
            found[path] = [_of_document(path, texts[path])]
    own = {path: sources for path, sources in found.items() if path.name not in sourced}
    for path, sources in own.items():
        if not sources:
            raise RequestError(str(path), "runs no command with settings, and sets no text of them")
    return list(own.values())


def _text(path: Path) -> str:
    """Return a file's text; of a log its head, where arguments are printed."""
    if path.suffix.lower() in LOGS:
        try:
            with path.open("rb") as file:
                return file.read(LARGEST_FILE).decode("utf-8", errors="replace")
        except OSError as error:
            raise RequestError(str(path), f"cannot be read: {error.strerror}") from None
    return read_text(path)


def _is_script(path: Path, text: str) -> bool:
    first = text.lstrip().partition("\n")[0]
    return path.suffix.lower() in SCRIPTS or (first.startswith("#!") and "python" not in first)


def _of_document(path: Path, text: str) -> Source:
    found = _parsed(path, text)
    return found if len(found.entries) < MANY else replace(found, is_dump=True)


def _parsed(path: Path, text: str) -> Source:
    name, ending = path.name, path.suffix.lower()
    if ending in (".py", ".ipynb"):
        raise RequestError(str(path), RUNS)
    if not text.strip():
        raise RequestError(str(path), "is empty")
    if ending == ".toml":
        return read_toml(text, name)
    if ending == ".json" or (ending not in YAML and text.lstrip()[0] == "{"):
        return read_json(text, name)
    if ending in YAML:
        return resolved(read_yaml(text, name))
    if has_block(text):
        return read_printed(text, name)
    if ending in LOGS:
        raise RequestError(
            str(path), "holds no block of arguments, as Megatron-LM prints at the head of its log"
        )
    return resolved(read_yaml(text, name))


def _of_script(
    path: Path, text: str, others: Mapping[str, str]
) -> tuple[list[Source], frozenset[str]]:
    """Return what each command of a script says, and the given scripts that it sources.

    One that sets variables alone says nothing by itself: it is for others to source.
    """
    headers = slurm_headers(text)
    reading = read_script(text, path.name, _scheduled(headers), others)
    texts = {path.name: text} | {name: others[name] for name in sorted(reading.sourced)}
    lines = {name: each.splitlines() for name, each in texts.items()}

    def of_command(command: Ran) -> Source:
        entries, programs = settings(command.words)
        if reading.sourced:
            entries = [replace(each, file=_written_in(each, lines)) for each in entries]
        return Source(path.name, [*headers, *entries], programs, reading.notes)

    found = [of_command(each) for each in reading.commands]
    if reading.variables:
        found.append(replace(of_command(Ran(reading.variables)), is_loose=True))
    if headers and not found:
        found.append(Source(path.name, headers, notes=reading.notes))
    return found, reading.sourced


def _written_in(entry: Entry, lines: Mapping[str, Sequence[str]]) -> str:
    """Return the first of some scripts whose line of a setting has it; empty where none has."""
    at = (entry.line or 0) - 1
    return next(
        (name for name, each in lines.items() if 0 <= at < len(each) and entry.spelled in each[at]),
        "",
    )


def _scheduled(headers: Iterable[Entry]) -> dict[str, str]:
    """Return the variables that Slurm sets by what a script's header asks for."""
    asked = {each.key: str(each.value) for each in headers}
    found: dict[str, str] = {}
    nodes = asked.get("slurm.nodes", "")
    if nodes.isdecimal():
        found |= dict.fromkeys(("SLURM_NNODES", "SLURM_JOB_NUM_NODES"), nodes)
    per_node = asked.get("slurm.gpus_per_node", asked.get("slurm.gres", "")).split(":")[-1]
    if per_node.isdecimal():
        found |= dict.fromkeys(("SLURM_GPUS_ON_NODE", "SLURM_GPUS_PER_NODE"), per_node)
    tasks = asked.get("slurm.ntasks_per_node", "")
    if tasks.isdecimal():
        found["SLURM_NTASKS_PER_NODE"] = tasks
        if nodes.isdecimal():
            found |= dict.fromkeys(("SLURM_NTASKS", "SLURM_NPROCS"), str(int(nodes) * int(tasks)))
    return found
