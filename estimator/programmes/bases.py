"""What a programme is counted in, and how well each of its figures is known."""

from __future__ import annotations

from typing import Literal, NamedTuple

BasisName = Literal["dollars", "hours", "energy", "emissions"]


class Basis(NamedTuple):
    """A unit that final runs and R&D compute are both told in.

    Attributes:
        name: as a programme's file has it.
        unit: of its amounts, as a reported line has it.
        key: of its amounts in JSON, the end of ``final_runs_usd``.
        size: key of a run that gives its size in the unit itself.
    """

    name: BasisName
    unit: str
    key: str
    size: str


DOLLARS = Basis("dollars", "USD", "usd", "cost_usd")
HOURS = Basis("hours", "GPU-hours", "gpu_hours", "accelerator_hours")
ENERGY = Basis("energy", "MWh", "mwh", "energy_mwh")
EMISSIONS = Basis("emissions", "t CO2e", "t_co2e", "emissions_t")
BASES: dict[str, Basis] = {each.name: each for each in (DOLLARS, HOURS, ENERGY, EMISSIONS)}

Mark = Literal[
    "measured", "published", "transcribed", "estimated", "press", "derived", "guessed", "unmarked"
]
MARKS: dict[str, str] = {
    "measured": "counted or metered by the organisation itself, read in its own words",
    "published": "stated by the organisation itself, read in its own words",
    "transcribed": "its own statement, as others copied it",
    "estimated": "worked out by others from what was stated",
    "press": "told by the press or another second hand",
    "derived": "worked out here from other figures",
    "guessed": "a judgement; nothing was published",
    "unmarked": "the file does not say how well it is known",
}
"""What a figure rests on."""
