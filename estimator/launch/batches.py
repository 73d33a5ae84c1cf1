"""Tokens of a run whose batch grows: Megatron-LM's schedules of batch sizes, and its ramp."""

from __future__ import annotations

from itertools import pairwise

from computebill.base.errors import RequestError
from computebill.base.quantity import parse_number

from .record import Fact, Launch

MOST_PARTS = 1000


def trained_tokens(launch: Launch, sequence: int, batch: float | None) -> float | None:
    """Return the tokens of a run; None where nothing says them.

    Args:
        launch: what its files say.
        sequence: tokens of a sequence.
        batch: sequences of a step, at the end; None where nobody knows.

    Raises:
        RequestError: where a schedule cannot be read.
    """
    if launch.get("tokens"):
        return float(launch.get("tokens"))
    if launch.get("samples"):
        return float(launch.get("samples") * sequence)
    steps = launch.get("steps")
    if not steps or steps < 1 or batch is None:
        return None
    parts = _parts(launch, sequence, batch)
    return float(_sequences(parts, steps) * sequence)


def _parts(launch: Launch, sequence: int, batch: float) -> list[tuple[float, float]]:
    """Return from which sequence on a step has how many."""
    schedule, ramp = launch.facts.get("batch_schedule"), launch.facts.get("batch_rampup")
    if schedule is not None:
        return _scheduled(schedule, sequence)
    if ramp is not None and ramp.value:
        return _ramped(ramp, batch)
    return [(0.0, batch)]


def _scheduled(fact: Fact, sequence: int) -> list[tuple[float, float]]:
    """Read ``0:16 2.4B:320``: a step has so many sequences from so many tokens on."""
    found = []
    for part in str(fact.value).replace(",", " ").split()[:MOST_PARTS]:
        since, colon, size = part.partition(":")
        try:
            tokens, batch = parse_number(since), parse_number(size)
            if not colon or tokens < 0 or batch < 1 or batch % 1:
                raise ValueError
            found.append((tokens / sequence, batch))
        except ValueError:
            problem = f"got {part!r}; allowed: tokens:sequences, as 2.4B:320, from 1 sequence on"
            raise RequestError(fact.said.told, problem) from None
    if not found or found[0][0] or any(a[0] >= b[0] for a, b in pairwise(found)):
        problem = f"got {fact.value!r}; allowed: from 0 on, each later than the one before"
        raise RequestError(fact.said.told, problem)
    return found


def _ramped(fact: Fact, batch: float) -> list[tuple[float, float]]:
    """Read ``16 16 300000``: from 16 by 16 more, evenly over so many sequences."""
    try:
        first, grows, over = (float(each) for each in fact.value)
    except ValueError:
        problem = f"got {' '.join(map(str, fact.value))}; allowed: first, increment, sequences"
        raise RequestError(fact.said.told, problem) from None
    if first < 1 or grows <= 0 or over < 0:
        problem = f"got {' '.join(map(str, fact.value))}; allowed: each above 0"
        raise RequestError(fact.said.told, problem)
    count = int((batch - first) // grows)
    if count < 1 or count > MOST_PARTS * 10:
        return [(0.0, batch)]
    return [(n * over / count, first + n * grows) for n in range(count)] + [(over, batch)]


def _sequences(parts: list[tuple[float, float]], steps: float) -> float:
    """Return the sequences of so many steps."""
    seen, left = 0.0, float(steps)
    for (_, size), (until, _) in pairwise([*parts, (float("inf"), 0.0)]):
        if until == float("inf"):
            break
        taken = min(left, max(0.0, -(-(until - seen) // size)))
        seen += taken * size
        left -= taken
    return seen + left * parts[-1][1]


def last_batch(launch: Launch) -> int | None:
    """Return the sequences of a step at the end of a schedule; None where there is none."""
    schedule = launch.facts.get("batch_schedule")
    return None if schedule is None else int(_scheduled(schedule, 1)[-1][1])
