"""How far a programme's share can be relied on: A, B or C, by rules that anyone can check.

A: every line of R&D compute and every final run was measured or published by the organisation, in
the programme's own unit. C: one of the two sides is a guess, a plan, or something else than R&D
compute. B: all else, which is R&D compute as it was reported, against runs of published sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from computebill.base.errors import RequestError

from .compiled import CompiledProgramme, Outcome
from .followers import FINAL, UNEXPLAINED, Follower
from .lines import ReportedItem
from .spec import Grade, Programme, Run

GRADES: tuple[Grade, ...] = ("A", "B", "C")
HEADLINE: Grade = "B"
"""The last grade that an overview shows by itself."""
UNTOLD = "no final run has a published size: the share cannot be told"
"""The reason of a programme whose final runs, share and rest are not known."""
OWN = ("measured", "published")
"""Marks of figures that are the organisation's own."""
MOST_OF_IT = 0.5
"""Of a side, from which on it is called most of it."""


@dataclass(frozen=True)
class Graded:
    """A programme's grade, what it rests on, and which way its share is bounded.

    Attributes:
        grade: A, B or C.
        reasons: rules that decide it, one a sentence.
        bound: whether the share is no figure but a bound: ``at least``, ``at most``, ``no bound``
            where it may be wrong in both ways; None where it is a figure.
    """

    grade: Grade
    reasons: tuple[str, ...]
    bound: str | None


def graded(compiled: CompiledProgramme) -> Graded:
    """Grade a programme by the rules.

    Raises:
        RequestError: naming ``grade``, where the file states a better one than the rules allow.
    """
    programme = compiled.programme
    outcome = compiled.at_medians()
    doubts = (*_doubts_of_runs(compiled, outcome), *_doubts_of_spend(programme))
    grade: Grade = "C" if doubts else "B"
    reasons: Sequence[str] = doubts
    if not doubts:
        missing = tuple(_not_own(programme))
        grade = "B" if missing else "A"
        reasons = missing or ("both sides are the organisation's own figures, in one unit",)
    stated = programme.grade
    if stated is not None and GRADES.index(stated) < GRADES.index(grade):
        allowed = ", ".join(GRADES[GRADES.index(grade) :])
        raise RequestError("grade", f"got {stated}; allowed by the rules: {allowed}: {reasons[0]}")
    if stated is not None and stated != grade:
        reasons = (f"the file says {stated} where the rules would allow {grade}", *reasons)
    return Graded(stated or grade, tuple(reasons), _bound(programme))


def _bases(programme: Programme) -> list[ReportedItem]:
    return [item for item in programme.reported if item.is_base]


def _doubts_of_spend(programme: Programme) -> Iterator[str]:
    """Yield why the denominator is not R&D compute as it was spent."""
    carried = total = guessed = 0.0
    for item in _bases(programme):
        if item.mismatch is not None:
            yield f"{item.item}: {item.mismatch}"
        if item.status != "spent":
            yield f"{item.item}: {item.status}, not known to be spent"
        if item.at_least or item.at_most:
            yield f"{item.item}: a bound, at {'least' if item.at_least else 'most'}"
        rate = programme.per_usd(item)
        total += item.median / rate
        carried += item.carried / rate
        guessed += item.median / rate if item.mark == "guessed" else 0.0
    if carried > MOST_OF_IT * total:
        yield (
            f"{carried / total:.0%} of R&D compute rests on a share of compute that was reported "
            "for another period"
        )
    if guessed > MOST_OF_IT * total:
        yield f"{guessed / total:.0%} of R&D compute is guessed"


def _doubts_of_runs(compiled: CompiledProgramme, outcome: Outcome) -> Iterator[str]:
    """Yield why the numerator is mostly not known."""
    programme = compiled.programme
    if not any(compiled.counted):
        yield UNTOLD
    for run in _counted(programme):
        if run.unsized == "large":
            yield f"{run.name}: a large run whose size was never published is left out"
    guesses = _guessed(programme)
    sized = zip(programme.runs, outcome.sizes[:, 0].tolist(), strict=True)
    counted = [(run.name, size) for run, size in sized if programme.is_priced(run)]
    final = sum(size for _, size in counted)
    guessed = sum(size for name, size in counted if name in guesses)
    if guessed > MOST_OF_IT * final:
        yield f"{guessed / final:.0%} of the final runs is guessed"


def _guessed(programme: Programme) -> set[str]:
    """Names of runs that are guessed, or a part of a run that is."""
    base_of = {run.name: run.base for run in programme.runs}
    found = {run.name for run in programme.runs if run.mark == "guessed"}
    for run in programme.runs:
        name: str | None = run.name
        while name is not None and name not in found:
            name = base_of[name]
        if name is not None:
            found.add(run.name)
    return found


def _not_own(programme: Programme) -> Iterator[str]:
    """Yield what keeps both sides from being the organisation's own, in one unit."""
    for item in _bases(programme):
        if item.mark not in OWN:
            yield f"{item.item}: {item.mark}, not the organisation's own figure"
    for run in _counted(programme):
        if run.mark not in OWN:
            yield f"{run.name}: {run.mark}, not the organisation's own figure"
        elif getattr(run, programme.counted_in.size) is None:
            yield f"{run.name}: its size is not told in {programme.counted_in.unit}"


def _counted(programme: Programme) -> list[Run]:
    return [run for run in programme.runs if programme.counts(run)]


def bill_bound(programme: Programme, skipped: float) -> str | None:
    """Return which way a follower's bill is bounded: as ``Graded.bound``, but not of the share.

    Args:
        programme: the leader's.
        skipped: part of all else that is not paid: of 1, the bill is of the final runs alone.
    """
    items = _bases(programme) if skipped < 1 else []
    low = any(item.at_least for item in items) or (skipped > 0 and _lacks_large(programme))
    return _direction(low, any(item.at_most for item in items))


def amount_bounds(programme: Programme) -> dict[str, str | None]:
    """Return which way final runs, R&D compute and the rest are bounded: as ``Graded.bound``."""
    items = _bases(programme)
    low, high = (any(getattr(item, key) for item in items) for key in ("at_least", "at_most"))
    lacks = _lacks_large(programme)
    return {
        "final_runs": _direction(lacks, False),
        "rnd_compute": _direction(low, high),
        "exploration": _direction(low, high or lacks),
    }


def kind_bound(programme: Programme, follower: Follower) -> str | None:
    """Return which way the bill of one who follows by kind is bounded: as ``Graded.bound``.

    A large run of unknown size is among what nothing explains: as a final run it would be skipped
    less, or more, as the medians of the two say.
    """
    skips = [skip.median if skip else 0.0 for skip in map(follower.skips.get, (FINAL, UNEXPLAINED))]
    final, unexplained = skips
    lacks = _lacks_large(programme)
    items = _bases(programme) if unexplained < 1 else []
    low = any(item.at_least for item in items) or (lacks and final < unexplained)
    high = any(item.at_most for item in items) or (lacks and final > unexplained)
    return _direction(low, high)


def _bound(programme: Programme) -> str | None:
    items = _bases(programme)
    low = any(item.at_most for item in items) or _lacks_large(programme)
    return _direction(low, any(item.at_least for item in items))


def _lacks_large(programme: Programme) -> bool:
    return any(run.unsized == "large" for run in _counted(programme))


def _direction(low: bool, high: bool) -> str | None:
    if low and high:
        return "no bound"
    return "at least" if low else "at most" if high else None
