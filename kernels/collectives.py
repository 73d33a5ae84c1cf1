"""Time of collectives over groups that lie inside a scale-up domain, or span several.

References:
    Thakur et al. 2005, "Optimization of Collective Communication Operations in MPICH" (ring).
    NVIDIA, nccl-tests, PERFORMANCE.md (bus bandwidth).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Links(NamedTuple):
    """What connects accelerators; every field ``(*batch)``.

    Attributes:
        inside: bandwidth of one accelerator inside its domain [B/s a direction].
        across: bandwidth of its network card [B/s a direction].
        domain: number of accelerators of a domain.
        latency: time of a hop inside a domain [s].
        latency_across: time of a hop between domains [s].
    """

    inside: Tensor
    across: Tensor
    domain: Tensor
    latency: Tensor
    latency_across: Tensor


class Group(NamedTuple):
    """A group of ranks; every field ``(*batch)``.

    Attributes:
        ranks: how many.
        bytes_per_s: bandwidth at which each of them sends and receives [B/s].
        ring: seconds of all hops of a ring.
        tree: seconds of all hops of a tree, one way.
    """

    ranks: Tensor
    bytes_per_s: Tensor
    ring: Tensor
    tree: Tensor


def group(links: Links, ranks: Tensor, stride: Tensor) -> Group:
    """A group of ranks that lie ``stride`` accelerators apart.

    Ranks of a group that share a domain use all their network cards together: a ring enters and
    leaves a domain once, on as many cards as it has members there.

    Args:
        links: between accelerators.
        ranks: number of ranks of the group.
        stride: accelerators from one of its ranks to the next.
    """
    members = (links.domain / stride).clamp_min(1.0).minimum(ranks)
    outside = torch.minimum(links.inside, members * links.across)
    is_inside = ranks * stride <= links.domain
    domains = torch.where(is_inside, 1.0, ranks / members)
    return Group(
        ranks=ranks,
        bytes_per_s=torch.where(is_inside, links.inside, outside),
        ring=(ranks - domains) * links.latency + (domains - 1) * links.latency_across,
        tree=torch.log2((ranks / domains).clamp_min(1.0)) * links.latency
        + torch.log2(domains.clamp_min(1.0)) * links.latency_across,
    )


def gather_seconds(each: Group, size: Tensor, messages: Tensor | float = 1.0) -> Tensor:
    r"""All-gather, or reduce-scatter, of ``size`` bytes: :math:`(n - 1) / n \cdot S / B`.

    Args:
        each: the group.
        size: bytes of what is gathered.
        messages: number of messages that it is gathered in: each goes around the ring.

    References:
        Thakur et al. 2005, section 3.1 (ring).
    """
    moved = size * (each.ranks - 1) / each.ranks / each.bytes_per_s
    return torch.where((each.ranks > 1) & (size > 0), moved + messages * each.ring, 0.0)


def reduce_seconds(each: Group, size: Tensor) -> Tensor:
    """All-reduce of ``size`` bytes: a reduce-scatter and an all-gather, or a tree up and down.

    References:
        NVIDIA, "Massively Scale Your Deep Learning Training with NCCL 2.4" (trees).
    """
    moved = size * (each.ranks - 1) / each.ranks / each.bytes_per_s
    hops = torch.minimum(each.ring, each.tree)
    return torch.where((each.ranks > 1) & (size > 0), 2.0 * (moved + hops), 0.0)


class ExpertRanks(NamedTuple):
    """Ranks that experts are divided over; every field ``(*batch)``.

    Attributes:
        number: how many.
        stride: accelerators from one of them to the next.
        sends_once: 1 where a token goes to a rank once, and to another domain once, however many
            of its experts are there (DeepEP); 0 where each copy goes by itself (plain all-to-all).
    """

    number: Tensor
    stride: Tensor
    sends_once: Tensor


def exchange_seconds(links: Links, ranks: ExpertRanks, size: Tensor, copies: Tensor) -> Tensor:
    r"""All-to-all of tokens, each to :math:`k` experts on ranks at random.

    Plain, every one of :math:`k` copies goes to one of :math:`n` ranks, :math:`m` of them in the
    token's own domain. Sent once, a token goes to :math:`(D - 1)(1 - (1 - 1 / D)^k)` of
    :math:`D` other domains, and inside domains to :math:`n (1 - (1 - 1 / n)^k)` distinct ranks.

    Args:
        links: between accelerators.
        ranks: of the group.
        size: bytes of one copy of all of a rank's tokens.
        copies: number of copies of each token, :math:`k`.

    References:
        Zhao et al. 2025, DeepEP (tokens are forwarded inside the node that they are sent to).
    """
    count, stride, sends_once = ranks
    members = (links.domain / stride).clamp_min(1.0).minimum(count)
    domains = (count / members).clamp_min(1.0)
    distinct = count * (1 - (1 - 1 / count) ** copies)
    reached = (domains - 1) * (1 - (1 - 1 / domains) ** copies)
    is_once = sends_once > 0
    inside = torch.where(
        is_once, distinct * (members - 1) / members, copies * (members - 1) / count
    )
    across = torch.where(is_once, reached, copies * (count - members) / count)
    slower = torch.maximum(size * inside / links.inside, size * across / links.across)
    latency = torch.where(count > members, links.latency_across, links.latency)
    return torch.where(count > 1, slower + latency, 0.0)
