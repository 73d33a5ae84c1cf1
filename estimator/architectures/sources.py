"""Where a configuration is: a file, a folder, a name in the local cache, an adapter's base."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from computebill.base.errors import RequestError, shown
from computebill.base.specfile import is_folder

from .config import read_config
from .operators import Adapter
from .pipelines import is_pipeline, trained_part
from .shipped import nearest, shipped

NAMES = ("config.json", "params.json", "adapter_config.json", "model_index.json")
"""Files of a folder that may say what its model is, the first that is there."""

MOST_RANK = 100_000
UNCOUNTED = (
    "rank_pattern",
    "layers_to_transform",
    "layers_pattern",
    "exclude_modules",
    "target_parameters",
    "trainable_token_indices",
    "bias",
    "lora_bias",
)
"""Fields of peft's ``LoraConfig`` that change what an adapter holds, and are not counted."""


class Source(NamedTuple):
    """A configuration as it was found.

    Attributes:
        fields: its content.
        name: what to call it in messages.
        adapter: the adapter whose base it is of; None where it is no adapter's.
        note: what to say of where it is from; empty where it was given.
    """

    fields: Mapping[str, Any]
    name: str
    adapter: Adapter | None = None
    note: str = ""


def find_source(source: str | Path) -> Source:
    """Return the configuration that a path, a name or ``-`` stands for.

    Raises:
        RequestError: naming what is missing, and how to get it.
    """
    found = _read(source)
    if is_pipeline(found.fields):
        path, note = trained_part(found.fields, found.name)
        return Source(*read_config(path), note=note)
    return _of_adapter(found.fields, found.name) if is_adapter(found.fields) else found


def _read(source: str | Path) -> Source:
    """Return the configuration that a source stands for, an adapter's as it stands."""
    path, name = Path(source), str(source)
    if name == "-":
        return Source(*read_config(source))
    if is_folder(path):
        return Source(*read_config(_in_folder(path)))
    if _is_there(path) or path.suffix == ".json":
        return Source(*read_config(path))
    kept = _in_cache(name) if is_repository(name) else None
    if kept is not None:
        return Source(*read_config(kept))
    known = shipped(name)
    if known is not None:
        return Source(known.fields, known.short, note=known.told)
    raise RequestError(name, _not_found(name))


def beside(folder: Path, name: str) -> str:
    """Return the model of a spec file: a path beside it, or the name of one that ships or is kept.

    Args:
        folder: of the file.
        name: as the file has it.
    """
    path = folder / name
    is_name = not _is_there(path) and (is_repository(name) or shipped(name) is not None)
    return name if is_name else str(path)


def point_models(table: dict[str, Any], folder: Path, fields: Iterable[str]) -> None:
    """Point fields of a spec file's table, each a model or a list of them, to where the file is.

    Args:
        table: fields by name.
        folder: of the file.
        fields: those that name models.
    """
    for key in fields:
        given = table.get(key)
        if isinstance(given, str):
            table[key] = beside(folder, given)
        elif isinstance(given, list):
            table[key] = [beside(folder, one) if isinstance(one, str) else one for one in given]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # longer than a path may be, a null byte
        return False


def _not_found(name: str) -> str:
    """Say what a name that is no file's may have been meant for."""
    near = nearest(name)
    ships = f"; of those that ship, {', '.join(near)} are near" if near else ""
    if is_repository(name):
        return (
            "is no file, does not ship, and the local Hugging Face cache has no config.json of it; "
            f"nothing is downloaded: get it with `hf download {name} config.json` and give the "
            f"path it prints{ships}"
        )
    problem = "cannot be read: No such file or directory"
    ships = ships or ", and no model of that name ships"
    return f"{problem}{ships} (`computebill model` lists them)"


def is_adapter(fields: Mapping[str, Any]) -> bool:
    """Whether a file describes an adapter of another model."""
    return "base_model_name_or_path" in fields and "peft_type" in fields


def _in_folder(folder: Path) -> Path:
    for name in NAMES:
        if (folder / name).is_file():
            return folder / name
    return folder / NAMES[0]


def is_repository(name: str) -> bool:
    """Whether a name has the form of a repository's: an owner and a model."""
    owner, slash, model = name.partition("/")
    plain = all(
        part and part.replace("-", "").replace("_", "").replace(".", "").isalnum()
        for part in (owner, model)
    )
    return bool(slash) and plain and not name.endswith((".json", ".gguf", ".safetensors"))


