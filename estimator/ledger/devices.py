"""Accelerators as records name them: types of a scheduler, instances and SKUs of a cloud."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from computebill.base.errors import RequestError
from computebill.base.specfile import read_toml
from computebill.hardware.accelerators import accelerators_named, find_accelerator

INSTANCES = Path(__file__).with_name("instances.toml")

_TOKEN = re.compile(r"[a-z0-9]+(?:[.\-][a-z0-9\-]+)+")
_AZURE = re.compile(r"\bn[cd]\d+[a-z]*(?:[ _](?:h\d+|a\d+|t4|mi\d+x))?[ _]v\d\b")
_PART = re.compile(
    r"\b(?:nvidia[ _-]+)?(?:tesla[ _-]+)?"
    r"((?:gb|gh|rtx|quadro|mi|gaudi|trainium|tpu[ -]?v|tpu[ -]?|[abhlptv])[ -]?\d+[a-z]*)"
    r"((?:[ _-]+(?:sxm|pcie|nvl)\d*)?(?:[ _-]+\d+ ?gb)?)\b"
)
_IS_PART = re.compile(r"gpu|tpu|accelerator|trainium|nvidia")
_NOT_TIME = re.compile(r"storage|snapshot|disk|transfer|ebs|licen[cs]e|support")


_SLICE = re.compile(r"(?:tpu[ -]?)?(v2|v3|v4|v5p|v5e|v5litepod|v6e)-(\d+)(?:-\d+)*")
"""Slices of TPUs: those of the older kinds are counted in cores, two a chip."""
_SLICED = {"v5litepod": ("v5e", 1.0), "v5e": ("v5e", 1.0), "v6e": ("v6e", 1.0)}
_CORES = 2.0


class Device(NamedTuple):
    """What a record names.

    Attributes:
        profile: name of an accelerator; None where none is known.
        each: accelerators of one of it.
        is_sure: whether just one accelerator goes by that name.
    """

    profile: str | None = None
    each: float = 1.0
    is_sure: bool = True


NO_DEVICE = Device()


@cache
def instances() -> Mapping[str, Device]:
    """Return the accelerators of cloud instances by name."""
    return {
        name: Device(profile, float(count))
        for group in read_toml(INSTANCES)["group"]
        for name, (profile, count) in group["instances"].items()
    }


@lru_cache(maxsize=1 << 16)
def find_device(text: str, profiles: tuple[Path, ...] = ()) -> Device:
    """Return what the name of a type, an instance or a SKU means.

    Args:
        text: ``h100``, ``nvidia_a100-sxm4-80gb``, ``p5.48xlarge``, ``Nvidia H100 80GB GPU
            running in Iowa``.
        profiles: folders of accelerator profiles of one's own.
    """
    low = " ".join(text.lower().split())
    known = instances()
    plain = low.replace("_", " ").removeprefix("standard ")
    tokens = [token.removeprefix("ml.") for token in _TOKEN.findall(low)]  # of SageMaker
    for name in (low, plain, *_AZURE.findall(plain), *tokens):
        if name in known:
            return known[name]
    pod = _SLICE.fullmatch(low)
    if pod:
        kind, size = _SLICED.get(pod[1], (pod[1], _CORES))
        return Device(f"tpu-{kind}", float(pod[2]) / size)
    if any(char.isdigit() for char in low):
        found = _named(low.replace("_", " "), profiles)
        if found is not None:
            return found
        if _IS_PART.search(low) and not _NOT_TIME.search(low):
            for part, form in _PART.findall(low):
                found = _named(f"{part}{form}", profiles)
                if found is not None:
                    return found
    return NO_DEVICE


def _named(name: str, profiles: tuple[Path, ...]) -> Device | None:
    if len(name) > 80:
        return None
    found = accelerators_named(name, profiles)
    if not found:
        return None
    try:
        return Device(find_accelerator(name, profiles).name)
    except RequestError:
        usual = min(found, key=lambda each: ("sxm" not in each.name, each.memory_gb.value))
        return Device(usual.name, is_sure=False)
