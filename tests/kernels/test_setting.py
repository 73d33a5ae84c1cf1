from __future__ import annotations

from ideal import setting


def test_ranks_that_share_a_sequence_have_a_part_of_its_tokens() -> None:
    given = setting(layout={"micro_batch": 2, "context": 4}, work={"sequence": 8192})
    assert float(given.tokens) == 2 * 8192 / 4


def test_links_and_memory_reach_a_part_of_their_datasheet() -> None:
    given = setting(
        links={"inside": 450e9, "across": 50e9, "latency": 1e-6},
        device={"bytes_per_s": 3e12},
        efficiency={"inside": 0.8, "across": 0.5, "memory": 0.9},
    )
    assert float(given.reached.inside) == 360e9
    assert float(given.reached.across) == 25e9
    assert float(given.bandwidth) == 2.7e12
    # Hops take what they take, and the datasheet stays what it is.
    assert float(given.reached.latency) == 1e-6
    assert float(given.links.inside) == 450e9
