"""Architectures: from a ``config.json`` to operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from computebill.base.errors import RequestError, shown

from .entries import LANGUAGE_ONLY, counted, family_name, is_whole, missing_head
from .forms import as_config
from .operators import CLIP, IMAGE, Architecture
from .plain import plain_parameters
from .quantization import stored_weights
from .sample import UNSAID, Sample, read_sample
from .sources import find_source
from .unknown import TOTALS, further_ways, unknown_type
from .weights import read_weights

__all__ = [
    "IMAGES",
    "PARTS",
    "UNSAID",
    "Architecture",
    "Sample",
    "read_architecture",
    "read_sample",
]

WHOLE, LANGUAGE = PARTS = ("whole", "language")
IMAGES, MOST_IMAGES = 1.0, 1_000_000
"""Images, and clips of sound, of a sample of a multimodal model: where nobody says, and most."""

MEDIA = ("vision_config", "audio_config", "visual", "vision_tower_config", "speech_config")
"""Keys under which a configuration keeps what reads images or sound."""

INNER = ("text_config", "llm_config", "language_config", "text_model")
"""Keys under which a multimodal configuration keeps its language model."""


def read_architecture(
    source: str | Path | Mapping[str, Any],
    *,
    part: str = WHOLE,
    images_per_sample: float = IMAGES,
    sample: Sample = UNSAID,
) -> Architecture:
    """Return the architecture that a ``config.json`` describes.

    Args:
        source: a file, a directory that holds ``config.json``, the name of a model that ships or
            is in the local Hugging Face cache, ``-`` for standard input, or the configuration
            itself. Of the latter, sizes may be tensors of one shape, to count many
            architectures at once.
        part: of a multimodal model the ``whole``, or its ``language`` model alone.
        images_per_sample: images that go with a sequence of the whole, and clips of sound.
        sample: size of an image or video, and text beside it, of a model of ``diffusers``.

    Raises:
        RequestError: naming the field, what was given and what is allowed.
    """
    if part not in PARTS:
        raise RequestError("part", f"got {shown(part)}; allowed: {', '.join(PARTS)}")
    if not 0 <= images_per_sample <= MOST_IMAGES:
        raise RequestError(
            "images_per_sample",
            f"got {shown(images_per_sample)}; allowed: a number from 0 to {MOST_IMAGES:,}",
        )
    if isinstance(source, Mapping):
        found = _architecture(source, "config", part, sample)
    elif not isinstance(source, str | Path):
        raise RequestError("config", f"got {shown(source)}; allowed: a path or a mapping")
    else:
        counted_alone = read_weights(source)
        if counted_alone is not None:
            return counted_alone
        read = find_source(source)
        found = _architecture(read.fields, read.name, part, sample)
        notes = (read.note, *found.notes) if read.note else found.notes
        found = replace(found, adapter=read.adapter, notes=notes)
    return _with_images(found, images_per_sample)


def _with_images(found: Architecture, count: float) -> Architecture:
    """Have so many images, and clips of sound, go with a sequence of what reads them."""
    if not any(each.of in (IMAGE, CLIP) for each in found.operators()):
        return found
    note = (
        f"With a sequence go {count:g} images, or clips of sound (images per sample); what they "
        "become in the text is part of its length."
    )
    return replace(found, images=count, clips=count, notes=(note, *found.notes))


def _architecture(
    fields: Mapping[str, Any], file: str, part: str, sample: Sample = UNSAID
) -> Architecture:
    if "_class_name" in fields:
        return _of_diffusers(fields, file, sample)
    if sample != UNSAID:
        name = "text_length" if sample.text is not None else "image_size"
        problem = "allowed: with a model of images or video, whose file has a _class_name"
        raise RequestError(name, problem)
    fields, read = as_config(fields, file)
    found, stored = _by_type(fields, file, part), stored_weights(fields)
    if not stored and fields.get("quantization_config") is not None:
        read = [*read, UNREAD_WEIGHTS]
    if fields.get("auto_map"):
        read = [*read, OWN_CODE.format(found.model_type)]
    return replace(found, stored=stored, notes=(*found.notes, *read))


OWN_CODE = "The file names code of its own (auto_map), which is never run: counted as {}."


def _of_diffusers(fields: Mapping[str, Any], file: str, sample: Sample) -> Architecture:
    """Count a model of ``diffusers`` from the library's own modules.

    Raises:
        RequestError: where it is not installed, or cannot build or pass it.
    """
    found = import_module(".modules", __package__).read_diffusion(fields, file, sample)
    if found is None:
        problem = f"is a {shown(fields['_class_name'])} of diffusers, which is not installed"
        raise RequestError(file, f"{problem}; it comes with the extra `models`; {TOTALS}")
    return cast(Architecture, found)


UNREAD_WEIGHTS = (
    "What its quantization_config says is not understood: memory is of weights in 16 bits."
)


def _by_type(fields: Mapping[str, Any], file: str, part: str) -> Architecture:
    inner, key, notes = _language_model(fields)
    given = inner.get("model_type")
    is_multimodal = _is_multimodal(fields)
    if not is_multimodal and inner is not fields:
        part = LANGUAGE
    if not isinstance(given, str) or family_name(given) is None:
        found = _from_modules(fields, file, part)
        if found is None:
            raise RequestError(file, unknown_type(inner, key, given, is_whole))
        return found
    unknown = None if is_multimodal or inner is not fields else missing_head(fields, given, file)
    if unknown is not None:
        found = _from_modules(fields, file, part, named_only=True)
        if found is None:
            raise RequestError(file, "; ".join((unknown, *further_ways(fields))))
        return found
    if is_multimodal and part == WHOLE:
        try:
            whole = _from_modules(fields, file, part)
        except RequestError as error:
            whole, notes = None, [*notes, f"The whole: {error}."]
            if inner is fields:
                notes.append(f"Not counted: {_media(fields)}.")
        if whole is not None:
            return whole if inner is not fields else _with_media_told(whole, fields, given, file)
    return counted(inner, given, file, notes, is_inner=inner is not fields)


def _is_multimodal(fields: Mapping[str, Any]) -> bool:
    """Whether a file describes more than a language model: by its parts, or its class's name."""
    named = fields.get("architectures")
    has_text = any(isinstance(fields.get(name), Mapping) for name in INNER)
    return any(isinstance(fields.get(name), Mapping) for name in MEDIA) or (
        has_text and isinstance(named, list) and "ConditionalGeneration" in str(named[:1])
    )


