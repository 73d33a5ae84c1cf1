"""What answering requests takes on an accelerator: prompts read, answers written.

``serving.toml`` holds the few constants, fitted to published throughputs, and how far off they are.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

import torch
from torch import Tensor

from computebill.architectures import Architecture
from computebill.architectures.sources import find_source
from computebill.hardware.accelerators import (
    LINK_BYTES_PER_S,
    Accelerator,
    domain_size,
    peak_flop_per_s,
)
from computebill.hardware.generations import reach
from computebill.kernels import serving
from computebill.kernels.serving import Served, Server

from .memory import GB
from .shapes import shape_of
from .software import number_format

KEY_WIDTH = 8 * 128
"""Of the keys of a layer, where only a model's size is known."""

RANKS = (1, 2, 4, 8, 16, 32, 64)
"""Accelerators that hold a copy; the fastest of these is taken."""

BYTES = {"16": (2.0, 2.0), "nvfp4": (0.5625, 1.0), "tf32": (4.0, 2.0), "fp32": (4.0, 4.0)}
"""Of a weight and of a cached element; of 8 bits one each."""


class Constants(NamedTuple):
    """Of the serving model.

    Attributes:
        computing: share of the peak that large products reach.
        reading: share of the memory's bandwidth.
        linking: share of the links' bandwidth.
        memory: share of the memory that weights and cache may take.
        launch: seconds that a layer takes at least.
        latency: seconds of an exchange between accelerators.
        most: sequences of a batch, where nobody says.
        low: 5th percentile of measured over predicted throughput.
        high: 95th percentile.
    """

    computing: float
    reading: float
    linking: float
    memory: float
    launch: float
    latency: float
    most: float
    low: float
    high: float


@lru_cache(maxsize=1)
def constants() -> Constants:
    """Return the constants that ship."""
    text = resources.files(__package__).joinpath("serving.toml").read_text(encoding="utf-8")
    return Constants(**tomllib.loads(text)["constants"])


def served_sizes(params: Tensor, active: Tensor, precision: str) -> Served:
    """Return models of which only the sizes are known, shaped as Llama models are."""
    sizes, place = torch.unique(active, return_inverse=True)
    if len(sizes) > 512:
        # Shapes go in steps anyway; so many are near enough.
        ends = (float(sizes[0].log()), float(sizes[-1].log()))
        sizes = torch.linspace(*ends, 512, dtype=torch.float64, device=active.device).exp()
        place = torch.searchsorted(sizes, active).clamp(max=511)
    shapes = [shape_of(size) for size in sizes.tolist()]

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=active.device)[place]

    # Eight heads of 128, as nearly all models since 2023, whatever divides this shape's heads.
    cache = [2.0 * each.depth * min(each.width, KEY_WIDTH) for each in shapes]
    return Served(
        params=params,
        active=active,
        layers=column([float(each.depth) for each in shapes]),
        hidden=column([float(each.width) for each in shapes]),
        cache=column(cache),
        **element_bytes(precision),
    )


def cache_elements(source: str | Mapping[str, Any]) -> float:
    """Return the elements of keys and values that a configuration's model keeps of a token.

    Of latent attention (DeepSeek-AI 2024, arXiv:2405.04434) the compressed vector and the rotated
    key; windows are not looked at.
    """
    fields = source if isinstance(source, Mapping) else find_source(source).fields
    for inner in ("text_config", "llm_config", "language_config"):
        nested = fields.get(inner)
        fields = nested if isinstance(nested, dict) else fields
    layers = float(fields.get("num_hidden_layers") or fields.get("n_layer") or 0)
    latent = fields.get("kv_lora_rank")
    if latent:
        return layers * (float(latent) + float(fields.get("qk_rope_head_dim") or 0))
    hidden = float(fields.get("hidden_size") or fields.get("n_embd") or 0)
    heads = float(fields.get("num_attention_heads") or fields.get("n_head") or 1)
    key_heads = float(fields.get("num_key_value_heads") or heads)
    return 2.0 * layers * key_heads * float(fields.get("head_dim") or hidden / heads)


def element_bytes(precision: str) -> dict[str, Tensor]:
    """Return the bytes of a weight and of a cached element."""
    weight, cached = BYTES.get(number_format(precision), (1.0, 1.0))
    return {
        "weight_bytes": torch.tensor(weight, dtype=torch.float64),
        "cache_bytes": torch.tensor(cached, dtype=torch.float64),
    }


def make_server(
    accelerator: Accelerator, precision: str, ranks: float, used: Constants | None = None
) -> Server:
    """Return so many accelerators that hold one copy of a model."""
    used = used or constants()
    links = accelerator.links
    inside = links.inside.bandwidth_gb_s
    across = links.across.bandwidth_gb_s
    link = inside if ranks <= domain_size(accelerator) else across

    def one(value: float) -> Tensor:
        return torch.tensor(value, dtype=torch.float64)

    return Server(
        ranks=one(ranks),
        flop_per_s=one(
            used.computing * reach(accelerator) * peak_flop_per_s(accelerator, precision)
        ),
        bytes_per_s=one(used.reading * accelerator.memory_bandwidth_gb_s.value * GB),
        memory=one(used.memory * accelerator.memory_gb.value * GB),
        link_bytes_per_s=one(used.linking * (link.value * GB if link else LINK_BYTES_PER_S)),
        latency=one(used.latency),
        launch=one(used.launch),
    )


