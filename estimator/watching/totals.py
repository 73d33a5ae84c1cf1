"""What a run has done so far: tokens, time, what was lost, and the updates' usual speed."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from computebill.base.errors import RequestError, shown

from .pace import Left, Pace

STALL = 3.0
"""Times the usual seconds a token from which an update counts as a stall."""
RECENT = 32
"""Updates whose median is the usual speed."""
FEWEST = 8
"""Updates from which there is a usual speed."""


@dataclass
class Counts:
    """Sums over updates; a program that starts again goes on from them.

    Attributes:
        updates: optimizer steps, those done again included.
        tokens: tokens that count: of updates done again, once.
        tokens_computed: tokens of all updates.
        seconds: time of updates [s].
        other_seconds: time between them: evaluation, checkpoints, restarts [s].
        stalled_seconds: of the updates' time, what stalls took beyond the usual [s].
        again_seconds: of the updates' time, that of updates done again [s].
        steady_tokens: tokens of updates that are neither among the first nor stalled.
        steady_seconds: time of those [s].
        stalls: updates that took over three times the usual.
        restarts: times that the run went back, or its program started again.
        last_step: number of the last update.
        furthest_step: largest number of any.
    """

    updates: int = 0
    tokens: float = 0.0
    tokens_computed: float = 0.0
    seconds: float = 0.0
    other_seconds: float = 0.0
    stalled_seconds: float = 0.0
    again_seconds: float = 0.0
    steady_tokens: float = 0.0
    steady_seconds: float = 0.0
    stalls: int = 0
    restarts: int = 0
    last_step: int = 0
    furthest_step: int = 0


class Totals:
    """Sums, the recent updates, and the pace.

    Args:
        leave_out: first updates of a program, whose time compiles and warms up.
    """

    def __init__(self, leave_out: int) -> None:
        self.counts = Counts()
        self._leave_out = leave_out
        self._since_start = 0
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._pace = Pace()

    @property
    def wall_seconds(self) -> float:
        """Time that the cluster was held [s]."""
        return self.counts.seconds + self.counts.other_seconds

    @property
    def goodput(self) -> float | None:
        """Share of the time in which the run went on; None before any."""
        counts = self.counts
        if not self.wall_seconds:
            return None
        lost = counts.stalled_seconds + counts.again_seconds
        return max(0.0, counts.seconds - lost) / self.wall_seconds

    def left(self, tokens: float) -> Left | None:
        """Return the time that tokens take at this pace; None before it is known."""
        return self._pace.left(tokens)

    def add(self, step: int, tokens: float, seconds: float, other_seconds: float) -> float | None:
        """Add an update.

        Returns:
            Its tokens where its speed says what the run reaches: not of the first, nor stalled.
        """
        counts = self.counts
        if step <= counts.last_step:
            counts.restarts += 1
        is_new = step > counts.furthest_step
        counts.last_step = step
        counts.furthest_step = max(step, counts.furthest_step)
        counts.updates += 1
        counts.tokens_computed += tokens
        counts.seconds += seconds
        counts.other_seconds += other_seconds
        if is_new:
            counts.tokens += tokens
        else:
            counts.again_seconds += seconds
        self._since_start += 1
        if self._since_start <= self._leave_out:
            return None
        self._pace.add(tokens if is_new else 0.0, seconds + other_seconds)
        usual = median(self._recent) if len(self._recent) >= FEWEST else None
        self._recent.append(seconds / tokens)
        if usual is not None and seconds > STALL * usual * tokens:
            counts.stalls += 1
            if is_new:
                counts.stalled_seconds += seconds - usual * tokens
            return None
        counts.steady_tokens += tokens
        counts.steady_seconds += seconds
        return tokens

    def add_lost(self, seconds: float) -> None:
        """Add time that the cluster was held while nothing trained [s]."""
        self.counts.other_seconds += seconds
        self._pace.add(0.0, seconds)

    def state(self) -> dict[str, Any]:
        """Return what totals go on from, as JSON has it."""
        return {"counts": asdict(self.counts), "pace": self._pace.state()}

    def go_on(self, state: Mapping[str, Any], name: str) -> None:
        """Go on from the totals of a program before, which counts as a restart.

        Raises:
            RequestError: naming the file, where it does not hold them.
        """
        try:
            none = asdict(Counts())
            counts = {key: type(none[key])(state["counts"][key]) for key in none}
            self.counts, self._pace = Counts(**counts), Pace(**state["pace"])
        except (KeyError, TypeError, ValueError) as error:
            why = f"is no file of a watch: {shown(str(error))}"
            raise RequestError(name, why) from None
        self.counts.restarts += 1
        # The checkpoint it goes on from may be older than the last update: its number tells.
        self.counts.last_step = 0
