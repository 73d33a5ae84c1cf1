from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ideal import tensor

from computebill.kernels import collectives
from computebill.kernels.collectives import Links

LINKS = Links(*map(tensor, (450e9, 50e9, 8.0, 1e-6, 1e-5)))


def test_a_group_inside_a_domain_uses_its_links() -> None:
    found = collectives.group(LINKS, tensor(8.0), tensor(1.0))
    assert float(found.bytes_per_s) == 450e9
    assert float(found.ring) == pytest.approx(7e-6)
    assert float(found.tree) == pytest.approx(3e-6)


@pytest.mark.parametrize(
    ("ranks", "stride", "cards"),
    # One member a node uses one card; eight use eight, together 400 of the links' 450.
    [(16, 8, 1), (16, 1, 8), (16, 4, 2), (64, 2, 4)],
)
def test_a_group_that_spans_domains_uses_the_cards_of_its_members(
    ranks: float, stride: float, cards: int
) -> None:
    found = collectives.group(LINKS, tensor(float(ranks)), tensor(float(stride)))
    assert float(found.bytes_per_s) == min(450e9, cards * 50e9)
    # A ring goes from domain to domain as often as there are others.
    domains = ranks / cards
    hops = (ranks - domains) * 1e-6 + (domains - 1) * 1e-5
    assert float(found.ring) == pytest.approx(hops)
    assert float(found.tree) < float(found.ring)


def test_a_tree_has_hops_between_domains_and_inside_them() -> None:
    # 64 ranks on eight nodes of eight: three doublings inside a node, three of nodes.
    found = collectives.group(LINKS, tensor(64.0), tensor(1.0))
    assert float(found.tree) == pytest.approx(3 * 1e-6 + 3 * 1e-5)


@given(st.integers(2, 64), st.floats(1e3, 1e10))
def test_rings_move_what_thakur_et_al_say(ranks: int, size: float) -> None:
    each = collectives.Group(tensor(float(ranks)), tensor(1e11), tensor(0.0), tensor(0.0))
    gather = float(collectives.gather_seconds(each, tensor(size)))
    assert gather == pytest.approx((ranks - 1) / ranks * size / 1e11)
    assert float(collectives.reduce_seconds(each, tensor(size))) == pytest.approx(2 * gather)


def test_one_rank_sends_nothing() -> None:
    each = collectives.group(LINKS, tensor(1.0), tensor(1.0))
    assert float(collectives.gather_seconds(each, tensor(1e9))) == 0
    for once in (0.0, 1.0):
        assert exchange(1, 8, once) == 0


def test_what_has_no_bytes_takes_no_hops() -> None:
    each = collectives.group(LINKS, tensor(8.0), tensor(1.0))
    for seconds in (collectives.gather_seconds, collectives.reduce_seconds):
        assert float(seconds(each, tensor(0.0))) == 0
        assert float(seconds(each, tensor(1.0))) > 1e-6


def test_each_message_goes_around_the_ring() -> None:
    each = collectives.group(LINKS, tensor(8.0), tensor(1.0))
    moved = 7 / 8 * 1e9 / 450e9
    found = float(collectives.gather_seconds(each, tensor(1e9), tensor(32.0)))
    assert found == pytest.approx(moved + 32 * 7e-6)


# Tokens on their way to experts.

HOPLESS = LINKS._replace(latency=tensor(0.0), latency_across=tensor(0.0))


def exchange(
    ranks: int, copies: int, once: float, links: Links = HOPLESS, stride: float = 1.0
) -> float:
    """Seconds in which each of some ranks sends 1 GB of tokens, each to so many experts."""
    group = collectives.ExpertRanks(tensor(float(ranks)), tensor(stride), tensor(once))
    size, chosen = tensor(1e9), tensor(float(copies))
    return float(collectives.exchange_seconds(links, group, size, chosen))


def test_a_token_goes_to_a_rank_once_or_as_often_as_it_has_experts_there() -> None:
    # Eight experts at random of eight ranks are on 5.25 distinct ones: 8 (1 - (7 / 8)^8).
    assert exchange(8, 8, 0.0) == pytest.approx(7 / 8 * 8 * 1e9 / 450e9)
    assert exchange(8, 8, 1.0) == pytest.approx(7 / 8 * 5.2511 * 1e9 / 450e9, rel=1e-4)
    # One copy goes once, either way.
    assert exchange(8, 1, 0.0) == pytest.approx(exchange(8, 1, 1.0))


def simulated(domains: int, members: int, copies: int, once: bool) -> float:
    """Seconds of a rank's busier link, of tokens with experts on ranks at random."""
    generator = torch.Generator().manual_seed(0)
    ranks = domains * members
    chosen = torch.randint(0, ranks, (100_000, copies), generator=generator)
    on_rank = torch.stack([(chosen == rank).sum(1) for rank in range(ranks)], 1).double()
    on_domain = on_rank.reshape(-1, domains, members).sum(2)
    if once:
        on_rank, on_domain = on_rank.clamp_max(1), on_domain.clamp_max(1)
    across = float(on_domain[:, 1:].sum(1).mean())
    # Sent to a domain once, a token comes to the rank of the sender's own place and goes on.
    inside = on_rank[:, 1:members].sum(1)
    if once:
        inside = on_rank.reshape(-1, domains, members)[:, :, 1:].sum((1, 2))
    return max(float(inside.mean()) * 1e9 / 450e9, across * 1e9 / 50e9)


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize(("domains", "copies"), [(1, 8), (4, 8), (4, 2), (2, 1)])
def test_links_carry_what_tokens_at_random_need(domains: int, copies: int, once: bool) -> None:
    found = exchange(8 * domains, copies, float(once))
    assert found == pytest.approx(simulated(domains, 8, copies, once), rel=0.01)


def test_forwarding_inside_a_domain_may_be_the_slower_part() -> None:
    # A network as fast as NVLink: 32 ranks hold 7.18 distinct of 8 copies, an eighth of them
    # where the network brings them; 3 (1 - (3 / 4)^8) of other domains are 2.70.
    fast = HOPLESS._replace(across=tensor(450e9))
    distinct = 32 * (1 - (31 / 32) ** 8)
    assert exchange(32, 8, 1.0, fast) == pytest.approx(distinct * 7 / 8 * 1e9 / 450e9)


def test_ranks_that_lie_apart_share_a_domain_with_fewer() -> None:
    # Of eight ranks four apart, two are in each domain of eight.
    assert exchange(8, 1, 0.0, stride=4.0) == pytest.approx(6 / 8 * 1e9 / 50e9)


def test_an_exchange_waits_for_one_hop_of_its_farthest_links() -> None:
    assert exchange(8, 1, 0.0, LINKS) - exchange(8, 1, 0.0) == pytest.approx(1e-6)
    assert exchange(16, 1, 0.0, LINKS) - exchange(16, 1, 0.0) == pytest.approx(1e-5)
