"""What an answer is: a heading, a sentence, the few figures that matter, what must be known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """One number of the answer, with its interval."""

    label: str
    value: str
    interval: str = ""

    @property
    def text(self) -> str:
        """The number and its interval, ``32.1 k MWh (21.9–46.4)``."""
        return f"{self.value} ({self.interval})" if self.interval else self.value


class Answer(NamedTuple):
    """One result in a sentence; the terminal, a page, a notebook and a slide say the same.

    Attributes:
        title: what it is of.
        sentence: what was found, with its interval.
        figures: beside the sentence.
        notes: what a reader must know, in sentences.
    """

    title: str
    sentence: str
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()


def figure(label: str, text: str) -> Figure:
    """Return a figure from a text of value, interval and unit, ``32.1 k (21.9–46.4) MWh``."""
    value, _, rest = text.partition(" (")
    interval, _, unit = rest.partition(")")
    return Figure(label, value + unit, interval)
