from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from computebill.uncertainty.draws import Settings
from computebill.uncertainty.side_by_side import FEWEST_DRAWS, in_order

MANY = Settings(FEWEST_DRAWS, 0, "cpu", "sobol")


@pytest.fixture(autouse=True)
def _cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_answers_come_in_the_order_of_their_chunks() -> None:
    def slow_first(chunk: int) -> int:
        time.sleep(0.05 if chunk == 0 else 0)
        return chunk * chunk

    assert list(in_order(slow_first, range(6), MANY)) == [0, 1, 4, 9, 16, 25]


def test_few_draws_stay_on_the_thread_that_asks() -> None:
    few = MANY._replace(samples=FEWEST_DRAWS - 1)
    here = threading.get_ident()
    assert set(in_order(lambda _: threading.get_ident(), range(4), few)) == {here}
    assert here not in in_order(lambda _: threading.get_ident(), range(4), MANY)


def test_no_more_chunks_are_made_than_keep_the_cores_busy() -> None:
    made = []

    def chunks() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    answers = in_order(lambda chunk: chunk, chunks(), MANY)
    assert next(answers) == 0
    assert len(made) <= 4
    answers.close()  # type: ignore[attr-defined]
    assert len(made) <= 4


def test_what_goes_wrong_in_a_chunk_is_told() -> None:
    def broken(chunk: int) -> int:
        if chunk == 3:
            raise ValueError("of chunk 3")
        return chunk

    with pytest.raises(ValueError, match="of chunk 3"):
        list(in_order(broken, range(6), MANY))