def _with_media_told(
    whole: Architecture, fields: Mapping[str, Any], given: str, file: str
) -> Architecture:
    """Say of what reads images or sound that it has no part in a type, where it adds nothing."""
    own = counted(fields, given, file, [], is_inner=False)
    if plain_parameters(whole).total != plain_parameters(own).total:
        return whole
    note = f"Not counted, as {given} has no such part: {_media(fields)}."
    return replace(whole, notes=(*whole.notes, note))


def _media(fields: Mapping[str, Any]) -> str:
    """Name the parts of a file that read images or sound."""
    return ", ".join(name for name in MEDIA if isinstance(fields.get(name), Mapping))


def _language_model(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, list[str]]:
    """Return the fields of the part that tokens meet, what its type's key is, and what to say."""
    for inner in INNER:
        part = fields.get(inner)
        given = fields.get("model_type")
        if isinstance(part, Mapping) and (
            "hidden_size" not in fields or not isinstance(given, str) or family_name(given) is None
        ):
            key = f"{inner}.model_type" if "model_type" in part else "model_type"
            above = {name: fields[name] for name in SHARED if name in fields}
            outer = {name: fields.get(name) for name in PURPOSE}
            part = {"model_type": given, **above, **part, **outer}
            return part, key, [LANGUAGE_ONLY]
    return fields, "model_type", []


PURPOSE = ("architectures", "id2label", "num_labels")
"""Fields that say what a model is for: of a multimodal one, those of the whole."""

SHARED = ("tie_word_embeddings",)
"""Fields of a multimodal configuration that its language model takes where it has none."""


def _from_modules(
    fields: Mapping[str, Any], file: str, part: str, *, named_only: bool = False
) -> Architecture | None:
    """Count what the table lacks from a library's own modules.

    Returns:
        None where no library that is installed knows the type, or with ``named_only`` has the
        class that the file names.
    """
    # By its name, and by those alone who need it: it stands on what is here.
    read = import_module(".modules", __package__).read_modules
    found = cast(
        "Architecture | None",
        read(fields, file, language_only=part == LANGUAGE, named_only=named_only),
    )
    if found is not None and part == LANGUAGE and not found.kinds:
        problem = f"got {LANGUAGE}; allowed: {WHOLE}, as no language model was found by itself in "
        raise RequestError("part", f"{problem}{found.counted_as}")
    return found
