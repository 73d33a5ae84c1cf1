"""Time of generating tokens: prompts are read at once, answers are written token by token.

Reading a prompt is bound by computing, writing by the weights and the keys and values that each
step reads: a step of a small batch takes as long as reading the weights, of a large one as long as
its products.

References:
    Pope et al. 2022, "Efficiently Scaling Transformer Inference", arXiv:2211.05102, section 2 and
    appendix; the same roofline of bytes and FLOP.
    Yuan et al. 2024, "LLM Inference Unveiled: Survey and Roofline Model Insights",
    arXiv:2402.16363.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .constants import number

BYTES_ACROSS = number("serving.BYTES_ACROSS")
"""Size of an activation's element on its way between ranks [B]."""


class Served(NamedTuple):
    """A model as it answers; all broadcast with each other.

    Attributes:
        params: number of parameters.
        active: number of parameters that one token meets.
        layers: number of layers.
        hidden: width of the residual stream.
        cache: elements of keys and values kept of a token, over all layers.
        weight_bytes: size of a parameter [B].
        cache_bytes: size of a cached element [B].
    """

    params: Tensor
    active: Tensor
    layers: Tensor
    hidden: Tensor
    cache: Tensor
    weight_bytes: Tensor
    cache_bytes: Tensor


class Server(NamedTuple):
    """Accelerators that hold one copy of the model; all broadcast with what is served.

    Attributes:
        ranks: number of tensor parallel accelerators.
        flop_per_s: speed of one that large products reach [FLOP/s].
        bytes_per_s: bandwidth of one's memory that is reached [B/s].
        memory: memory of one that weights and cache may take [B].
        link_bytes_per_s: bandwidth between ranks [B/s].
        latency: time of an exchange between ranks, whatever its size [s].
        launch: time that a layer takes at least [s].
    """

    ranks: Tensor
    flop_per_s: Tensor
    bytes_per_s: Tensor
    memory: Tensor
    link_bytes_per_s: Tensor
    latency: Tensor
    launch: Tensor


def touched_params(served: Served, tokens: Tensor) -> Tensor:
    r"""Parameters that so many tokens meet together: :math:`S + (P-S)(1-(1-f)^t)`.

    Each token chooses its experts by itself. Half of what a token meets is taken to be shared by
    all, S, as in DeepSeek-V3 and Qwen3's mixtures; :math:`f=(a-S)/(P-S)`. Of a dense model it is
    all.
    """
    shared = served.active / 2.0
    share = ((served.active - shared) / (served.params - shared)).clamp(max=1.0)
    return shared + (served.params - shared) * (1.0 - (1.0 - share) ** tokens)


def largest_batch(served: Served, server: Server, context: Tensor) -> Tensor:
    """Sequences of a mean context, in tokens, that fit beside the weights; below one: none does.

    Args:
        served: the model.
        server: accelerators that hold it.
        context: tokens that a sequence has in the cache, on average.
    """
    room = server.memory * server.ranks - served.params * served.weight_bytes
    # Ranks hold whole heads; what a small model's cache takes may not matter at all.
    each = (served.cache * served.cache_bytes * context).clamp_min(1.0)
    return (room / each).clamp_min(0.0)


def decode_seconds(served: Served, server: Server, batch: Tensor, context: Tensor) -> Tensor:
    r"""Seconds of a step that writes one token of each sequence of a batch.

    .. math:: \max\left(\frac{W + b c k}{r\beta}, \frac{b(2A + 4Lhc)}{r\varphi}, L t_0\right)
        + 2L\left(\lambda + \frac{2(r-1)}{r}\frac{2bh}{\ell}\right)_{r>1}

    weights touched W, batch b, context c, cache k, ranks r, active parameters A, layers L,
    hidden h.
    """
    weights = touched_params(served, batch) * served.weight_bytes
    cached = batch * context * served.cache * served.cache_bytes
    reading = (weights + cached) / (server.ranks * server.bytes_per_s)
    flop = batch * (2.0 * served.active + 4.0 * served.layers * served.hidden * context)
    computing = flop / (server.ranks * server.flop_per_s)
    launching = served.layers * server.launch
    busy = torch.maximum(torch.maximum(reading, computing), launching)
    return busy + _exchange(served, server, batch)


def prefill_seconds(served: Served, server: Server, tokens: Tensor, length: Tensor) -> Tensor:
    """Seconds of reading so many tokens of prompts, each of a length.

    A token attends half of its prompt on average: 2 L h FLOP for each of its tokens.
    """
    flop = tokens * (2.0 * served.active + 2.0 * served.layers * served.hidden * length)
    return flop / (server.ranks * server.flop_per_s) + tokens * _exchange_per_token(served, server)


def _exchange(served: Served, server: Server, tokens: Tensor) -> Tensor:
    """Two sums over ranks a layer: after attention and after the feed-forward layer."""
    waiting = torch.where(server.ranks > 1, 2.0 * served.layers * server.latency, 0.0)
    return waiting + tokens * _exchange_per_token(served, server)


def _exchange_per_token(served: Served, server: Server) -> Tensor:
    sent = 2.0 * (server.ranks - 1.0) / server.ranks * served.hidden * BYTES_ACROSS
    return 2.0 * served.layers * sent / server.link_bytes_per_s


def request_seconds(
    served: Served,
    server: Server,
    prompt: Tensor,
    answer: Tensor,
    most: Tensor,
    tail: Tensor,
) -> Tensor:
    """Accelerator-seconds of a request, with the batch full; infinite where nothing fits.

    Requests follow each other without a gap, but for a tail: where all answers are waited for, the
    longest is so many times the mean, and the batch that is left is as many times smaller.

    Args:
        served: the model.
        server: accelerators that hold it.
        prompt: tokens read.
        answer: tokens written; may be zero.
        most: sequences of a batch at most, on one copy.
        tail: longest over mean answer, where a batch waits for it; else 1.

    Returns:
        seconds of one accelerator, times the ranks that hold a copy.
    """
    context = prompt + answer / 2.0
    fitting = largest_batch(served, server, context)
    # A batch of one is what is left where less would fit.
    batch = torch.minimum(torch.floor(fitting), most) / tail
    step = decode_seconds(served, server, batch.clamp_min(1e-9), context)
    writing = torch.where(answer > 0, answer * step / batch.clamp_min(1e-9), 0.0)
    reading = prefill_seconds(served, server, prompt, prompt)
    seconds = (reading + writing) * server.ranks
    return torch.where(fitting >= 1.0, seconds, torch.inf)