def cache_folder() -> Path:
    """Return the folder of the local Hugging Face cache, by the variables that move it."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")


def _in_cache(name: str) -> Path | None:
    """Return the configuration of a repository that was downloaded; None where it was not."""
    folder = cache_folder() / f"models--{name.replace('/', '--')}"
    revision = folder / "refs" / "main"
    found = sorted((folder / "snapshots").glob("*")) if is_folder(folder) else []
    if revision.is_file():
        found = [folder / "snapshots" / revision.read_text("utf-8").strip()[:64], *found]
    paths = (_in_folder(snapshot) for snapshot in found)
    return next((path for path in paths if path.is_file()), None)


def _says_nothing(value: object) -> bool:
    """Whether a field of an adapter leaves it as it is; of layers, 0 is the first."""
    return value is None or value is False or value in ([], {}, "", "none")


def _of_adapter(fields: Mapping[str, Any], name: str) -> Source:
    """Return the configuration of an adapter's base.

    Raises:
        RequestError: where the base is not at hand, or the adapter cannot be.
    """
    base, kind, rank = fields["base_model_name_or_path"], fields["peft_type"], fields.get("r")
    if kind != "LORA":
        raise RequestError(name, f"peft_type: got {shown(kind)}; allowed: LORA")
    if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= MOST_RANK:
        raise RequestError(name, f"r: got {shown(rank)}; allowed: a whole number from 1")
    if not isinstance(base, str) or not base:
        given = f"base_model_name_or_path: got {shown(base)}; allowed: a path or a name"
        raise RequestError(name, given)
    for field in UNCOUNTED:
        if not _says_nothing(fields.get(field)):
            raise RequestError(
                name,
                f"{field}: got {shown(fields[field])}; allowed: none, as an adapter is counted "
                "with one rank beside all modules that target_modules names, in every layer; or "
                f"give the config.json of {base} with --lora-rank {rank}",
            )
    targets, saved = (_names(fields, key, name) for key in ("target_modules", "modules_to_save"))
    has_magnitudes = fields.get("use_dora")
    if has_magnitudes not in (None, False, True):
        given = f"use_dora: got {shown(has_magnitudes)}; allowed: true or false"
        raise RequestError(name, given)
    told = f"is an adapter (LoRA, rank {rank}) of {base}"
    path = Path(name).parent / base
    try:
        found = _read(path if is_folder(path) else base)
    except RequestError as error:
        raise RequestError(
            name,
            f"{told}; give that model's config.json with --lora-rank {rank} ({error})",
        ) from None
    if is_adapter(found.fields):
        raise RequestError(name, f"{told}, which is an adapter itself")
    headed, notes = _of_task(found.fields, fields.get("task_type"))
    return found._replace(
        fields=headed,
        note=" ".join(part for part in (found.note, *notes) if part),
        adapter=Adapter(rank, targets, base, saved, bool(has_magnitudes)),
    )


ENDINGS = re.compile(r"\^?\.\*(?:\\\.)?\((?:\?:)?(\w+(?:\|\w+)*)\)\$?")
"""Patterns of peft that say what the names of modules end in, as a list of names does."""


def _names(fields: Mapping[str, Any], key: str, file: str) -> tuple[str, ...]:
    """Return the names of modules in a field of an adapter.

    Raises:
        RequestError: where they are no names.
    """
    given = fields.get(key) or ()
    found = ENDINGS.fullmatch(given) if isinstance(given, str) else None
    if found is not None:
        return tuple(found[1].split("|"))
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(each, str) for each in names):
        raise RequestError(file, f"{key}: got {shown(given)}; allowed: a list of names")
    return tuple(names)


TASKS = {
    "SEQ_CLS": "ForSequenceClassification",
    "TOKEN_CLS": "ForTokenClassification",
    "QUESTION_ANS": "ForQuestionAnswering",
}
"""Classes that peft puts an adapter beside, by its task, where the base's file names another."""


def _of_task(fields: Mapping[str, Any], task: object) -> tuple[Mapping[str, Any], list[str]]:
    """Return the base's configuration with the head of an adapter's task, and what to say of it."""
    ending, named = TASKS.get(str(task)), fields.get("architectures")
    if ending is None or not isinstance(named, list) or not named:
        return fields, []
    own = next((each for each in BASES if str(named[0]).endswith(each)), None)
    if own is None:
        return fields, []
    name = f"{str(named[0]).removesuffix(own)}{ending}"
    note = f"By the adapter's task, {task}, its head is that of {name}, not of {named[0]}."
    return {**fields, "architectures": [name]}, [note]


BASES = ("ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForConditionalGeneration", "ForPreTraining")
"""Endings of the classes that are pre-trained."""
