"""A configuration's modules, built by ``transformers`` on the meta device: shapes without values.

No code of a repository is run and nothing is downloaded: the class is one that ``transformers``
itself has, whatever ``auto_map`` says.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn
from torch.nn.modules import module as registration

from computebill.base.errors import RequestError, shown

from ..config import LARGEST_SIZE, MOST_LAYERS

MOST_MODULES = 500_000
"""Modules and parameters of a model, at most."""
MOST_SECONDS = 60.0
"""Time of a processor that building a model may take [s]."""

DROPPED = {
    "auto_map",
    "trust_remote_code",
    "custom_pipelines",
    "quantization_config",
    "_name_or_path",
    "_commit_hash",
    "attn_implementation",
    "_attn_implementation",
    "_attn_implementation_internal",
    "_attn_implementation_autoset",
    "experts_implementation",
    "_experts_implementation",
    "_experts_implementation_internal",
    "use_kernels",
    "use_pretrained_backbone",
    "dtype",
    "torch_dtype",
    "transformers_version",
    "architectures",
    "model_type",
    "use_cache",
}
"""Fields that say where code and weights are and in what form, and not what the model is."""

TABLES = (
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES",
    "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES",
    "MODEL_FOR_CTC_MAPPING_NAMES",
    "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "MODEL_MAPPING_NAMES",
)
"""Tables of classes by type, the first that has a type taken where a file names no class."""

COUNTED_LAYERS = ("layer", "block", "depth", "expert")
"""Parts of a field's name that stand for a number of modules."""


def build(fields: Mapping[str, Any], file: str, *, named_only: bool = False) -> nn.Module | None:
    """Build the modules that a ``config.json`` describes.

    Args:
        fields: its content.
        file: what to call it in messages.
        named_only: build the class that the file names, and no other of its type.

    Returns:
        None where ``transformers`` has no such type or class.

    Raises:
        RequestError: where it cannot build the model, or the model is too large.
    """
    check_sizes(fields, file)
    transformers = _transformers()
    named = _named_class(transformers, fields)
    configuration = _configuration(transformers, fields, named)
    if configuration is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = configuration(**_cleaned(fields))
            kind = _class_of(transformers, config, named)
            if kind is None or (named_only and kind is not named):
                return None
            _set_implementations(config)
            with torch.device("meta"), bounded(file):
                return cast(nn.Module, kind(config).eval())
    except RequestError:
        raise
    except Exception as error:
        # Whatever a library of hundreds of models raises at fields that do not go together.
        if not all(_is_known(transformers, each) for each in _inner_types(fields)):
            return None
        release = f"transformers {transformers.__version__}"
        problem = f"cannot build {configuration.model_type} from it: {told(error)}"
        raise RequestError(file, f"{release} {problem}") from None


def _transformers() -> Any:
    """Import the library, and keep it from the network."""
    import huggingface_hub.constants
    import transformers as library

    transformers: Any = library
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    transformers.logging.set_verbosity_error()
    # Imported when it is first named, and its own imports look at values: before any meta device.
    _ = transformers.GenerationMixin
    return transformers


