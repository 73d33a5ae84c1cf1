"""Tokens of runs whose batch grows."""

from __future__ import annotations

from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.launch import Fact, Launch, Said
from computebill.launch.batches import last_batch, trained_tokens

SAID = Said("--x", "a.sh", 3)


def launch(**facts: Any) -> Launch:
    """Launch files that say facts."""
    return Launch(
        "megatron-lm", "Megatron-LM", ("a.sh",), {k: Fact(v, SAID) for k, v in facts.items()}
    )


def stepped(parts: list[tuple[float, int]], sequence: int, steps: int) -> int:
    """Tokens of so many steps, one step after the other."""
    seen = 0
    for _ in range(steps):
        seen += sequence * [size for since, size in parts if since <= seen][-1]
    return seen


@pytest.mark.parametrize("steps", [1, 99, 100, 101, 1234, 5000])
def test_a_schedule_counts_as_one_step_after_the_other(steps: int) -> None:
    told = launch(steps=steps, batch_schedule="0:16 1.5M:320 10M:768")
    parts = [(0.0, 16), (1.5e6, 320), (10e6, 768)]
    assert trained_tokens(told, 1000, 768.0) == stepped(parts, 1000, steps)
    assert last_batch(told) == 768


@pytest.mark.parametrize("steps", [1, 500, 5000])
def test_a_ramp_grows_evenly_over_its_sequences(steps: int) -> None:
    told = launch(steps=steps, batch_rampup=("16", "16", "30000"))
    parts = [(n * 1000 * 30000 / 3, 16 + 16 * n) for n in range(4)]
    assert trained_tokens(told, 1000, 64.0) == stepped(parts, 1000, steps)


def test_samples_and_tokens_are_counted_as_they_stand() -> None:
    assert trained_tokens(launch(samples=10, steps=3), 4096, None) == 40960
    assert trained_tokens(launch(tokens=7e9, steps=3), 4096, 1.0) == 7e9
    assert trained_tokens(launch(steps=-1), 4096, 8.0) is None
    assert trained_tokens(launch(steps=5), 4096, None) is None


@pytest.mark.parametrize(
    "schedule", ["16", "5:16", "0:16 0:32", "0:a", "0:16 9:8 3:2", "0:0", "0:16 1B:-5", "0:1.5"]
)
def test_a_schedule_that_is_none_is_told_with_its_line(schedule: str) -> None:
    with pytest.raises(RequestError, match=r"a\.sh line 3, --x: got"):
        trained_tokens(launch(steps=3, batch_schedule=schedule), 1024, 8.0)


@pytest.mark.parametrize("ramp", [("16", "16"), ("16", "0", "3000"), ("0", "16", "3000"), ("a",)])
def test_a_ramp_that_does_not_grow_is_told_with_its_line(ramp: tuple[str, ...]) -> None:
    with pytest.raises(RequestError, match=r"a\.sh line 3, --x: got"):
        trained_tokens(launch(steps=3, batch_rampup=ramp), 1024, 64.0)
