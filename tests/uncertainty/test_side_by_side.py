from __future__ import annotations

import itertools
import threading
import time

import pytest
import torch

from computebill.uncertainty.draws import Settings
from computebill.uncertainty.side_by_side import FEWEST_DRAWS, in_order

MANY = Settings(FEWEST_DRAWS)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


def slow_first(chunk: int) -> int:
    time.sleep(0.02 if chunk % 2 == 0 else 0.0)
    return chunk**2


@pytest.mark.usefixtures("two_cores")
def test_results_keep_the_order_of_chunks() -> None:
    assert list(in_order(slow_first, range(9), MANY)) == [n**2 for n in range(9)]


@pytest.mark.usefixtures("two_cores")
def test_two_are_worked_out_at_a_time() -> None:
    both = threading.Barrier(2, timeout=10)  # breaks unless two arrive together
    assert list(in_order(lambda chunk: both.wait() >= 0, range(6), MANY)) == [True] * 6


@pytest.mark.usefixtures("two_cores")
def test_few_chunks_are_ahead_of_the_caller() -> None:
    made = itertools.count()
    numbers = (next(made) for _ in range(100))
    results = in_order(slow_first, numbers, MANY)
    assert [next(results) for _ in range(20)] == [n**2 for n in range(20)]
    assert next(made) <= 20 + 2


@pytest.mark.usefixtures("two_cores")
def test_an_error_is_raised_where_its_chunk_stands() -> None:
    def refuse(chunk: int) -> int:
        if chunk == 3:
            raise ValueError("chunk 3")
        return chunk

    found = []
    with pytest.raises(ValueError, match="chunk 3"):
        found.extend(in_order(refuse, range(9), MANY))
    results = in_order(refuse, range(9), MANY)
    assert [next(results) for _ in range(3)] == [0, 1, 2]


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("chosen", [MANY._replace(samples=64), MANY._replace(device="cuda")])
def test_few_draws_and_other_devices_stay_in_one_thread(chosen: Settings) -> None:
    here = threading.get_ident()
    assert set(in_order(lambda _: threading.get_ident(), range(4), chosen)) == {here}
