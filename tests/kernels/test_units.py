"""Units by their definitions."""

from __future__ import annotations

from computebill.kernels import units


def test_units_are_those_of_the_si_and_the_julian_year() -> None:
    assert units.SECONDS_PER_HOUR == 60 * 60
    assert units.SECONDS_PER_DAY == 24 * 60 * 60
    assert abs(units.SECONDS_PER_YEAR / (365.25 * 24 * 60 * 60) - 1) < 1e-3
    assert units.JOULES_PER_KWH == 1000 * 60 * 60
    assert units.JOULES_PER_MWH == 1000 * units.JOULES_PER_KWH