def told(error: Exception) -> str:
    """Return an error's last line, cut where it is long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {(lines or ['no message'])[-1][:200]}"


def _cleaned(fields: Any) -> Any:
    """Return fields without those that are dropped, at any depth but for inner types."""

    def inner(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                key: inner(each)
                for key, each in value.items()
                if key not in DROPPED or key == "model_type"
            }
        return [inner(each) for each in value] if isinstance(value, list) else value

    return {key: inner(value) for key, value in fields.items() if key not in DROPPED}


def check_sizes(fields: Any, file: str, path: str = "") -> None:
    """Refuse numbers of layers that would take for ever to build.

    Raises:
        RequestError: naming the field.
    """
    if isinstance(fields, list):
        if len(fields) > MOST_LAYERS * 100:
            raise RequestError(file, f"{path}: {len(fields):,} entries; allowed: up to 1,000,000")
        for each in fields:
            check_sizes(each, file, path)
        return
    if isinstance(fields, Mapping):
        for key, value in fields.items():
            check_sizes(value, file, f"{path}.{key}".lstrip("."))
        return
    if not isinstance(fields, int | float) or isinstance(fields, bool):
        return
    name = path.rpartition(".")[2]
    if name.endswith("_id") or name.startswith("max_") or name.endswith("_length"):
        return
    most = MOST_LAYERS if any(part in name for part in COUNTED_LAYERS) else LARGEST_SIZE
    is_size = "size" not in name and "dim" not in name
    most = most if is_size else LARGEST_SIZE
    if isinstance(fields, int) and fields > most:
        raise RequestError(file, f"{path}: got {shown(fields)}; allowed: up to {most:,}")


def _named_class(transformers: Any, fields: Mapping[str, Any]) -> Any:
    """Return the first class of the library that a file names; None where there is none."""
    names = fields.get("architectures")
    for name in names if isinstance(names, list) else ():
        kind = getattr(transformers, name, None) if isinstance(name, str) else None
        if isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel):
            return kind
    return None


def _configuration(transformers: Any, fields: Mapping[str, Any], named: Any) -> Any:
    """Return the class of a file's configuration; None where the library has none.

    It is that of the file's type, or of the class that the file names, where only that one has
    the parts that the file describes.
    """
    model_type = fields.get("model_type")
    known = _is_known(transformers, model_type)
    own = transformers.CONFIG_MAPPING[model_type] if known else None
    other = getattr(named, "config_class", None)
    if not isinstance(other, type) or other is own:
        return own
    parts = {name for name, value in fields.items() if isinstance(value, Mapping)}
    parts &= _parts_of(other)
    return own if own is not None and parts <= _parts_of(own) else other


def _is_known(transformers: Any, model_type: object) -> bool:
    return isinstance(model_type, str) and model_type in transformers.CONFIG_MAPPING


def _inner_types(fields: Mapping[str, Any]) -> list[object]:
    """Return the types that the parts of a file name."""
    parts = [each for each in fields.values() if isinstance(each, Mapping)]
    return [each["model_type"] for each in parts if "model_type" in each]


def _parts_of(configuration: Any) -> set[str]:
    """Return the names of the configurations that one holds."""
    return set(configuration.sub_configs)


def _class_of(transformers: Any, config: Any, named: Any) -> Any:
    """Return the class that a file names, or the first that its type has; None of none."""
    own = getattr(named, "config_class", None)
    if isinstance(own, type) and isinstance(config, own):
        return named
    from transformers.models.auto import modeling_auto

    for table in TABLES:
        names = getattr(modeling_auto, table, {}).get(config.model_type, ())
        for name in (names,) if isinstance(names, str) else names:
            kind = getattr(transformers, name, None)
            # Types that share another's modules have a configuration class of their own.
            if isinstance(getattr(kind, "config_class", None), type):
                return kind
    return None


def _set_implementations(config: Any) -> None:
    """Have attention run as products, and each expert's product by itself, so that all is seen."""
    config._attn_implementation = "eager"
    for each in (config, *_inner_configs(config)):
        if hasattr(each, "_experts_implementation"):
            each._experts_implementation = "batched_mm"


def _inner_configs(config: Any) -> Iterator[Any]:
    for name in getattr(config, "sub_configs", {}):
        inner = getattr(config, name, None)
        if inner is not None:
            yield inner
            yield from _inner_configs(inner)


@contextmanager
def bounded(file: str) -> Iterator[None]:
    """Stop building where a model has too many modules or takes too long.

    Raises:
        RequestError: where it has, or does.
    """
    started, count = time.process_time(), 0

    def check(*_: object) -> None:
        nonlocal count
        count += 1
        if count > MOST_MODULES:
            raise RequestError(file, f"has more than {MOST_MODULES:,} modules")
        if time.process_time() - started > MOST_SECONDS:
            raise RequestError(file, f"takes more than {MOST_SECONDS:g} s to build")

    hooks = [
        registration.register_module_module_registration_hook(check),
        registration.register_module_parameter_registration_hook(check),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