class Requests(NamedTuple):
    """Requests that are answered; ``(experiments,)`` each.

    Attributes:
        prompt: tokens read.
        answer: tokens written.
        most: sequences of a batch on one copy; NaN takes the usual.
        tail: longest over mean answer, where all are waited for.
        at_once: requests that there are at a time for each accelerator; without a limit if None.
    """

    prompt: Tensor
    answer: Tensor
    most: Tensor
    tail: Tensor
    at_once: Tensor | None = None


def as_architecture(served: Served, architecture: Architecture, cache: float) -> Served:
    """Return models with the layers and the width of one architecture.

    Args:
        served: by their sizes.
        architecture: that they have.
        cache: elements of keys and values that it keeps of a token.
    """
    layers, hidden = float(architecture.layer_count), float(architecture.hidden)
    return served._replace(
        layers=torch.full_like(served.layers, layers),
        hidden=torch.full_like(served.hidden, hidden),
        cache=torch.full_like(served.cache, cache),
    )


class Copy(NamedTuple):
    """One copy of a model that answers requests.

    Attributes:
        ranks: accelerators that hold it.
        copies: of it, on all accelerators; NaN where nobody says how many there are.
        batch: sequences that it writes at once.
        memory_gb: of weights and cache on one accelerator, that batch at its mean length [GB].
        seconds: of a request, times the accelerators that are held for it [s].
    """

    ranks: int
    copies: float
    batch: float
    memory_gb: float
    seconds: float


def fastest_copy(
    served: Served,
    accelerator: Accelerator,
    precision: str,
    requests: Requests,
    accelerators: float = math.nan,
) -> Copy:
    """Return the copy that takes the least accelerator time of a request; infinite if none fits.

    Args:
        served: one model.
        accelerator: the part.
        precision: of products and weights.
        requests: of one row; what waits is shared by whole copies.
        accelerators: how many there are, those that no whole copy takes idle; any if NaN.
    """
    found = []
    for ranks in RANKS:
        copies = math.floor(accelerators / ranks) if accelerators >= 1 else math.nan
        if copies == 0:
            continue
        held = accelerators / (ranks * copies) if copies > 0 else 1.0
        found.append(_copy(served, make_server(accelerator, precision, ranks), requests, held))
        found[-1] = found[-1]._replace(copies=copies)
    return min(found, key=lambda copy: copy.seconds)


def _copy(served: Served, server: Server, requests: Requests, held: float) -> Copy:
    """Return a copy on some ranks.

    Args:
        served: one model.
        server: accelerators that hold it.
        requests: of one row.
        held: accelerators that there are, over those that copies take.
    """
    prompt, answer, most, tail, at_once = requests
    most = torch.where(most.isnan(), constants().most, most)
    if at_once is not None:
        most = torch.minimum(most, at_once * server.ranks * held)
    context = prompt + answer / 2.0
    batch = torch.minimum(torch.floor(serving.largest_batch(served, server, context)), most)
    kept = batch * served.cache * served.cache_bytes * context
    size = (served.params * served.weight_bytes + kept) / server.ranks
    seconds = serving.request_seconds(served, server, prompt, answer, most, tail) * held
    return Copy(int(server.ranks), math.nan, float(batch), float(size) / GB, float(seconds))


def reading_seconds(
    served: Served, accelerator: Accelerator, precision: str, length: Tensor
) -> Tensor:
    """Accelerator-seconds of a token on its way through a model's forward pass.

    Args:
        served: the models.
        accelerator: the part.
        precision: of products and weights.
        length: tokens of a sequence.

    Returns:
        seconds; infinite where no number of ranks holds the model.
    """
    one = torch.ones_like(length)
    requests = Requests(length, torch.zeros_like(length), one, one)
    return request_seconds(served, accelerator, precision, requests) / length


def request_seconds(
    served: Served, accelerator: Accelerator, precision: str, requests: Requests
) -> Tensor:
    """Accelerator-seconds of a request on the number of ranks that takes fewest.

    Args:
        served: the models.
        accelerator: the part.
        precision: of products and weights.
        requests: what is read and written.

    Returns:
        seconds; infinite where no number of ranks holds the model.
    """
    prompt, answer, most, tail, at_once = requests
    most = torch.where(most.isnan(), constants().most, most)
    found = []
    for ranks in RANKS:
        server = make_server(accelerator, precision, ranks)
        own = most if at_once is None else torch.minimum(most, at_once * ranks)
        found.append(serving.request_seconds(served, server, prompt, answer, own, tail))
    least = found[0]
    for each in found[1:]:
        least = torch.minimum(least, each)
    return least
