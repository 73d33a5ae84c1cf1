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


@given(st.integers(2, 64), st.floats(1e3, 1e10))
def test_rings_move_what_thakur_et_al_say(ranks: int, size: float) -> None:
    each = collectives.Group(tensor(float(ranks)), tensor(1e11), tensor(0.0), tensor(0.0))
    gather = float(collectives.gather_seconds(each, tensor(size)))
    assert gather == pytest.approx((ranks - 1) / ranks * size / 1e11)
    assert float(collectives.reduce_seconds(each, tensor(size))) == pytest.approx(2 * gather)


def test_one_rank_sends_nothing() -> None:
    each = collectives.group(LINKS, tensor(1.0), tensor(1.0))
    assert float(collectives.gather_seconds(each, tensor(1e9))) == 0
    ones = (tensor(1.0), tensor(1.0), tensor(1e9), tensor(8.0))
    assert float(collectives.exchange_seconds(LINKS, *ones)) == 0


def test_tokens_go_to_another_domain_once() -> None:
    # 4 domains; the expected number of other domains that 8 random copies reach, by simulation.
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(0, 4, (200_000, 8), generator=generator)
    reached = sum(float((chosen == other).any(1).double().mean()) for other in (1, 2, 3))
    links = LINKS._replace(latency_across=tensor(0.0))
    found = collectives.exchange_seconds(links, tensor(32.0), tensor(1.0), tensor(1e9), tensor(8.0))
    assert float(found) == pytest.approx(reached * 1e9 / 50e9, rel=0.01)
