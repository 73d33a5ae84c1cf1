"""Writes what each type of ``transformers`` takes for fields that a configuration leaves out.

``python tests/support/type_fields.py`` writes ``estimator/architectures/type_fields.json`` from the
configuration classes of the installed release, as they declare their fields. The package reads the
file; it never imports the library.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import transformers
from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto import modeling_auto as tables
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

FILE = Path(__file__).parents[2] / "estimator/architectures/type_fields.json"
TABLES = ("CAUSAL_LM", "MASKED_LM", "SEQ_TO_SEQ_CAUSAL_LM", "IMAGE_TEXT_TO_TEXT", "MULTIMODAL_LM")
OTHERS = ("vit", "siglip_vision_model", "siglip_text_model", "clip_vision_model", "clip_text_model")
HEADS = ("Model", "ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForMaskedLM")
UNSHAPED = (
    "_cls_", "attention_dropout", "bos_", "dropout", "dtype", "eos_", "_eps", "epsilon", "drop",
    "initializer", "_init", "init_", "layerdrop", "output_", "pad_", "return_dict", "rope_param",
    "scaling", "use_cache", "_coef", "_token_id", "_std", "jitter", "_token_index", "softcap",
    "norm_topk", "time_step", "logits_", "_penalty", "theta", "chunk_size",
)  # fmt: skip
"""Parts of names of fields that no count hangs on."""


def declared(name: str) -> dict[str, Any] | None:
    """Return a type's fields as its class declares them; None where it is no class of fields."""
    cls = CONFIG_MAPPING[name]
    base = {each.name for each in fields(PreTrainedConfig)} - {"tie_word_embeddings"}
    own = [each for each in fields(cls) if each.name not in base]
    defaults = {}
    for each in own:
        value = each.default_factory() if each.default_factory is not MISSING else each.default
        if value is MISSING or any(part in each.name for part in UNSHAPED):
            continue
        if is_plain(value):
            defaults[each.name] = value
    shown = {"defaults": defaults}
    names = {key: value for key, value in cls.attribute_map.items() if isinstance(value, str)}
    return shown | ({"names": names} if names else {})


def is_plain(value: object) -> bool:
    """Whether a default is a number, a word, or a short list or table of them."""
    if isinstance(value, list | tuple):
        return len(value) < 80 and all(is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(is_plain(each) for each in value.values())
    return value is None or isinstance(value, bool | int | float | str)


def class_of(name: str) -> str:
    """Return what a type's classes are called before what they are for: ``Llama``."""
    for table in ("CAUSAL_LM", "SEQ_TO_SEQ_CAUSAL_LM", "MASKED_LM", "MULTIMODAL_LM"):
        found = getattr(tables, f"MODEL_FOR_{table}_MAPPING_NAMES").get(name)
        if isinstance(found, str):
            for head in HEADS[1:]:
                if found.endswith(head):
                    return found.removesuffix(head)
    found = tables.MODEL_MAPPING_NAMES.get(name, "")
    return found.removesuffix("Model") if isinstance(found, str) else ""


def written() -> str:
    """Return the file's text: one line a type."""
    names = set(OTHERS)
    for table in TABLES:
        names |= set(getattr(tables, f"MODEL_FOR_{table}_MAPPING_NAMES"))
    for name in list(names):
        for inner in getattr(CONFIG_MAPPING[name], "sub_configs", {}).values():
            names.add(getattr(inner, "model_type", "") or name)
    rows = []
    for name in sorted(names & set(CONFIG_MAPPING)):
        row = {"class": class_of(name), **declared(name)}
        rows.append(f"{json.dumps(name)}: {json.dumps(row)}")
    head = f'"read_from": "transformers {transformers.__version__}, Apache-2.0"'
    return "{" + head + ',\n"types": {\n' + ",\n".join(rows) + "\n}}\n"


if __name__ == "__main__":
    FILE.write_text(written(), "utf-8")
